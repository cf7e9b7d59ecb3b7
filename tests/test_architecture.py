"""The rules of the house, read from the imports themselves (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGE = PROJECT / "difftv"

FLOORS = [
    {"types", "errors", "arguments", "files", "memory"},
    {"operators", "noise", "devices", "extras"},
    {"rundir", "imagefiles"},
    {"metrics", "regularizers", "data", "tracking"},
    {"solvers", "predictors", "losses", "figures"},
    {"models"},
    {"denoiser", "functional", "report"},
    {"baselines", "colour"},
    {"training"},
    {"runs", "cli"},
]
"""Imports go down only; rooms of one floor do not import each other."""

KEPT_TO = {
    "cvxpy": {"regularizers", "solvers"},
    "cvxpylayers": {"solvers"},
    "wandb": {"tracking"},
    "wandb_workspaces": {"tracking"},
    "hydra": {"runs"},
    "omegaconf": {"runs"},
    "numba": {"solvers"},
    "matplotlib": {"figures", "tracking", "report"},
}
"""Libraries that only some rooms may know."""


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor_of(room: str) -> int:
    return next(index for index, rooms in enumerate(FLOORS) if room in rooms)


def imports_of(path: Path) -> set[str]:
    """Dotted names that a file imports anywhere, except for type checking only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return names


FILES = sorted(PACKAGE.rglob("*.py"))


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    for name in imports_of(path):
        if name.startswith("difftv."):
            other = name.split(".")[1]
            if other != room:
                assert floor_of(other) < floor_of(room), f"{room} (floor {floor_of(room)}) imports {other}"
        library = name.split(".")[0]
        if library in KEPT_TO:
            assert room in KEPT_TO[library], f"{library} is not for {room}"


def test_no_file_has_grown_past_a_sitting() -> None:
    long = {str(path.relative_to(PROJECT)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: lines for name, lines in long.items() if lines > 350} == {}


def test_no_room_is_a_drawer() -> None:
    assert not {room_of(path) for path in FILES} & {"utils", "common", "helpers", "misc"}
