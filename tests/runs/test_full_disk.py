"""A disk that is full in the middle of a sweep: a line says what and where, no file is half written, the same command
goes on. A limit on the size of files stands in for the full disk: the write fails half-way, as there."""

import json
import math
from pathlib import Path

import pytest

from tests.runs.commands import SMALL, run

SWEEP = ["-m", *(word for word in SMALL if not word.startswith("optimizer.lr")), "optimizer.lr=1e-2,1e-3"]


def limited(size: int) -> str:
    return (
        "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    )


def found(folder: Path) -> list[dict[str, float]]:
    """The metrics of every run, times aside, by the name of the run."""
    results = [json.loads(path.read_text())["metrics"] for path in sorted(folder.glob("*/result.json"))]
    return [
        {name: value for name, value in metrics.items() if not name.endswith("seconds") and not _nan(value)}
        for metrics in results
    ]


def _nan(value: float | None) -> bool:
    return value is None or math.isnan(value)


def test_the_same_command_goes_on_where_the_disk_was_full(tmp_path: Path) -> None:
    full, whole = tmp_path / "full", tmp_path / "whole"
    # Everything fits but a checkpoint, which takes more than a hundred thousand bytes.
    done = run(*SWEEP, f"hydra.sweep.dir={full}", prelude=limited(70_000))
    shown = done.stdout + done.stderr
    assert done.returncode == 1
    assert "2 runs in" in shown
    assert "2 failed" in shown
    for directory in full.iterdir():
        if directory.is_dir():
            assert f"{directory}/checkpoint.pt" in shown
            assert "could not be written: [Errno 27] File too large" in shown
            assert "run the same command again to continue" in shown
            kept = {path.name for path in directory.iterdir() if path.is_file()}
            assert kept == {".lock", "config.yaml", "status.json", "run.log"}
            assert json.loads((directory / "status.json").read_text())["state"] == "failed"
    done = run(*SWEEP, f"hydra.sweep.dir={full}")
    assert done.returncode == 0, done.stderr
    assert run(*SWEEP, f"hydra.sweep.dir={whole}").returncode == 0
    assert len(found(full)) == 2
    assert found(full) == found(whole)


@pytest.mark.parametrize("words", [SWEEP, SMALL], ids=["sweep", "run"])
def test_a_disk_that_is_full_already_is_refused_before_any_work(words: list[str], tmp_path: Path) -> None:
    place = tmp_path / "full"
    key = "hydra.sweep.dir" if words[0] == "-m" else "hydra.run.dir"
    done = run(*words, f"{key}={place}", prelude=limited(20_000))
    assert done.returncode == 1
    assert "cannot write to the output directory" in done.stderr
    assert f"File too large: '{place}'" in done.stderr
    assert f"{key}=DIRECTORY" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(place.iterdir()) == []
