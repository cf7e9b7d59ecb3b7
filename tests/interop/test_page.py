"""The examples of docs/interop.md run, and what the page names exists."""

import re
import warnings

import pytest

from difftv.errors import MissingDependencyError
from tests.conftest import PROJECT

PAGE = (PROJECT / "docs" / "interop.md").read_text()
EXAMPLES = dict(re.findall(r"^## ([^\n]*)\n+```python\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE))
"""Heading -> code."""


def test_there_is_an_example_for_every_library_in_python() -> None:
    assert [heading.split()[0].strip(",") for heading in EXAMPLES] == ["scikit-image", "PyTorch", "deepinv", "CVXPY"]
    assert PAGE.count("```python") == len(EXAMPLES)


@pytest.mark.parametrize("heading", EXAMPLES)
@pytest.mark.usefixtures("jaxtyping_off")
def test_every_example_runs(heading: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deepinv and what it imports
        if heading == "deepinv":
            try:
                import difftv.interop.deepinv  # noqa: F401
            except MissingDependencyError as error:
                pytest.skip(str(error))
        exec(compile(EXAMPLES[heading], heading, "exec"), {})


def test_the_files_and_names_of_the_page_exist() -> None:
    for path in set(re.findall(r"benchmarks/benchopt/solvers[\w/.]*", PAGE)):
        assert (PROJECT / path.rstrip(".")).exists(), path
    for name in re.findall(r"`(\w+\.py)`", PAGE):
        assert (PROJECT / "benchmarks" / "benchopt" / "solvers" / name).is_file(), name
