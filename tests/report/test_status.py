"""experiments/status.py: every state that a run can be in, from its files; nothing on the disk makes it fail."""

import json
import os
import platform
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from difftv.lab.report.status import StatusLine, read_statuses, to_text
from difftv.lab.rundir.layout import SILENT_SECONDS
from difftv.lab.rundir.owner import process_start
from difftv.lab.rundir.status import duration
from tests.conftest import PROJECT

SCRIPT = PROJECT / "experiments" / "status.py"
NOW = 1_800_000_000.0
ELSEWHERE = "another-machine"

Write = Callable[..., Path]


@pytest.fixture
def write(sweep: Path) -> Write:
    """One run; `silent` is the age of its last sign of life, epochs took 60 seconds each."""

    def write(name: str, state: str = "running", *, silent: float = 3.0, epochs_done: int = 4, **more: Any) -> Path:
        directory = sweep / name
        directory.mkdir()
        status = {"state": state, "host": ELSEWHERE, "pid": 7, "process": "1", "epoch": epochs_done, "epochs": 10}
        status |= {"psnr": 28.125, "error": None, **more}
        (directory / "status.json").write_text(json.dumps(status))
        rows = [
            {"epoch": k + 1, "train/wall_seconds": 50.0, "validation/wall_seconds": 10.0} for k in range(epochs_done)
        ]
        (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for file in ("status.json", "metrics.jsonl"):
            os.utime(directory / file, (NOW - silent, NOW - silent))
        return directory

    return write


def only(sweep: Path) -> StatusLine:
    (found,) = read_statuses(sweep, now=NOW)
    return found


def test_a_running_run(sweep: Path, write: Write) -> None:
    write("a")
    found = only(sweep)
    assert (found.state, found.epoch, found.epochs, found.psnr) == ("running", 4, 10, 28.125)
    assert found.seconds_left == pytest.approx(6 * 60 - 3)
    assert found.detail == "pid 7 on another-machine, heartbeat 3 s ago"


@pytest.mark.parametrize(
    ("state", "more", "standing", "detail"),
    [
        ("queued", {}, "queued", ""),
        ("running", {"silent": SILENT_SECONDS - 60}, "running", "heartbeat 60 s ago"),
        ("failed", {"error": "SolverError: it broke\nline 2"}, "failed", "SolverError: it broke (see "),
        ("failed", {}, "failed", "no reason recorded"),
        ("interrupted", {"error": "SIGTERM"}, "interrupted", "SIGTERM: the same command again continues it"),
        ("running", {"silent": SILENT_SECONDS + 60}, "lost", "has been silent for 3 min"),
        ("running", {"silent": -500.0}, "running", "heartbeat 0 s ago"),
        ("running", {"epochs_done": 10}, "running", "evaluating, pid 7 on another-machine"),
        ("finished", {}, "damaged", "result.json is missing"),
        ("dancing", {}, "damaged", "unknown state 'dancing'"),
        ("running", {"epoch": "four", "epochs": None, "pid": "x", "psnr": "high"}, "damaged", "not who runs it"),
    ],
)
def test_states(sweep: Path, write: Write, state: str, more: dict[str, Any], standing: str, detail: str) -> None:
    write("a", state, **more)
    found = only(sweep)
    assert found.state == standing
    assert detail in found.detail
    assert "line 2" not in found.detail


def test_an_owner_on_this_machine_is_looked_up(sweep: Path, write: Write) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        here = {"host": platform.node(), "pid": child.pid, "process": process_start(child.pid)}
        write("running here", **here)
        write("silent", **here, silent=SILENT_SECONDS + 1)
        write("used again", **(here | {"process": "an earlier one of this pid"}))
        assert [run.state for run in read_statuses(sweep, now=NOW)] == ["running", "running", "lost"]
        child.kill()
        time.sleep(0.2)  # a zombie until it is waited for
        assert [run.state for run in read_statuses(sweep, now=NOW)] == ["lost", "lost", "lost"]
    finally:
        child.kill()
        child.communicate()
    assert {run.state for run in read_statuses(sweep, now=NOW)} == {"lost"}


def test_a_finished_run_is_finished_whatever_its_status_says(sweep: Path, write_run: Write) -> None:
    directory = write_run("a", metrics={"psnr": 29.5})
    for status in ('{"state": "running", "epochs": 2}', '{"state": "run', None):
        if status is None:
            (directory / "status.json").unlink()
        else:
            (directory / "status.json").write_text(status)
        found = only(sweep)
        assert (found.state, found.psnr) == ("finished", 29.5)
    (directory / "result.json").write_text('{"format": 1, "metr')
    assert only(sweep).state == "damaged"


def test_nothing_on_the_disk_makes_it_fail(sweep: Path, write: Write) -> None:
    write("good")
    half = write("half")
    (half / "status.json").write_text('{"state": "runn')
    partial = write("partial", psnr=None)
    rows = '{"epoch": 1, "train/wall_seconds": 50.0, "validation/psnr": 27.5}\n[1]\n{"epoch": 2, "tr'
    (partial / "metrics.jsonl").write_text(rows)
    os.utime(partial / "metrics.jsonl", (NOW, NOW))
    (sweep / "list").mkdir()
    (sweep / "list" / "status.json").write_text("[]")
    (sweep / "binary").mkdir()
    (sweep / "binary" / "status.json").write_bytes(b"\xff\xfe\0")
    (sweep / "notes").mkdir()
    (sweep / "notes" / "todo.txt").write_text("x")
    (sweep / ".hidden").mkdir()
    (sweep / "multirun.yaml").write_text("{}")
    (sweep / "dangling").symlink_to(sweep / "nowhere")
    (sweep / "deep").mkdir()
    (sweep / "deep" / "status.json").write_text("[" * 100_000)
    found = {run.name: run for run in read_statuses(sweep, now=NOW)}
    assert {name: run.state for name, run in found.items()} == {
        "good": "running", "half": "damaged", "partial": "running", "list": "damaged", "binary": "damaged",
        "deep": "damaged",
    }  # fmt: skip
    assert found["partial"].seconds_left == pytest.approx(6 * 50)


def test_what_is_no_sweep_is_named(sweep: Path, write: Write, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no run in .* Nothing has started yet"):
        read_statuses(sweep)
    with pytest.raises(ValueError, match="There is no directory"):
        read_statuses(tmp_path / "nowhere")
    run = write("a")
    with pytest.raises(ValueError, match=f"It holds sweeps; give one of them: {sweep}"):
        read_statuses(sweep.parent)
    assert [found.name for found in read_statuses(run, now=NOW)] == ["a"]


def test_the_text(sweep: Path, write: Write) -> None:
    write("a=1")
    write("b", "failed", error="ValueError: \x1b[31mred\x07", psnr=None)
    write("c", "queued", epochs=0, epochs_done=0, psnr=None)
    runs = read_statuses(sweep, now=NOW)
    text = to_text("demo", runs)
    first, second, reason, third, _, last = text.splitlines()
    assert first.startswith("running      ####------      4/10  28.12 dB     6 min  a=1  pid 7 on another-machine")
    assert second.startswith("failed       ####------      4/10 ")
    assert reason.startswith("             ValueError: ?[31mred? (see ")
    assert third == "queued       ----------" + third[23:].rstrip()
    assert third.split() == ["queued", "----------", "c"]
    assert last == "demo: 3 runs: 1 running, 1 queued, 1 failed; about 6 min of training left in those running"
    assert "\x1b" not in text
    narrow = to_text("demo", runs, width=40)
    assert max(map(len, narrow.splitlines()[:4])) == 40
    coloured = to_text("demo", runs, colour=True)
    assert coloured.startswith("\x1b[36mrunning      \x1b[0m####")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (7200, "2.0 h"), (200_000, "2.3 d")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_command(
    sweep: Path, write_run: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main = runpy.run_path(str(SCRIPT))["main"]
    write_run("done")
    assert main([str(sweep)]) == 0
    shown = capsys.readouterr().out
    assert "finished" in shown
    assert "\x1b" not in shown
    assert main([str(sweep), "--watch", "0.01"]) == 0  # nothing can change any more
    assert main([str(sweep / "nowhere")]) == 2
    assert "There is no directory" in capsys.readouterr().err
    assert main([str(sweep), "--watch", "0"]) == 2
    queued = write_run("later", state="queued")
    looks = []

    def finish(seconds: float) -> None:
        looks.append(seconds)
        (queued / "result.json").write_text('{"format": 1, "metrics": {"psnr": 30.0}}')

    monkeypatch.setattr(time, "sleep", finish)
    assert main([str(sweep), "--watch", "7"]) == 0
    assert looks == [7.0]
    assert "demo: 2 runs: 2 finished" in capsys.readouterr().out


def test_it_needs_no_torch_to_start() -> None:
    code = f"import runpy, sys; runpy.run_path({str(SCRIPT)!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
