"""Import paths of earlier versions: `difftv.data` is `difftv.lab.data`, the same module under a second name."""

import importlib
import importlib.util
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType

LAB = (
    "baselines",
    "cli",
    "data",
    "figures",
    "imagefiles",
    "losses",
    "models.place",
    "models.reading",
    "report",
    "rundir",
    "runs",
    "tracking",
    "training",
)

RENAMED = {
    "cli.exported": "cli.card_from_run",
    "cli.public_command": "cli.redact",
    "cli.targets": "cli.output_paths",
    "data.contents": "data.fingerprint",
    "data.repeated": "data.duplicates",
    "rundir.standing": "rundir.status",
    "runs.record": "runs.run_writer",
}

MOVED = {
    **{f"difftv.{place}{old}": f"difftv.lab.{new}" for old, new in RENAMED.items() for place in ("", "lab.")},
    **{f"difftv.{name}": f"difftv.lab.{name}" for name in LAB},
    "difftv.noise_estimate": "difftv.noise.estimate",
    "difftv.operators": "difftv.linear.gradient",
    "difftv.models.plain": "difftv.models.untrusted",
    "difftv.weights": "difftv.maps",
    "difftv.solvers.taut_string": "difftv.solvers.exact.solver",
    **{f"difftv.solvers.{name}": f"difftv.problem.{name}" for name in ("data_term", "gap", "units")},
    **{f"difftv.regularizers.{name}": f"difftv.linear.{name}" for name in ("operator", "differences", "fields")},
}
"""Earlier path -> today's; modules below a package moved with it."""


def todays_path(name: str) -> str | None:
    """Today's dotted path of a module (or of what is in it) that has moved; None where it has not."""
    for earlier, now in MOVED.items():
        if name == earlier or name.startswith(earlier + "."):
            return now + name[len(earlier) :]
    return None


class _Alias(Loader):
    """A loader that answers with the module of today, so that a class is one class under both paths."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.path)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system has put that of the alias in its place

    def get_code(self, name: str) -> CodeType | None:
        """The code for `python -m`."""
        spec = importlib.util.find_spec(self.path)
        return spec.loader.get_code(self.path) if spec and spec.loader else None  # type: ignore[attr-defined]


class _Finder:
    @staticmethod
    def find_spec(name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        now = todays_path(name)
        found = importlib.util.find_spec(now) if now else None
        if now is None or found is None:
            return None
        return ModuleSpec(
            name, _Alias(now), origin=found.origin, is_package=found.submodule_search_locations is not None
        )


def install() -> None:
    """Let the import system know the earlier paths, once per process.

    First of all finders: the others would find the files of a moved package once more, under its earlier name.
    """
    if not any(finder is _Finder for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder)  # type: ignore[arg-type]
