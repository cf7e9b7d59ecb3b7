"""The same command again, a sweep that has grown, jobs that fail, and what is said and left on disk about all of it."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import skimage

from difftv.lab.rundir.checkpoint import read_checkpoint
from difftv.lab.runs.directory import RunDirectory
from tests.runs.commands import SMALL, run_alone, run_each
from tests.runs.faults import at, fails_at
from tests.runs.outcomes import outcome
from tests.runs.processes import holder

QUICK = [*SMALL, "solver=taut_string", "evaluation.oracle=false", "evaluation.test_images=1", "trainer.epochs=1"]

SEED_2_FAILS = fails_at("difftv.train", where="'seed=2' in arguments[0]")


def stop_with(name: str) -> str:
    return at("difftv.step", 3, f"import signal\nsignal.raise_signal(signal.{name})")


FILL = """
with open({filler!r}, "wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 512)
    except OSError:
        pass
"""

ANY_OTHER = 70
"""What `tests.runs.forks` makes of an exception that reaches the top."""


def runs_of(directory: Path) -> dict[str, Path]:
    """The runs of a sweep by their seed."""
    return {path.name.partition("seed=")[2][0]: path for path in directory.iterdir() if path.is_dir()}


def status_of(directory: Path) -> dict:
    return json.loads((directory / "status.json").read_text())


def test_the_same_command_again(tmp_path: Path) -> None:
    place = f"hydra.sweep.dir={tmp_path / 'sweep'}"
    copies = f"import shutil; shutil.copytree({str(tmp_path / 'sweep')!r}, {str(tmp_path)!r} + '/{{}}')"
    answers = run_each(
        [
            (SEED_2_FAILS, ["-m", *QUICK, "seed=1,2", place]),
            (copies.format("first"), ["-m", *QUICK, "seed=1,2", "rerun=none", place]),
            (copies.format("second"), ["-m", *QUICK, "seed=1,2,3", place]),
            (copies.format("third"), ["-m", *QUICK, "seed=1", "rerun=all", place]),
            ("", ["-m", *QUICK, "seed=1", "sigma=25.0", place]),
            ("", ["-m", *QUICK, "seed=1", "rerun=sometimes", place]),
        ]
    )
    codes, shown = [code for code, _ in answers], [text for _, text in answers]
    assert codes == [1, 1, 0, 0, 0, 1], shown
    runs = runs_of(tmp_path / "sweep")
    first = runs_of(tmp_path / "first")

    assert "2 runs in" in shown[0]
    assert "1 finished, 1 failed" in shown[0]
    assert f"failed: {runs['2'].name}: ValueError: deliberately broken\n    log: {runs['2'] / 'run.log'}" in shown[0]
    assert "Traceback" in (first["2"] / "run.log").read_text()
    assert status_of(first["2"])["state"] == "failed"

    assert "1 skipped, 1 left alone" in shown[1]
    assert "finished before, nothing to do" in shown[1]
    assert "failed before and left alone (rerun=none): ValueError: deliberately broken" in shown[1]

    assert "3 runs in" in shown[2]
    assert "2 finished, 1 skipped" in shown[2]
    assert shown[2].count("finished before, nothing to do") == 1
    third = runs_of(tmp_path / "third")
    assert len(third) == 3
    before = json.loads((first["1"] / "result.json").read_text())
    assert json.loads((third["1"] / "result.json").read_text()) == before

    assert "1 finished" in shown[3]
    assert comparable(runs["1"]) == comparable(third["1"])
    assert json.loads((runs["1"] / "before" / "result.json").read_text()) == before
    assert (runs["1"] / "result.json").stat().st_mtime_ns > (runs["1"] / "before" / "result.json").stat().st_mtime_ns

    assert "1 skipped" in shown[4]
    assert len(runs_of(tmp_path / "sweep")) == len(list((tmp_path / "sweep").glob("*/"))) == 3
    assert "rerun must be failed" in shown[5]


def comparable(directory: Path) -> tuple:
    metrics, weights, history, images = outcome(directory)
    return metrics, {name: value.tolist() for name, value in weights.items()}, history, images


@pytest.mark.parametrize(
    ("name", "expected", "reason"),
    [("SIGTERM", 143, "stopped (SIGTERM)"), ("SIGINT", ANY_OTHER, "interrupted by the user")],
)
def test_stopped_by_a_signal_and_continued(name: str, expected: int, reason: str, tmp_path: Path) -> None:
    place, words = f"hydra.sweep.dir={tmp_path / 'sweep'}", [*QUICK, "trainer.checkpoint_seconds=600"]
    (stopped, shown), = run_each([(stop_with(name), ["-m", *words, "seed=1,2", place])])  # fmt: skip
    assert stopped == expected
    runs = runs_of(tmp_path / "sweep")
    assert status_of(runs["1"])["state"] == "interrupted"
    assert status_of(runs["1"])["error"] == reason
    assert status_of(runs["2"])["state"] == "queued"
    assert "1 cut off, 1 not started" in shown
    assert "the same command continues from the last checkpoint" in shown
    (code, shown), = run_each([("", ["-m", *words, "seed=1,2", place])])  # fmt: skip
    assert code == 0, shown
    assert "1 finished, 1 continued" in shown
    assert "continuing after epoch 0, step 2" in shown


def test_a_run_that_somebody_works_on_is_left_to_him_and_named(tmp_path: Path) -> None:
    place = f"hydra.sweep.dir={tmp_path / 'sweep'}"
    (code, shown), = run_each([("", ["-m", *QUICK, "seed=1", place])])  # fmt: skip
    assert code == 0, shown
    taken = runs_of(tmp_path / "sweep")["1"]
    (taken / "result.json").unlink()
    identity = status_of(taken)["identity"]
    with holder(RunDirectory(taken, identity)) as process:
        before = status_of(taken) | {"updated": None}  # the heartbeat goes on
        (code, shown), = run_each([("", ["-m", *QUICK, "seed=1,2", place])])  # fmt: skip
        assert status_of(taken) | {"updated": None} == before
    assert code == 1
    assert f"(pid {process.pid} on " in shown
    assert "1 finished, 1 in use" in shown
    assert f"pid {process.pid} on " in shown.rpartition("in use: ")[2]


def test_the_same_sweep_started_twice_at_once(tmp_path: Path) -> None:
    command = ["-m", *QUICK, "seed=1,2", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda command: run_alone(*command), [command, command]))
    shown = [done.stdout for done in both]
    for path in runs_of(tmp_path / "sweep").values():
        assert status_of(path)["state"] == "finished"
        assert sum(text.count(f"images; {path}\n") for text in shown) == 1
        assert read_checkpoint(path / "checkpoint.pt")["training"]["epoch"] == 1
    for done in both:
        refused = "Another process (pid " in done.stdout
        assert done.returncode == int("in use" in done.stdout), done.stderr
        assert refused or "in use" not in done.stdout


def test_sweeps_named_by_numbers_are_summed_up_each_by_itself(tmp_path: Path) -> None:
    place = f"hydra.sweep.dir='{tmp_path}/${{sweep}}'"
    answers = run_each(
        [
            ("", ["-m", *QUICK, "seed=1", "sweep=20251125,007", place]),
            ("", ["-m", *QUICK, "seed=1", "sweep=20251125,1e5", f"hydra.sweep.dir={tmp_path / 'other'}"]),
        ]
    )
    (code, shown), (refused, reason) = answers
    assert code == 0, shown
    for name in ("20251125", "007"):
        assert f"1 run in {tmp_path / name}: 1 finished" in shown
        (run_directory,) = (tmp_path / name).iterdir()
        assert status_of(run_directory)["state"] == "finished"
    assert refused == 1
    assert "error: sweep must be the name of a folder, got 100000.0" in reason
    assert not (tmp_path / "other").exists()


def test_names_at_the_limit_of_the_file_system(tmp_path: Path) -> None:
    longest, too_long = tmp_path / ("x" * 255), tmp_path / ("y" * 256)
    answers = run_each(
        [
            ("", ["-m", *QUICK, "seed=1", f"predictor.initial_lam=0.05{'0' * 300}", f"hydra.sweep.dir={longest}"]),
            ("", [*QUICK, f"hydra.run.dir={too_long}"]),
            ("", ["-m", *QUICK, f"hydra.sweep.dir={too_long}"]),
        ]
    )
    assert [code for code, _ in answers] == [0, 1, 1], answers
    for _, shown in answers[1:]:
        assert "error: " in shown
        assert "File name too long: " in shown
        assert "Traceback" not in shown


def test_bad_places(tmp_path: Path) -> None:
    images = tmp_path / "a b,c=ü"
    shutil.copytree(Path(skimage.__file__).parent / "data", images, ignore=only_some)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    gone = tmp_path / "gone"
    delete = at("difftv.step", 2, f"import shutil\nshutil.rmtree({str(gone)!r})")
    odd = "0" * 300
    answers = run_each(
        [
            ("", ["-m", *QUICK, "data=folder", "data.root=/nowhere", "seed=1,2", f"hydra.sweep.dir={tmp_path / 'no'}"]),
            (delete, [*QUICK, f"hydra.run.dir={gone}"]),
            ("", ["-m", *QUICK, "data=folder", f"data.root='{images}'", "data.validation_fraction=0.5",
                  f"predictor.initial_lam=0.05{odd}", f"hydra.sweep.dir={tmp_path / 'link' / 'sweep'}"]),
        ]
    )  # fmt: skip
    (missing, deleted, odd_answer), shown = zip(*answers, strict=True)
    assert missing == 1
    assert "error: data.root=/nowhere does not exist" in shown[0]
    assert "Launching" not in shown[0]
    assert deleted == 1
    assert "was deleted or moved while the run was working in it" in shown[1]
    assert not gone.exists()
    assert odd_answer == 0, shown[2]
    (name,) = [path.name for path in (tmp_path / "real" / "sweep").iterdir() if path.is_dir()]
    assert name.isascii()
    assert len(name) < 140
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=,._-")


def only_some(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if name not in ("camera.png", "coins.png", "brick.png", "gravel.png")]


@pytest.fixture
def small_disk(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], capture_output=True, check=False
    ).returncode:  # fmt: skip
        pytest.skip("this user may not mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_corrupts_nothing_and_the_run_continues_once_there_is_space(small_disk: Path) -> None:
    run_dir = small_disk / "run"
    filler = small_disk / "filler"
    full = at("difftv.step", 3, FILL.format(filler=str(filler)))
    (code, shown), = run_each([(full, [*QUICK, f"hydra.run.dir={run_dir}"])])  # fmt: skip
    assert code == 1
    assert "No space left on device" in shown
    assert "run the same command again to continue" in shown
    assert read_checkpoint(run_dir / "checkpoint.pt")["training"]["batch"] == 2
    assert status_of(run_dir)["state"] in ("running", "failed")
    assert [path.name for path in run_dir.iterdir() if path.name.startswith(".")] == [".lock"]
    os.remove(filler)
    (code, shown), = run_each([("", [*QUICK, f"hydra.run.dir={run_dir}"])])  # fmt: skip
    assert code == 0, shown
    assert "continuing after epoch 0, step 2" in shown
