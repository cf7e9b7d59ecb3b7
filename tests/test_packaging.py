"""What is installed is what is declared, and what is declared is what is imported; a wheel works on its own."""

import ast
import functools
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

from difftv.lab.rundir.checkpoint import CheckpointStore
from difftv.predictors import Constant
from tests.conftest import PROJECT
from tests.models.made import config, make_file

DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = DECLARED["optional-dependencies"]

TOOLS = {
    "pytest-timeout": "a plugin",
    "pytest-xdist": "a plugin",
    "beartype": "named in pytest's options",
    "ruff": "a command",
    "mypy": "a command",
    "pre-commit": "a command",
    "types-requests": "read by mypy",
    "types-tqdm": "read by mypy",
    "types-psutil": "read by mypy",
    "pywavelets": "imported by scikit-image",
    "sqlalchemy": "imported by MLflow for its database",
    "alembic": "imported by MLflow for its database",
    "sphinx": "a command; imported by the extensions of docs/",
    "myst-parser": "named in docs/conf.py",
    "sphinx-gallery": "named in docs/conf.py",
    "sphinx-copybutton": "named in docs/conf.py",
    "furo": "named in docs/conf.py",
}
"""Distributions that are needed and imported nowhere by their own name, each with the reason."""

IMPORTED_AS = {
    "pil": "pillow",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
    "hydra": "hydra-core",
    "mlflow": "mlflow-skinny",
}

CHECKED_ELSEWHERE = {
    "difftv/solvers/": "a cone solver asks for its extra when it is constructed",
    "difftv/regularizers/": "cone programs are asked for by cone solvers only",
    "difftv/interop/_cvxpy_problem.py": "cvxpylayers.py asks before it imports this",
    "difftv/lab/data/download.py": "div2k.py asks before it imports this",
    "difftv/lab/runs/launchers/": "a launcher asks for its extra when a sweep starts",
    "difftv/lab/runs/search/": "the sweeper asks for its extra when a search starts",
}
"""Files that import from an extra without asking for it, each with the reason."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def expanded(requirements: list[str]) -> set[str]:
    """The distributions that requirements name, those of other extras of ours included."""
    found = set()
    for requirement in map(Requirement, requirements):
        if normal(requirement.name) == "difftv":
            found |= set().union(*(expanded(EXTRAS[extra]) for extra in requirement.extras))
        else:
            found.add(normal(requirement.name))
    return found


PLAIN = expanded(DECLARED["dependencies"])


@functools.cache
def imports(root: str) -> dict[str, set[str]]:
    """File -> distributions that it imports anywhere, except for type checking only."""
    found = {}
    for path in sorted((PROJECT / root).rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                node.body = []
        names = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
        ours = {"difftv", "benchmarks", "experiments", "tests", "hydra_plugins"}
        if root == "tests":
            ours |= {file.stem for file in path.parent.glob("*.py")}
        third_party = {normal(name) for name in names - sys.stdlib_module_names - ours}
        found[path.relative_to(PROJECT).as_posix()] = {IMPORTED_AS.get(name, name) for name in third_party}
    return found


def test_everything_imported_is_declared() -> None:
    users = PLAIN | set().union(*(expanded(EXTRAS[extra]) for extra in EXTRAS if extra != "dev"))
    for root in ("difftv", "hydra_plugins", "experiments", "benchmarks"):
        for file, names in imports(root).items():
            assert names <= users, f"{file} imports what no extra declares: {names - users}"
    for file, names in imports("tests").items():
        assert names <= users | expanded(EXTRAS["dev"]), f"{file}: {names}"


def test_everything_declared_is_imported() -> None:
    declared = PLAIN | set().union(*(expanded(extra) for extra in EXTRAS.values()))
    roots = ("difftv", "hydra_plugins", "experiments", "benchmarks", "tests")
    imported = set().union(*(names for root in roots for names in imports(root).values()))
    # Backends that are chosen by name, and never imported.
    backends = {"scs", "clarabel", "ecos"}
    assert declared - imported - set(TOOLS) == backends


def test_everything_declared_is_pinned() -> None:
    pinned = {normal(line.partition("==")[0]) for line in (PROJECT / "constraints.txt").read_text().splitlines()}
    assert set().union(PLAIN, *(expanded(extra) for extra in EXTRAS.values())) <= pinned


def asked_for(path: Path) -> Iterator[tuple[str, str]]:
    """(extra, distribution) of the calls of `require` in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "require":
            words = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            for name in words[1:]:
                yield words[0], IMPORTED_AS.get(normal(name), normal(name))


