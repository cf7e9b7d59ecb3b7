"""Which package may import which, read from the imports themselves (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGE = PROJECT / "difftv"

LAYERS = [
    {"types", "errors", "arguments", "files", "printing", "memory", "progress"},
    {"operators", "noise", "devices", "extras"},
    {"rundir", "imagefiles", "noise_estimate"},
    {"metrics", "regularizers", "data", "tracking"},
    {"solvers", "predictors", "losses", "figures", "weights"},
    {"denoiser", "functional", "report"},
    {"models", "baselines", "colour", "interop"},
    {"training"},
    {"runs", "cli"},
]
"""Imports go down only; packages of one layer do not import each other."""

UPWARD = {("denoiser", "models"): "Denoiser.load is where a user looks for it; imported when it is called"}
"""Imports that go up all the same, inside a function, each with the reason."""

KEPT_TO = {
    "cvxpy": {"solvers", "interop"},
    "cvxpylayers": {"solvers", "interop"},
    "deepinv": {"interop"},
    "wandb": {"tracking"},
    "wandb_workspaces": {"tracking"},
    "hydra": {"runs"},
    "omegaconf": {"runs"},
    "numba": {"solvers"},
    "optuna": {"runs"},
    "matplotlib": {"figures", "tracking", "report"},
}
"""Libraries that only some packages may import."""


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def layer_of(part: str) -> int:
    return next(index for index, parts in enumerate(LAYERS) if part in parts)


def imports_of(path: Path, *, module_level: bool = False) -> set[str]:
    """Dotted names that a file imports, anywhere or when it is imported itself, except for type checking only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        checked = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if checked or (module_level and isinstance(node, ast.FunctionDef)):
            node.body = []  # type: ignore[attr-defined]
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
    part = part_of(path)
    if part == "__init__":
        return
    for name in imports_of(path):
        if name.startswith("difftv."):
            other = name.split(".")[1]
            if (part, other) in UPWARD:
                assert name not in imports_of(path, module_level=True)
            elif other != part:
                assert layer_of(other) < layer_of(part), f"{part} (layer {layer_of(part)}) imports {other}"
        library = name.split(".")[0]
        assert library not in ("benchmarks", "experiments", "tests"), f"{library} is not part of the package"
        if library in KEPT_TO:
            assert part in KEPT_TO[library], f"{library} is not for {part}"


def test_no_file_is_longer_than_350_lines() -> None:
    long = {str(path.relative_to(PROJECT)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: lines for name, lines in long.items() if lines > 350} == {}


def test_no_package_holds_whatever_is_left_over() -> None:
    assert not {part_of(path) for path in FILES} & {"utils", "common", "helpers", "misc"}
