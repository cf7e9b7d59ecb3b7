"""Reading runs: every directory is either a complete run or named with the reason."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from difftv.lab.report import read_history, read_sweep
from difftv.lab.report.settings import flatten, lookup
from tests.report.conftest import Writer

WRITTEN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC).timestamp()
HALF_AN_HOUR_LATER = WRITTEN + timedelta(minutes=30).total_seconds()


def test_every_directory_is_a_run_or_named_with_a_reason(demo: Path) -> None:
    sweep = read_sweep(demo, now=HALF_AN_HOUR_LATER)
    assert len(sweep.runs) == 6
    states = {run.name: run.state for run in sweep.absent}
    assert states == {
        "notes": "not a run",
        "older": "other format",
        "solver=pdhg,sigma=25": "failed",
        "solver=tv,sigma=15": "interrupted",
        "solver=tv,sigma=25": "lost",
        "solver=tv,sigma=50": "queued",
        "truncated": "damaged",
    }
    reasons = {run.name: run.reason for run in sweep.absent}
    assert reasons["solver=pdhg,sigma=25"] == "SolverError: it broke"
    assert reasons["solver=tv,sigma=25"].startswith("epoch 1 of 2, pid 7 on node1 has been silent for 30 min")
    assert "result.json" in reasons["truncated"]
    assert "format 0" in reasons["older"]
    logs = {run.name: run.log for run in sweep.absent}
    assert logs["solver=pdhg,sigma=25"] == demo / "solver=pdhg,sigma=25" / "run.log"
    assert logs["notes"] is None


def test_a_fresh_heartbeat_is_not_called_silent(demo: Path) -> None:
    sweep = read_sweep(demo, now=WRITTEN + 60)
    (running,) = (run for run in sweep.absent if run.state == "running")
    assert running.reason == "epoch 1 of 2, pid 7 on node1, heartbeat 60 s ago"


def test_result_is_what_makes_a_run_finished(write_run: Writer, sweep: Path) -> None:
    directory = write_run("a")
    (directory / "status.json").write_text('{"state": "run')
    assert [run.name for run in read_sweep(sweep).runs] == ["a"]
    (directory / "result.json").unlink()
    assert read_sweep(sweep).absent[0].state == "damaged"


@pytest.mark.parametrize(
    ("name", "content", "state", "reason"),
    [
        ("result.json", "[1, 2]", "other format", "list"),
        ("result.json", '{"format": 1}', "other format", "no metrics"),
        ("result.json", "[" * 100_000, "damaged", "result.json"),
        ("result.json", b"\xff\xfe\x00", "damaged", "result.json"),
        ("config.yaml", "a: [1, 2", "damaged", "config.yaml"),
        ("config.yaml", "!!python/object/apply:os.system ['true']", "damaged", "config.yaml"),
        ("config.yaml", "", "damaged", "config.yaml"),
    ],
)
def test_unreadable_files_are_named(
    write_run: Writer, sweep: Path, name: str, content: str | bytes, state: str, reason: str
) -> None:
    directory = write_run("a")
    (directory / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (absent,) = read_sweep(sweep).absent
    assert absent.state == state
    assert reason in absent.reason
    assert "\n" not in absent.reason


@pytest.mark.parametrize("content", ["", "psnr\n3\n", "image,psnr\na,1\nb", "image,psnr\na,1\na,2\n"])
def test_a_bad_per_image_file_keeps_the_run(write_run: Writer, sweep: Path, content: str) -> None:
    directory = write_run("a")
    (directory / "per_image.csv").write_text(content)
    (run,) = read_sweep(sweep).runs
    assert run.images == {}
    assert run.metrics["psnr"] == 29.0


def test_values_that_json_lacks(write_run: Writer, sweep: Path) -> None:
    metrics = {"psnr": "Infinity", "ssim": None, "baseline/psnr": "NaN", "noisy/psnr": "-Infinity", "word": "x"}
    write_run("a", metrics=metrics)
    read = read_sweep(sweep).runs[0].metrics
    assert read["psnr"] == math.inf
    assert read["noisy/psnr"] == -math.inf
    assert math.isnan(read["ssim"])
    assert math.isnan(read["baseline/psnr"])
    assert "word" not in read


def test_a_copied_run_does_not_count_twice(write_run: Writer, sweep: Path) -> None:
    write_run("a", identity="abc", updated="2026-11-23T10:00:00+00:00")
    write_run("b", identity="abc", updated="2026-11-23T11:00:00+00:00")
    found = read_sweep(sweep)
    assert [run.name for run in found.runs] == ["b"]
    assert [(run.name, run.state) for run in found.absent] == [("a", "duplicate")]


def test_history_skips_what_is_cut_off(write_run: Writer, sweep: Path) -> None:
    directory = write_run("a")
    with (directory / "metrics.jsonl").open("a") as file:
        file.write('7\n{"epoch": 3, "train/lo')
    history = read_history(read_sweep(sweep).runs[0])
    assert [row["epoch"] for row in history] == [1, 2]
    (directory / "metrics.jsonl").unlink()
    assert read_history(read_sweep(sweep).runs[0]) == []


def test_wrong_directories_are_refused_with_advice(write_run: Writer, sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no directory"):
        read_sweep(tmp_path / "absent")
    with pytest.raises(ValueError, match="no run in"):
        read_sweep(sweep)
    run = write_run("a")
    with pytest.raises(ValueError, match=r"single run.*demo"):
        read_sweep(run)
    with pytest.raises(ValueError, match=r"holds sweeps.*demo"):
        read_sweep(sweep.parent)


def test_numbers_of_a_configuration_are_numbers() -> None:
    flat = flatten({"a": "1e-5", "b": {"c": 25, "d": True, "e": None, "f": [1, "2e3"], "g": {}}, 3: "x-1e5"})
    assert flat == {"a": 1e-5, "b.c": 25, "b.d": "true", "b.e": None, "b.f": "[1, 2000]", "b.g": None, "3": "x-1e5"}


def test_a_group_name_means_the_choice(write_run: Writer, sweep: Path) -> None:
    write_run("a")
    settings = read_sweep(sweep).runs[0].settings
    assert lookup(settings, "solver") == "scs"
    assert lookup(settings, "solver.eps") == 1e-5
    assert lookup(settings, "solver.tol") == "-"


def test_result_says_how_many_images(write_run: Writer, sweep: Path) -> None:
    directory = write_run("a")
    result = json.loads((directory / "result.json").read_text())
    (directory / "result.json").write_text(json.dumps(result | {"images": 40}))
    assert read_sweep(sweep).runs[0].settings["number of images"] == 40
