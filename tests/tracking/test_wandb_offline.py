"""What a run logged without a network: read back with W&B's own reader, and complete."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from difftv.errors import ConfigError
from difftv.lab.tracking import RunInfo, RunLog
from difftv.lab.tracking.wandb import WandbTracker
from tests.tracking.conftest import Records, lines_of, rows

IMAGES = ("camera", "coins")
CONFIG = {
    "solver": {"_target_": "difftv.solvers.Scs", "eps": 1e-5, "max_iter": 100000},
    "choices": {"solver": "scs"},
    "sigma": 25,
    "seed": 0,
    "data": {"path": None, "names": ["camera", "coins"]},
}
COLUMNS = ["image", "psnr", "solver/converged"]
TABLE = [["camera", 28.5, True], ["coins", 27.25, False]]
SUMMARY = {"psnr": 27.9, "noisy/psnr": 20.2, "baseline/psnr": 27.1, "stair/plateau_excess": 0.11}
Read = Callable[..., Records]


def info(directory: Path) -> RunInfo:
    return RunInfo(
        directory,
        identity="0123456789ab",
        name="solver=scs,sigma=25",
        group="ablation",
        config=CONFIG,
        git_commit="c0ffee",
        versions={"torch": "2.13.0", "scs": "3.3.0"},
    )


def metrics(epoch: int) -> dict[str, float]:
    return {
        "train/loss": 0.01 / epoch,
        "validation/psnr": 25.0 + epoch,
        "validation/stair/plateau_excess": 0.2 - 0.01 * epoch,
        "lr": 1e-3,
        "solver/forward_seconds": 0.35,
        "solver/iterations": 420,
        "solver/not_converged": 1,
    }


def strip(seed: int) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().imshow(np.random.default_rng(seed).random((8, 8)))
    return figure


def train(log: RunLog, epochs: range) -> None:
    for epoch in epochs:
        for index, image in enumerate(IMAGES):
            log.figure(f"validation/{image}", strip(10 * epoch + index), epoch=epoch)
        log.epoch(epoch, metrics(epoch))


def test_every_number_image_and_setting_comes_back(place: Path, records: Read) -> None:
    with WandbTracker().open(info(place)) as log:
        train(log, range(1, 4))
        log.table("per_image", COLUMNS, TABLE)
        log.figure("strip_camera", strip(99))
        log.summary(SUMMARY)

    lines = records(place)
    (run,) = [line["run"] for line in lines if line["type"] == "run"]
    assert run["run_id"] == "0123456789ab"
    assert run["display_name"] == "solver=scs,sigma=25"
    assert (run["run_group"], run["project"]) == ("ablation", "diff-tv-net")
    assert run["git"]["commit"] == "c0ffee"
    config = {key: value for key, value in run["config"]["update"].items() if key != "_wandb"}
    assert config == {**CONFIG, "git_commit": "c0ffee", "versions": {"torch": "2.13.0", "scs": "3.3.0"}}

    *epochs, last = rows(lines)
    assert [row["_step"] for row in epochs] == [1, 2, 3]
    directory = next(place.rglob("*.wandb")).parent
    for epoch, row in enumerate(epochs, start=1):
        assert {key: value for key, value in row.items() if "._" not in key and key in metrics(epoch)} == metrics(epoch)
        assert row["epoch"] == epoch
        for image in IMAGES:
            assert (directory / "files" / row[f"validation/{image}.path"]).stat().st_size > 0
    pictures = {row[f"validation/{image}.sha256"] for row in epochs for image in IMAGES}
    assert len(pictures) == len(epochs) * len(IMAGES)
    assert (directory / "files" / last["strip_camera.path"]).stat().st_size > 0
    assert (directory / "files" / last["per_image.path"]).is_file()
    table = json.loads((directory / "files" / last["per_image.path"]).read_text())
    assert (table["columns"], table["data"]) == (COLUMNS, TABLE)

    (overview,) = records(place, "--summary")
    assert overview["exit_code"] == 0
    assert {key: overview["summary"][key] for key in SUMMARY} == SUMMARY
    assert overview["console"] == []


def test_names_that_are_no_utf_8(place: Path, records: Read) -> None:
    broken, shown = os.fsdecode(b"caf\xe9"), r"caf\udce9"
    run = replace(info(place), name=broken, group=broken, config={"data": {"root": [broken]}})
    with WandbTracker().open(run) as log:
        log.epoch(1, metrics(1))
        log.table("per_image", ["image", "psnr"], [[broken, 1.0]])
        log.summary(SUMMARY)
    lines = records(place)
    (first,) = [line["run"] for line in lines if line["type"] == "run"]
    assert (first["display_name"], first["run_group"]) == (shown, shown)
    assert first["config"]["update"]["data"] == {"root": [shown]}
    directory = next(place.rglob("*.wandb")).parent
    table = json.loads((directory / "files" / rows(lines)[-1]["per_image.path"]).read_text())
    assert table["data"] == [[shown, 1.0]]


def test_without_a_login_one_line_says_so_and_how_to_sync(
    place: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO), WandbTracker().open(info(place)) as log:
        log.epoch(1, metrics(1))
    (line,) = lines_of(caplog)
    assert "offline" in line
    assert "no account is logged in" in line
    assert f"wandb sync {place / 'wandb'}" in line
    assert capfd.readouterr().out == ""


def test_the_advised_command_finds_the_run(place: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.INFO), WandbTracker(mode="offline").open(info(place)) as log:
        log.epoch(1, metrics(1))
    (line,) = lines_of(caplog)
    command = line.rpartition("with: ")[2]
    program, *arguments = command.split()
    assert program == "wandb"
    environment = {**os.environ, "HOME": str(tmp_path)}
    dry = [sys.executable, "-m", "wandb", *arguments, "--dry-run"]
    answer = subprocess.run(dry, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert "Would sync 1 run(s)" in answer.stdout + answer.stderr


def test_a_run_that_raises_is_marked_failed(place: Path, records: Read) -> None:
    def run() -> None:
        with WandbTracker(mode="offline").open(info(place)) as log:
            log.epoch(1, metrics(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    (overview,) = records(place, "--summary")
    assert (overview["state"], overview["exit_code"]) == ("failed", 1)
    assert overview["summary"]["train/loss"] == metrics(1)["train/loss"]


def test_a_resumed_run_repeats_no_epoch(place: Path, records: Read) -> None:
    tracker = WandbTracker(mode="offline")
    with tracker.open(info(place)) as log:
        for epoch in (1, 2):
            log.epoch(epoch, metrics(epoch))
    (first,) = place.glob("wandb/offline-run-*")
    with tracker.open(replace(info(place), resumed_epoch=2)) as log:
        for epoch in (2, 3, 4):  # W&B has epoch 2 already
            log.figure("validation/camera", strip(epoch), epoch=epoch)
            log.epoch(epoch, metrics(epoch))
        log.table("per_image", COLUMNS, TABLE)
    (second,) = set(place.glob("wandb/offline-run-*")) - {first}
    steps = [[row["_step"] for row in rows(records(directory))] for directory in (first, second)]
    assert steps == [[1, 2], [3, 4, 5]]
    identities = {
        line["run"]["run_id"] for piece in (first, second) for line in records(piece) if line["type"] == "run"
    }
    assert identities == {"0123456789ab"}


def test_two_runs_open_in_one_process_do_not_mix(place: Path, records: Read) -> None:
    tracker = WandbTracker(mode="offline")
    left, right = (replace(info(place / name), identity=name) for name in ("left", "right"))
    left.directory.mkdir()
    right.directory.mkdir()
    with tracker.open(left) as outer:
        outer.epoch(1, {"side": -1.0})
        with tracker.open(right) as inner:
            inner.epoch(1, {"side": 1.0})
            outer.epoch(2, {"side": -2.0})
        outer.epoch(3, {"side": -3.0})
    assert [row["side"] for row in rows(records(left.directory))] == [-1.0, -2.0, -3.0]
    assert [row["side"] for row in rows(records(right.directory))] == [1.0]


def test_figures_and_epochs_in_the_other_order_are_all_kept(place: Path, records: Read) -> None:
    with WandbTracker(mode="offline").open(info(place)) as log:
        for epoch in (0, 1):
            log.epoch(epoch, {"loss": float(epoch)})
            log.figure("late", strip(epoch), epoch=epoch)
    logged = rows(records(place))
    assert [row["loss"] for row in logged if "loss" in row] == [0.0, 1.0]
    assert len({row["late.sha256"] for row in logged if "late.sha256" in row}) == 2


def test_forced_online_without_a_login_stops_before_any_work(place: Path) -> None:
    tracker = WandbTracker(mode="online")
    with pytest.raises(ConfigError, match=r"^mode=online.*wandb login.*mode=auto"):
        tracker.start(info(place))
    with pytest.raises(ConfigError, match=r"^mode=online"):
        tracker.check()
    assert list(place.rglob("*.wandb")) == []


@pytest.mark.parametrize(("switch", "files"), [("offline", 1), ("disabled", 0)])
def test_auto_heeds_the_switch_of_wandb(place: Path, monkeypatch: pytest.MonkeyPatch, switch: str, files: int) -> None:
    monkeypatch.setenv("WANDB_MODE", switch)
    with WandbTracker().open(info(place)) as log:
        log.epoch(1, metrics(1))
    assert len(list(place.rglob("*.wandb"))) == files
    with pytest.raises(ConfigError, match="WANDB_MODE"):
        WandbTracker(mode="online").check()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "on"}, r"^mode.*auto, online, offline, disabled.*'on'"),
        ({"project": "a/b"}, r"^project.*'a/b'"),
        ({"project": ""}, r"^project"),
        ({"init_timeout": 0.0}, r"^init_timeout"),
        ({"finish_timeout": float("nan")}, r"^finish_timeout"),
    ],
)
def test_bad_settings_are_refused_at_construction(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WandbTracker(**arguments)
