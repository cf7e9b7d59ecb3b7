"""Which package may import which, read from the imports themselves (docs/architecture.md)."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGE = PROJECT / "difftv"

LAYERS = [
    {"types", "errors", "arguments", "files", "printing", "memory", "progress", "_moved"},
    {"axes"},
    {"space"},
    {"missing"},
    {"images"},
    {"linear", "noise", "devices", "extras"},
    {"lab.rundir", "lab.imagefiles", "lab.forward"},
    {"metrics", "regularizers", "lab.data", "lab.tracking"},
    {"problem"},
    {"solvers", "predictors", "maps", "lab.losses", "lab.figures"},
    {"method", "sure"},
    {"denoiser", "network_denoiser", "functional", "lab.report"},
    {"reconstructor"},
    {"models", "colour", "volumes", "interop", "lab.baselines"},
    {"lab.training", "lab.models"},
    {"lab.runs", "lab.cli"},
    {"__main__"},
]
"""Imports go down only; packages of one layer do not import each other. The method never imports the lab."""

UPWARD = {
    ("network_denoiser", "lab.models"): "NetworkDenoiser.load is where a user looks for it; imported when it is called",
    ("denoiser", "lab.models"): "Denoiser.load is where a user looks for it; imported when it is called",
    ("denoiser", "models"): "Denoiser.pretrained is where a user looks for it; imported when it is called",
    ("reconstructor", "lab.models"): "Reconstructor.load is where a user looks for it; imported when it is called",
    ("reconstructor", "models"): "Reconstructor.pretrained is where a user looks for it; imported when it is called",
}
"""Imports that go up all the same, inside a function, each with the reason."""

KEPT_TO = {
    "cvxpy": {"solvers", "interop"},
    "cvxpylayers": {"solvers", "interop"},
    "deepinv": {"interop", "lab.losses"},
    "mrpro": {"interop"},
    "wandb": {"lab.tracking"},
    "wandb_workspaces": {"lab.tracking"},
    "hydra": {"lab.runs"},
    "omegaconf": {"lab.runs"},
    "numba": {"solvers"},
    "optuna": {"lab.runs"},
    "matplotlib": {"lab.figures", "lab.tracking", "lab.report"},
}
"""Libraries that only some packages may import."""


def part_of(path: Path) -> str:
    return _part(path.relative_to(PACKAGE).with_suffix("").parts)


def _part(names: tuple[str, ...] | list[str]) -> str:
    """`solvers` of solvers/base.py, `lab.data` of lab/data/base.py."""
    return ".".join(names[:2]) if names[0] == "lab" else names[0]


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
            assert node.module
            names |= {_module(f"{node.module}.{alias.name}") or node.module for alias in node.names}
    return names


def _module(name: str) -> str | None:
    """The name where it is a module or package of ours, which `from ... import` does not tell."""
    path = PROJECT.joinpath(*name.split("."))
    return name if path.is_dir() or path.with_suffix(".py").is_file() else None


FILES = sorted(PACKAGE.rglob("*.py"))


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    part = part_of(path)
    if part in ("__init__", "lab.__init__"):
        return
    for name in imports_of(path):
        if name.startswith("difftv."):
            other = _part(name.split(".")[1:])
            if (part, other) in UPWARD:
                assert name not in imports_of(path, module_level=True)
            elif other != part:
                assert part.startswith("lab.") or not other.startswith("lab.") or part == "__main__", f"{part}: {name}"
                assert layer_of(other) < layer_of(part), f"{part} (layer {layer_of(part)}) imports {other}"
        library = name.split(".")[0]
        assert library not in ("benchmarks", "experiments", "tests"), f"{library} is not part of the package"
        if library in KEPT_TO:
            assert part in KEPT_TO[library], f"{library} is not for {part}"


def test_no_file_imports_itself_through_others() -> None:
    """Inside packages as well, imports inside functions included; but for those that go up for a reason."""
    modules = {_dotted(path): path for path in FILES}
    arrows = {
        name: sorted(
            other
            for other in imports_of(path) & set(modules)
            if other != name and (part_of(path), _part(other.split(".")[1:])) not in UPWARD
        )
        for name, path in modules.items()
    }
    try:
        order = list(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(reversed(error.args[1]))}")
    assert len(order) == len(modules)


def _dotted(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_file_is_longer_than_350_lines() -> None:
    long = {str(path.relative_to(PROJECT)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: lines for name, lines in long.items() if lines > 350} == {}


def test_no_package_holds_whatever_is_left_over() -> None:
    assert not {part_of(path) for path in FILES} & {"utils", "common", "helpers", "misc"}
