"""The extensions of the site, which are no package, as modules."""

import importlib.util
from types import ModuleType

from tests.conftest import PROJECT


def extension(name: str) -> ModuleType:
    path = PROJECT / "docs" / "extensions" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"docs_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