@pytest.mark.parametrize("file", [file for file, names in imports("difftv").items() if names - PLAIN])
def test_what_an_extra_installs_is_asked_for_before_it_is_imported(file: str) -> None:
    if file.startswith(tuple(CHECKED_ELSEWHERE)):
        return
    path = PROJECT / file
    places = [path, *(parent / "__init__.py" for parent in path.parents if parent.is_relative_to(PROJECT / "difftv"))]
    asked = {pair for place in places for pair in asked_for(place)}
    for extra, name in asked:
        assert name in expanded(EXTRAS[extra]) | PLAIN, f"{file}: {name} is not in the extra {extra}"
    for name in imports("difftv")[file] - PLAIN:
        assert name in {name for _, name in asked}, f"{file} imports {name} without asking for its extra"


def closure(names: set[str]) -> set[str]:
    """Distributions that come with these."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.add(normal(requirement.name))
    return found


def hidden_modules() -> list[str]:
    """Top-level modules of this environment that a plain install does not have."""
    plain = closure(PLAIN)
    return sorted(
        module
        for module, names in importlib.metadata.packages_distributions().items()
        if not {normal(name) for name in names} & (plain | {"difftv", "pip", "wheel"}) and module.isidentifier()
    )


WHEN_MISSING = {
    "from difftv import AnisotropicTV, Scs; Scs(AnisotropicTV())": "cone",
    "from difftv import AnisotropicTV, Clarabel; Clarabel(AnisotropicTV())": "cone",
    "from difftv import AnisotropicTV, Ecos; Ecos(AnisotropicTV())": "ecos",
    "import difftv.lab.figures": "figures",
    "import difftv.lab.report": "train",
    "import difftv.lab.runs.app": "train",
    "import difftv.lab.cli.table": "train",
    "import difftv.lab.cli.evaluate": "train",
    "import difftv.lab.cli.export": "train",
    "from difftv.lab.data import Sample; Sample().files()": "train",
    "from difftv.lab.data import Div2k; Div2k('nowhere', download=True).files()": "train",
    "from difftv.metrics import fom; import torch; fom(torch.rand(1, 1, 9, 9), torch.rand(1, 1, 9, 9))": "train",
    "import torch; from difftv.lab.baselines import nonlocal_means as m; m(torch.rand(1, 1, 9, 9), 25)": "train",
    "from difftv.lab.tracking.wandb import WandbTracker; WandbTracker()": "train",
    "from difftv.lab.tracking.dashboard import workspaces; workspaces()": "dashboard",
    "import difftv.interop.deepinv": "deepinv",
    "import difftv.interop.cvxpylayers": "cone",
}
"""What needs an extra, and which."""


ADDED = "added-by-a-test"
"""A shipped model that every wheel of these tests holds."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, from a copy of what a clone holds of the package."""
    copy = tmp_path_factory.mktemp("clone")
    for name in ("difftv", "hydra_plugins", "benchmarks", "experiments", "conf"):
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, copy)
    model = make_file(copy / "difftv" / "models" / "shipped" / f"{ADDED}.safetensors", config("cnn", sigma=[5, 55]))
    model.with_suffix(".md").write_text("the card")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", copy / "dist", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess]:
    """Run code on the wheel's content, where nothing is installed but what a plain install brings."""
    place = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    hide = f"for name in {hidden_modules()!r}: sys.modules[name] = None"
    prelude = f"import sys\nsys.path.insert(0, {str(place)!r})\n{hide}\n"
    # Compiling for a place where nothing is compiled yet takes half a minute; small images do without.
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-I", "-W", "error", "-c", prelude + code, *arguments]
        return subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    return run


