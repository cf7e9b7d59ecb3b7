"""A finished run costs little: nothing heavy is imported to find out that there is nothing to do."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT
from tests.runs.commands import SMALL, run_alone

HEAVY = ("torch", "cvxpy", "cvxpylayers", "matplotlib", "wandb", "numba", "scipy", "pandas", "difftv.lab.runs.job")

SAY_WHAT_WAS_IMPORTED = """
import atexit
atexit.register(lambda: print("imported:", *(name for name in {names!r} if name in sys.modules), "end"))
"""


def test_nothing_heavy_is_imported_for_a_run_that_is_only_skipped(tmp_path: Path) -> None:
    command = [*SMALL, "solver=taut_string", "trainer.epochs=1", "evaluation.oracle=false", "evaluation.test_images=1"]
    place = f"hydra.sweep.dir={tmp_path}"
    say = SAY_WHAT_WAS_IMPORTED.format(names=HEAVY)
    first = run_alone("-m", *command, place, prelude=say)
    assert first.returncode == 0, first.stderr
    assert "torch" in first.stdout.rpartition("imported:")[2]
    (finished,) = (path.parent for path in tmp_path.glob("*/result.json"))
    left = finished / ".status.json.4711-0123abcd"  # by a process that was killed between its result and its status
    left.touch()
    again = run_alone("-m", *command, place, prelude=say)
    assert "finished before, nothing to do" in again.stdout
    assert "1 skipped" in again.stdout
    assert again.stdout.rpartition("imported:")[2].split() == ["end"]
    assert not left.exists()


def test_a_job_begins_without_what_it_needs_at_its_end() -> None:
    code = "import sys, difftv.lab.runs.job; print(*{'matplotlib', 'wandb', 'cvxpy'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert found.stdout.split() == []


def test_the_names_of_the_packages_are_all_there() -> None:
    import difftv
    import difftv.lab.data
    import difftv.lab.figures

    for package in (difftv, difftv.lab.data, difftv.lab.figures):
        for name in package.__all__:
            assert getattr(package, name).__name__ in (name, "Exact")  # TautString is its earlier name
    assert "difftv" in sys.modules
