# jaxtyping's hook imports `tests` alone before it asks for tests.typechecking.checked.
from tests import typechecking as typechecking
