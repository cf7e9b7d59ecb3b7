"""The contract of every tracker in conf/tracker."""

import subprocess
import sys
from pathlib import Path

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from matplotlib.figure import Figure

from difftv.lab.tracking import RunInfo, Tracker
from tests.conftest import composed, options_of

TRACKERS = options_of("tracker")


@pytest.fixture(params=TRACKERS)
def tracker(request: pytest.FixtureRequest) -> Tracker:
    return instantiate(composed(f"tracker={request.param}").tracker)


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


def test_wandb_is_imported_by_nothing_but_an_open_run(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import difftv.lab.tracking.wandb, difftv.lab.tracking.dashboard
from difftv.lab.tracking import RunInfo
from difftv.lab.tracking.none import NoTracker
from difftv.lab.tracking.wandb import WandbTracker
for tracker in (NoTracker(), WandbTracker(mode="disabled")):
    with tracker.open(RunInfo(Path({str(tmp_path)!r}), "id", "name", "group")) as log:
        log.epoch(1, {{"train/loss": 1.0}})
sys.exit("wandb" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tracker.mode=onlin", "mode must be one of"),
        ("tracker.project=a/b", "project must"),
        ("+tracker.projekt=x", "projekt"),
    ],
)
def test_a_typo_is_refused_before_any_work(word: str, message: str) -> None:
    with pytest.raises(InstantiationException, match=message):
        instantiate(composed("tracker=wandb", word).tracker)
