"""The contract of every tracker in conf/tracker."""

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from difftv.errors import ConfigError
from difftv.lab.runs.config import resolved
from difftv.lab.runs.trackers import tracker_node
from difftv.lab.tracking import RunInfo, RunLog, Tracker
from difftv.lab.tracking.base import NoLog
from difftv.lab.tracking.several import Several
from tests.conftest import PROJECT, composed, options_of
from tests.tracking.readers import READERS

TRACKERS = options_of("tracker")


NEEDS = {"wandb": "wandb", "tensorboard": "tensorboard", "mlflow": "mlflow", "trackio": "trackio"}
"""Option -> the package that it needs."""


def made(*words: str) -> Tracker:
    """The tracker of a command line."""
    node = tracker_node(resolved(composed(*words))["tracker"])
    node.check()
    return node.make()


@pytest.fixture(params=[*TRACKERS, "[none,wandb]"])
def option(request: pytest.FixtureRequest) -> str:
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param], reason=f"the extra difftv[{request.param}] is not installed")
    return request.param


@pytest.fixture
def tracker(option: str) -> Tracker:
    return made(f"tracker={option}")


def info(directory: Path) -> RunInfo:
    return RunInfo(directory, identity="0123456789ab", name="sigma=25", group="sweep")


def test_takes_everything_a_run_has_to_say(tracker: Tracker, place: Path) -> None:
    with tracker.open(info(place)) as log:
        log.figure("validation/camera", Figure(), epoch=1)
        log.epoch(1, {"train/loss": 0.5, "validation/psnr": float("nan")})
        log.figure("strip_camera", Figure())
        log.table("per_image", ["image", "psnr"], [["camera", 28.0], ["coins", None], ["moon", float("inf")]])
        log.summary({"psnr": 28.0})


def test_lets_errors_of_the_run_through(tracker: Tracker, place: Path) -> None:
    with pytest.raises(ZeroDivisionError), tracker.open(info(place)):
        raise ZeroDivisionError


def test_refuses_a_ragged_table(tracker: Tracker, place: Path) -> None:
    with tracker.open(info(place)) as log, pytest.raises(ValueError, match=r"row 1 has 1 cells, expected 2.*None"):
        log.table("per_image", ["image", "psnr"], [["camera", 28.0], ["coins"]])


def test_tools_are_imported_by_nothing_but_an_open_run(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import difftv.lab.tracking.wandb, difftv.lab.tracking.dashboard, difftv.lab.tracking.tensorboard
import difftv.lab.tracking.mlflow, difftv.lab.tracking.trackio
from difftv.lab.tracking import RunInfo
from difftv.lab.tracking.none import NoTracker
from difftv.lab.tracking.wandb import WandbTracker
for tracker in (NoTracker(), WandbTracker(mode="disabled")):
    with tracker.open(RunInfo(Path({str(tmp_path)!r}), "id", "name", "group")) as log:
        log.epoch(1, {{"train/loss": 1.0}})
sys.exit(any(tool in sys.modules for tool in ("wandb", "tensorboard", "mlflow", "trackio")))
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tracker=wandb", "tracker.mode=onlin"], "tracker.mode must be one of"),
        (["tracker=wandb", "tracker.project=a/b"], "tracker.project must"),
        (["tracker=wandb", "+tracker.projekt=x"], "projekt.*Did you mean tracker.project"),
        (["tracker=[none,wandb]", "tracker.mode=onlin"], "mode must be one of"),
        (["tracker=[none,wandb]", "+tracker.projekt=x"], "projekt.*Did you mean tracker.project"),
        (["tracker=[none,wandb]", "tracker._target_=a.B"], "a.B belongs to one tracker"),
    ],
)
def test_a_typo_is_refused_before_any_work(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made(*words)


class Broken(Tracker):
    """Fails in every way, or already at the start."""

    tool = "Broken"

    def __init__(self, *, at_start: bool) -> None:
        self.at_start = at_start

    def start(self, run: RunInfo) -> RunLog:
        if self.at_start:
            raise OSError("no space left on device\nsecond line")
        return BrokenLog()


class BrokenLog(NoLog):
    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        raise OSError("no space left on device\nsecond line")

    table = figure = summary = close = epoch  # type: ignore[assignment]


class Counting(Tracker):
    def __init__(self) -> None:
        self.logged: list[int] = []

    def start(self, run: RunInfo) -> RunLog:
        tracker = self

        class Log(NoLog):
            def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
                tracker.logged.append(epoch)

        return Log()


@pytest.mark.parametrize("at_start", [False, True])
def test_a_tracker_that_fails_ends_no_run_and_no_other_tracker(
    place: Path, caplog: pytest.LogCaptureFixture, at_start: bool
) -> None:
    other = Counting()
    with Several([Broken(at_start=at_start), other]).open(info(place)) as log:
        for epoch in (1, 2):
            log.epoch(epoch, {"train/loss": 0.5})
        log.table("per_image", ["image"], [["camera"]])
        log.summary({"psnr": 28.0})
    assert other.logged == [1, 2]
    (line,) = [record.getMessage() for record in caplog.records]
    assert "Broken failed and is disabled for the rest of this run (OSError: no space left on device)" in line


def test_what_was_written_comes_back_with_the_reader_of_the_tool(option: str, place: Path) -> None:
    """Of a run that was interrupted after epoch 2 and continued: once each, in one run of one group."""
    if option not in READERS:
        pytest.skip("keeps nothing, or is several of the others")
    run = place / "sweep" / "run"
    run.mkdir(parents=True)
    write = [sys.executable, "-m", "tests.tracking.written", option, str(run)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "MPLCONFIGDIR": matplotlib.get_cachedir()}
    for _ in range(2):
        subprocess.run(write, check=True, cwd=PROJECT, env=environment)
    found = READERS[option](run)
    assert found.scalars["train/loss"] == {epoch: 1 / epoch for epoch in range(1, 5)}
    assert found.scalars["psnr"] == {4: 28.5} or [*found.scalars["psnr"].values()] == [28.5]
    assert math.isnan(found.scalars["validation/psnr"][1])
    assert found.images == {"strip_camera": 1}
    assert "coins" in found.table
    assert {key: str(found.config[key]) for key in ("sigma", "solver.eps")} == {"sigma": "25", "solver.eps": "1e-05"}
    assert found.groups == ["sweep"]
    assert [path.name for path in place.iterdir()] == ["sweep"]
    assert all(path.name.startswith(".") for path in run.parent.iterdir() if path != run)
