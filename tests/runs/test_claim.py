"""One process at a time works on a run, and its end is noticed."""

import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from difftv.errors import ConfigError, RunDirectoryError, RunInUseError
from difftv.lab.rundir.owner import process_start
from difftv.lab.rundir.status import read_status, run_status
from difftv.lab.runs.claim import termination_as_exit
from difftv.lab.runs.directory import RunDirectory
from tests.runs.processes import holder


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "run", "abc")


def left_behind(directory: RunDirectory, **changes: object) -> None:
    """A status.json of a process that is said to be running."""
    directory.path.mkdir(parents=True, exist_ok=True)
    status = {"state": "running", "host": platform.node(), "pid": os.getppid(), "process": "x", "epochs": 2}
    directory.status.write_text(json.dumps(status | changes))


def test_the_owner_is_named_and_a_killed_one_gives_way(directory: RunDirectory) -> None:
    with holder(directory) as process:
        with pytest.raises(RunInUseError, match=rf"pid {process.pid} on {platform.node()}\) is working on"), \
                directory.claim():  # fmt: skip
            pass
        assert str(run_status(directory.path).worker) == f"pid {process.pid} on {platform.node()}"
        # Even where the lock is not to be seen, as on a file system without locks.
        (directory.path / ".lock").unlink()
        with pytest.raises(RunInUseError, match=rf"pid {process.pid} on"), directory.claim():
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert run_status(directory.path).worker is None
    with directory.claim():
        directory.write_status("running", epochs=2)
        assert run_status(directory.path).worker.pid == os.getpid()


def test_a_pid_that_is_used_again_is_not_the_owner(directory: RunDirectory) -> None:
    left_behind(directory)
    assert process_start(os.getppid()) is not None
    with directory.claim():
        pass


def test_a_zombie_is_no_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process_start(process.pid) is None
    process.wait()
    assert process_start(process.pid) is None


def test_another_machine_is_judged_by_its_heartbeat(directory: RunDirectory) -> None:
    left_behind(directory, host="elsewhere", pid=7)
    with pytest.raises(RunInUseError, match="pid 7 on elsewhere"), directory.claim():
        pass
    silent = time.time() - 1000
    os.utime(directory.status, (silent, silent))
    with directory.claim():
        pass
    assert not list(directory.path.glob(".now*"))


def test_a_job_shows_signs_of_life_until_it_ends(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difftv.lab.runs.claim.HEARTBEAT_SECONDS", 0.02)
    with directory.claim():
        directory.write_status("running", epochs=2, epoch=1, psnr=20.0)
        first = directory.status.stat().st_mtime_ns
        wait_until(lambda: directory.status.stat().st_mtime_ns > first)
        assert read_status(directory.path)["epoch"] == 1
    last = directory.status.stat().st_mtime_ns
    time.sleep(0.1)
    assert directory.status.stat().st_mtime_ns == last


def test_a_full_disk_does_not_stop_the_signs_of_life(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes | str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("difftv.lab.runs.claim.HEARTBEAT_SECONDS", 0.02)
    with directory.claim():
        directory.write_status("running", epochs=2)
        monkeypatch.setattr("difftv.lab.runs.directory.write_atomically", full)
        first = directory.status.stat().st_mtime_ns
        wait_until(lambda: directory.status.stat().st_mtime_ns > first)
        with pytest.raises(RunDirectoryError, match=r"No space left on device.*run the same command again"):
            directory.write_status("running", epochs=2, epoch=1)


def test_a_deleted_directory_is_noticed_and_stays_deleted(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("difftv.lab.runs.claim.HEARTBEAT_SECONDS", 0.02)
    with directory.claim():
        directory.write_status("running", epochs=2)
        for path in directory.path.iterdir():
            path.unlink()
        directory.path.rmdir()
        time.sleep(0.1)
        with pytest.raises(RunDirectoryError, match="was deleted, moved or replaced"):
            directory.write_metrics([])
        directory.record_failure(ValueError("x"), "trace", epochs=2)
        assert not directory.path.exists()


def test_a_run_that_was_taken_over_is_not_written_to(directory: RunDirectory) -> None:
    with directory.claim():
        directory.write_status("running", epochs=2)
        left_behind(directory, host="elsewhere", pid=7)
        with pytest.raises(RunDirectoryError, match="taken over by pid 7 on elsewhere"):
            directory.write_status("running", epochs=2, epoch=2)
        assert read_status(directory.path)["host"] == "elsewhere"


def test_what_a_dead_owner_left_half_written_is_removed(directory: RunDirectory) -> None:
    (directory.path / "figures").mkdir(parents=True)
    for name in (".checkpoint.pt.123-0123abcd", ".checkpoint.previous.pt.9-00000000", "figures/.a.png.5-ffffffff"):
        (directory.path / name).write_bytes(b"half")
    kept = directory.path / ".hidden.txt"
    kept.touch()
    with directory.claim():
        pass
    assert sorted(path.name for path in directory.path.rglob("*") if path.is_file()) == [".hidden.txt", ".lock"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("config.yaml", "a: 1\n"), ("status.json", '{"ok": true}'), ("result.json", '{"accuracy": 1}')],
)
def test_the_directory_of_another_program_is_left_alone(name: str, content: str, directory: RunDirectory) -> None:
    directory.path.mkdir()
    (directory.path / name).write_text(content)
    with pytest.raises(ConfigError, match=f"{name}.*(hydra.run.dir)"), directory.claim():
        directory.finished()
    assert (directory.path / name).read_text() == content


def test_a_result_cut_off_by_the_disk_does_not_count_as_finished(directory: RunDirectory) -> None:
    directory.path.mkdir()
    directory.result.write_text('{"format": 1, "metr')
    assert not directory.finished()


def test_a_symbolic_link_is_as_good_as_a_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    directory = RunDirectory(tmp_path / "link" / "run", "abc")
    with directory.claim():
        directory.write_status("running", epochs=2)
    assert read_status(tmp_path / "real" / "run")["state"] == "running"


def test_sigterm_ends_the_block_and_the_handler_is_put_back() -> None:
    with pytest.raises(SystemExit) as ended, termination_as_exit():
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_handler_of_somebody_else_is_left_alone() -> None:
    def theirs(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGTERM, theirs)
    try:
        with termination_as_exit():
            assert signal.getsignal(signal.SIGTERM) is theirs
    finally:
        signal.signal(signal.SIGTERM, before)


def test_threads_set_no_handler() -> None:
    seen = []

    def block() -> None:
        with termination_as_exit():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


def wait_until(condition) -> None:
    """Poll; the test's own timeout ends what never happens."""
    while not condition():
        time.sleep(0.01)
