"""A sweep of runs of a few seconds, started as a user does, watched and disturbed through what it leaves on disk."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import PROJECT

SMALL = [
    "data=sample",
    "tracker=none",
    "solver=taut_string",
    "patch_size=8",
    "data.crops_per_image=6",
    "trainer.epochs=8",
    "trainer.batch_size=3",
    "trainer.checkpoint_seconds=0",
    "scheduler=cosine",
    "evaluation.validation_images=2",
    "evaluation.test_images=2",
    "evaluation.search_images=2",
    "evaluation.refinements=1",
    "evaluation.oracle=false",
    "evaluation.figures=0",
]

WHOLE, KILLED, STOPPED, RAISES = 0.01, 0.005, 0.002, -1
"""Learning rates, by which the runs of a sweep are told apart; a negative one is refused by the optimizer."""

WELL = (WHOLE, KILLED, STOPPED)

ENOUGH = 2
"""Epochs after which a run is disturbed: there is a checkpoint, and there is something left to do."""


def rates(*values: float) -> str:
    return f"optimizer.lr={','.join(map(str, values))}"


def start(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """`python experiments/run.py` on the small configuration; both outputs come through one pipe."""
    return subprocess.Popen(
        [sys.executable, str(PROJECT / "experiments" / "run.py"), *arguments, *SMALL],
        cwd=PROJECT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores Ctrl-C
    )


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and everything shown."""
    return ended(start(*arguments, environment=environment))


def ended(process: subprocess.Popen[str], seconds: float = 300.0) -> tuple[int, str]:
    """Wait; what does not end is killed, and fails the test."""
    try:
        shown, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"still running after {seconds} s:\n{process.communicate()[0]}") from None
    return process.returncode, shown


def disturb(
    process: subprocess.Popen[str],
    sweep: Path,
    actions: Mapping[float, Callable[[dict[str, Any]], object]],
    seconds: float = 240.0,
) -> None:
    """Do something to each of these runs, given its status, as soon as it is well under way."""
    left = dict(actions)
    deadline = time.monotonic() + seconds
    while left:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"not under way: {statuses(sweep)}\n{process.communicate()[0]}")
        for rate, status in statuses(sweep).items():
            if rate in left and status["state"] == "running" and status["epoch"] >= ENOUGH:
                left.pop(rate)(status)
        time.sleep(0.05)


def directories(sweep: Path) -> dict[float, Path]:
    """The runs of a sweep by their learning rate; a second directory of the same run would fail here."""
    found: dict[float, Path] = {}
    for path in sweep.glob("*/config.yaml"):
        rate = yaml.safe_load(path.read_text())["optimizer"]["lr"]
        assert rate not in found
        found[rate] = path.parent
    return found


def statuses(sweep: Path) -> dict[float, dict[str, Any]]:
    return {rate: json.loads((path / "status.json").read_text()) for rate, path in directories(sweep).items()}


def metrics(directory: Path) -> dict[str, float]:
    """Everything that was found, times aside."""
    found = json.loads((directory / "result.json").read_text())["metrics"]
    return {name: value for name, value in found.items() if not name.endswith("_seconds")}


def results(sweep: Path) -> dict[float, int]:
    """When the result of each finished run was written."""
    return {
        rate: (path / "result.json").stat().st_mtime_ns
        for rate, path in directories(sweep).items()
        if (path / "result.json").exists()
    }


def log_of(sweep: Path, rate: float) -> str:
    return (directories(sweep)[rate] / "run.log").read_text()


def table(sweep: Path) -> str:
    """What `experiments/table.py` says about the sweep."""
    done = subprocess.run(
        [sys.executable, str(PROJECT / "experiments" / "table.py"), str(sweep), "--rows", "optimizer.lr"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        timeout=120,
        check=True,
    )
    return done.stdout