def test_a_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
        metadata = archive.read(f"{info}/METADATA").decode()
        commands = archive.read(f"{info}/entry_points.txt").decode()
    assert {name.split("/")[0] for name in names} == {"difftv", "hydra_plugins", info}
    package = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "difftv").rglob("*")}
    kept = {name for name in package if name.endswith((".py", ".pyi", ".j2", ".js", ".safetensors", ".md", "py.typed"))}
    assert kept | {f"difftv/models/shipped/{ADDED}{suffix}" for suffix in (".safetensors", ".md")} <= names
    assert "difftv-denoise = difftv.__main__:main" in commands
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert len(required) == len(PLAIN)
    assert "==" not in "".join(required), "exact versions belong into constraints.txt"


def test_a_plain_install_runs_the_library_example(alone: Callable[..., subprocess.CompletedProcess]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), flags=re.DOTALL)
    assert "64, 64" in example
    done = alone(example.replace("64, 64", "8, 8") + "\nimport difftv; print(difftv.__file__)")
    assert done.returncode == 0, done.stderr
    assert "installed" in done.stdout


def test_a_plain_install_denoises_files(alone: Callable[..., subprocess.CompletedProcess], tmp_path: Path) -> None:
    config = {
        "predictor": {"_target_": "difftv.predictors.Constant", "initial_lam": 0.1},
        "regularizer": {"_target_": "difftv.regularizers.AnisotropicTV", "num_maps": 1},
        "solver": {"_target_": "difftv.solvers.Scs", "eps": 1e-4, "max_iter": 500},
        "sigma": 25,
    }
    training = {"best_weights": Constant(initial_lam=0.1).state_dict(), "best_epoch": 3}
    CheckpointStore(tmp_path, "0", config).save({"training": training})
    Image.new("RGB", (20, 12), (10, 100, 200)).save(tmp_path / "photo.png")
    command = "from difftv.lab.cli.denoise import main; sys.exit(main())"
    done = alone(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "NAME-denoised" in done.stdout
    done = alone(command, str(tmp_path), str(tmp_path / "photo.png"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "photo-denoised.png").is_file()
    assert 'pip install "difftv[figures]"' in done.stderr
    assert not (tmp_path / "photo-lam.png").exists()


def test_a_plain_install_denoises_with_a_shipped_model(
    alone: Callable[..., subprocess.CompletedProcess], tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    Image.effect_noise((24, 20), 30).save(photo)
    code = f"""
import difftv
assert {ADDED!r} in difftv.list_pretrained()
assert "torch" not in sys.modules
from difftv.lab.cli.denoise import main
code = main(["--model", {ADDED!r}, sys.argv[1]])
import torch
noisy = torch.rand(1, 1, 16, 18)
assert difftv.Denoiser.pretrained({ADDED!r})(noisy, sigma=25).denoised.shape == noisy.shape
sys.exit(code)
"""
    done = alone(code, str(photo))
    assert done.returncode == 0, done.stderr
    assert f"model {ADDED}: trained for sigma 5 to 55" in done.stdout
    assert "estimated sigma" in done.stdout
    assert (tmp_path / "photo-denoised.png").is_file()


def test_every_missing_extra_is_named_with_its_command(alone: Callable[..., subprocess.CompletedProcess]) -> None:
    code = f"""
import json
from difftv.errors import MissingDependencyError
found = {{}}
for statement in {list(WHEN_MISSING)!r}:
    try:
        exec(statement)
    except MissingDependencyError as error:
        found[statement] = str(error)
print(json.dumps(found))
"""
    done = alone(code)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for statement, extra in WHEN_MISSING.items():
        assert f'pip install "difftv[{extra}]"' in found[statement], statement


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, difftv; print(dir(difftv)); print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, modules = map(ast.literal_eval, done.stdout.splitlines())
    assert {"Denoiser", "TautString", "tv_denoise", "Cnn"} <= set(names)
    third_party = set(modules) & set(importlib.metadata.packages_distributions())
    assert third_party - {"_distutils_hack", "hydra_plugins"} == {"difftv", "lazy_loader"}
