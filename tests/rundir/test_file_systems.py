"""File systems that lack a service: a service that is missing is not a write that failed."""

import errno
import fcntl
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from difftv.errors import RunDirectoryError, RunInUseError
from difftv.files import write_atomically
from difftv.lab.runs.directory import RunDirectory
from tests.runs.processes import holder


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "run", "abc")


def failing(number: int):
    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_a_file_system_that_cannot_sync(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    write_atomically(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fails_is_no_missing_service(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        write_atomically(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_directory_that_may_not_be_listed_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.open

    def refused(path, flags, *rest, **named):
        if Path(path) == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", refused)
    write_atomically(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_name_at_the_limit_of_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + ".txt")
    write_atomically(path, "new")
    write_atomically(path, "newer")
    assert path.read_text() == "newer"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks(
    number: int, directory: RunDirectory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(number))
    with caplog.at_level(logging.WARNING), directory.claim():
        directory.write_status("running", epochs=2)
        directory.write_metrics([])
    assert "has no locks" in caplog.text
    other = RunDirectory(directory.path.with_name("other"), "abc")
    with holder(other), pytest.raises(RunInUseError, match="is working on"), other.claim():
        pass


def test_a_lock_that_fails_is_an_error(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"), directory.claim():
        pass


def change_inodes(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    original = Path.stat
    numbers = iter(range(10**6, 2 * 10**6))

    def stat(self: Path, **named: bool) -> os.stat_result:
        facts = original(self, **named)
        return os.stat_result((facts.st_mode, next(numbers), *facts[2:])) if self == path else facts

    monkeypatch.setattr(Path, "stat", stat)


def test_inode_numbers_that_change(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.path.mkdir()
    change_inodes(monkeypatch, directory.path)
    with directory.claim():
        directory.write_status("running", epochs=2)
        directory.write_status("running", epochs=2, epoch=1)
        directory.write_metrics([])
    assert directory.metrics.exists()


def test_a_directory_that_was_replaced_is_noticed(directory: RunDirectory) -> None:
    with directory.claim():
        directory.write_status("running", epochs=2)
        directory.path.rename(directory.path.with_name("moved"))
        directory.path.mkdir()
        with pytest.raises(RunDirectoryError, match="was deleted, moved or replaced"):
            directory.write_metrics([])
        assert list(directory.path.iterdir()) == []


def test_text_that_is_no_utf_8_can_be_written_and_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write_atomically(tmp_path / "a.txt", f"image: {name}\n")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "image: caf\\udce9.png\n"


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_file_whose_own_name_is_no_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    write_atomically(path, "new")
    assert subprocess.run(["cat", os.fsencode(path)], capture_output=True, check=True).stdout == b"new"
