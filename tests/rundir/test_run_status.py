"""Where a run stands: one answer, by the clock of the run's file system."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from difftv.errors import CheckpointError
from difftv.lab.models.run import read_run
from difftv.lab.report.status import read_statuses
from difftv.lab.report.sweep import read_sweep
from difftv.lab.rundir import status as module
from difftv.lab.rundir.layout import SILENT_SECONDS
from difftv.lab.rundir.owner import process_start
from difftv.lab.rundir.status import file_system_time, run_status
from difftv.lab.runs.directory import RunDirectory
from difftv.lab.runs.outcomes import Planned, outcome

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, state: str = "running", *, silent: float = 0.0, **more: Any) -> Path:
        directory = tmp_path / "sweep" / name
        directory.mkdir(parents=True)
        status = {"state": state, "host": "elsewhere", "pid": 7, "process": "1", "epoch": 1, "epochs": 2, **more}
        (directory / "status.json").write_text(json.dumps(status))
        beat = time.time() - silent
        os.utime(directory / "status.json", (beat, beat))
        return directory

    return write


def ended() -> dict[str, Any]:
    """A process of this machine that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    named = {"host": platform.node(), "pid": child.pid, "process": process_start(child.pid)}
    child.communicate()
    return named


def answers(directory: Path) -> dict[str, str]:
    """What every reader says about a run: the claim, the status, the table and the summary of a sweep."""
    planned = Planned(RunDirectory(directory, "abc"), None, False, False, "failed")
    (line,) = (run for run in read_statuses(directory.parent) if run.name == directory.name)
    (absent,) = (run for run in read_sweep(directory.parent).absent if run.name == directory.name)
    return {
        "claim": "free" if run_status(directory).worker is None else "taken",
        "status": line.state,
        "table": absent.state,
        "summary": outcome(planned)[0],
    }


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("works here", ("taken", "running", "running", "in use")),
        ("works here, silent", ("taken", "running", "running", "in use")),
        ("ended here", ("free", "lost", "lost", "cut off")),
        ("works elsewhere", ("taken", "running", "running", "in use")),
        ("silent elsewhere", ("free", "lost", "lost", "cut off")),
        ("no owner", ("free", "damaged", "damaged", "not started")),
        ("interrupted", ("free", "interrupted", "interrupted", "cut off")),
        ("failed", ("free", "failed", "failed", "failed")),
        ("pruned", ("free", "pruned", "pruned", "not started")),
        ("queued", ("free", "queued", "queued", "not started")),
        ("finished without a result", ("free", "damaged", "damaged", "not started")),
    ],
)
def test_every_reader_gives_the_same_answer(case: str, expected: tuple[str, ...], write: Write) -> None:
    parent = {"host": platform.node(), "pid": os.getppid(), "process": process_start(os.getppid())}
    directory = {
        "works here": lambda: write("a", **parent),
        "works here, silent": lambda: write("a", **parent, silent=2 * SILENT_SECONDS),
        "ended here": lambda: write("a", **ended()),
        "works elsewhere": lambda: write("a", silent=SILENT_SECONDS / 2),
        "silent elsewhere": lambda: write("a", silent=2 * SILENT_SECONDS),
        "no owner": lambda: write("a", host=None),
        "interrupted": lambda: write("a", "interrupted", error="stopped (SIGTERM)"),
        "failed": lambda: write("a", "failed", error="ValueError: no"),
        "pruned": lambda: write("a", "pruned"),
        "queued": lambda: write("a", "queued"),
        "finished without a result": lambda: write("a", "finished"),
    }[case]()
    assert tuple(answers(directory).values()) == expected


def test_the_clock_is_the_file_system_s(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """However wrong the clock of this machine is, it has no say."""
    alive, silent = write("alive"), write("silent", silent=2 * SILENT_SECONDS)
    monkeypatch.setattr(module.time, "time", lambda: 0.0)
    assert (run_status(alive).state, run_status(silent).state) == ("running", "lost")
    assert sorted(path.name for path in alive.iterdir()) == ["status.json"]


def test_a_directory_that_may_only_be_read_is_judged_by_the_machine_s_clock(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write("a", silent=10.0)

    def refused(self: Path, *arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refused)
    assert file_system_time(directory) == pytest.approx(time.time(), abs=5)
    assert run_status(directory).state == "running"
    assert run_status(directory, now=time.time() + 1000).state == "lost"


def test_a_clock_that_was_set_back_is_no_reason_to_call_a_run_lost(write: Write) -> None:
    found = run_status(write("a", silent=-5000.0))
    assert found.state == "running"
    assert found.silent < 0
    assert "heartbeat 0 s ago" in found.reason


def test_whatever_lies_there_is_named(tmp_path: Path) -> None:
    assert run_status(tmp_path / "nowhere").state == "not a run"
    assert run_status(tmp_path).state == "not a run"
    (tmp_path / "config.yaml").write_text("a: 1\n")
    assert "status.json is missing" in run_status(tmp_path).reason
    for text, state in (
        ('{"format": 1, "metr', "damaged"),
        ("[]", "other format"),
        ('{"format": 2, "metrics": {"psnr": 1}}', "other format"),
        ('{"format": 1, "metrics": {}}', "other format"),
        ('{"format": 1, "metrics": {"psnr": 30.0}}', "finished"),
    ):
        (tmp_path / "result.json").write_text(text)
        found = run_status(tmp_path)
        assert (found.state, found.result is not None) == (state, state == "finished")
    assert found.psnr == 30.0


def test_a_model_is_asked_of_a_run_that_has_none_yet(write: Write, tmp_path: Path) -> None:
    for directory, words in (
        (write("queued", "queued"), r"the run is queued \(not started yet\)"),
        (write("running"), r"the run is running \(pid 7 on elsewhere"),
        (write("failed", "failed", error="ValueError: no"), r"the run is failed \(ValueError: no\)"),
        (tmp_path, "it is not the directory of a run"),
    ):
        with pytest.raises(CheckpointError, match=rf"holds no checkpoint.pt: {words}"):
            read_run(directory)
