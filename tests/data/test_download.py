"""The archive arrives whole, checked and once, or the directory does not appear at all."""

import hashlib
import io
import shutil
import socket
import subprocess
import sys
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from archive_server import ArchiveServer

from difftv.errors import DataError
from difftv.lab.data.download import _BLOCK as BLOCK
from difftv.lab.data.download import Archive, fetch

PICTURE = np.random.default_rng(0).bytes(100_000)


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


CONTENT = zipped({"pictures/1.png": PICTURE, "pictures/more/2.png": b"two"})


def described(server: ArchiveServer, content: bytes = CONTENT) -> Archive:
    return Archive(server.url, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "pictures"


def partial_file(directory: Path) -> Path:
    return directory.with_name(".pictures.zip.part")


def assert_complete(directory: Path) -> None:
    assert (directory / "1.png").read_bytes() == PICTURE
    assert (directory / "more" / "2.png").read_bytes() == b"two"
    assert {path.name for path in directory.parent.iterdir()} <= {"pictures", ".pictures.lock"}


def test_fetched_once_and_never_again(directory):
    with ArchiveServer(CONTENT).running() as server:
        fetch(described(server), directory)
        assert_complete(directory)
        fetch(described(server), directory)
        assert server.asked == [None]


def test_broken_connection_is_continued(directory):
    with ArchiveServer(CONTENT, cuts=[3 * BLOCK + 5, BLOCK]).running() as server:
        fetch(described(server), directory, wait=0)
        assert server.asked == [None, f"bytes={3 * BLOCK}-", f"bytes={4 * BLOCK}-"]
    assert_complete(directory)


def test_interrupted_download_is_continued_by_the_next_call(directory):
    with ArchiveServer(CONTENT, cuts=[BLOCK, 0, 0]).running() as server:
        with pytest.raises(DataError, match=rf"{BLOCK} of {len(CONTENT)} bytes are there.*run the same command again"):
            fetch(described(server), directory, attempts=2, wait=0)
        assert not directory.exists()
        fetch(described(server), directory)
        assert server.asked[-1] == f"bytes={BLOCK}-"
    assert_complete(directory)


def test_server_without_ranges_starts_anew(directory):
    with ArchiveServer(CONTENT, ranges=False, cuts=[2 * BLOCK]).running() as server:
        fetch(described(server), directory, wait=0)
        assert len(server.asked) == 2
    assert_complete(directory)


def test_a_connection_that_never_gets_further_gives_up(directory):
    with ArchiveServer(CONTENT, cuts=[0] * 99).running() as server:
        with pytest.raises(DataError, match="Cannot download"):
            fetch(described(server), directory, attempts=3, wait=0)
        assert len(server.asked) == 3
    assert not directory.exists()


@pytest.mark.parametrize("there", [CONTENT, CONTENT + b"too long"])
def test_partial_file_of_full_length_or_more(directory, there):
    directory.parent.mkdir()
    partial_file(directory).write_bytes(there)
    with ArchiveServer(CONTENT).running() as server:
        fetch(described(server), directory)
        assert server.asked == ([] if there == CONTENT else [None])
    assert_complete(directory)


def test_wrong_checksum_leaves_nothing_behind(directory):
    changed = bytearray(CONTENT)
    changed[1000] ^= 1
    with ArchiveServer(bytes(changed)).running() as server:
        with pytest.raises(DataError, match=r"has sha256 .*, expected "):
            fetch(described(server), directory)
        assert not directory.exists()
        assert not partial_file(directory).exists()
        server.content = CONTENT
        fetch(described(server), directory)
    assert_complete(directory)


def test_shorter_file_on_the_server(directory):
    """A part of the right file is there, and the server no longer has that many bytes."""
    directory.parent.mkdir()
    partial_file(directory).write_bytes(CONTENT[:20_000])
    with (
        ArchiveServer(CONTENT[:5000]).running() as server,
        pytest.raises(DataError, match="Cannot download"),
    ):
        fetch(described(server), directory, attempts=3, wait=0)
    assert not directory.exists()


def test_a_file_that_is_too_long_is_not_stored_to_its_end(directory):
    with ArchiveServer(CONTENT + bytes(40_000_000)).running() as server:
        with pytest.raises(DataError, match="sha256"):
            fetch(described(server), directory)
        assert server.sent < 30_000_000
    assert not directory.exists()
    assert not partial_file(directory).exists()


@pytest.mark.parametrize("status", [403, 404, 503])
def test_refusal_names_the_status(directory, status):
    with (
        ArchiveServer(CONTENT, status=status).running() as server,
        pytest.raises(DataError, match=str(status)),
    ):
        fetch(described(server), directory)


def test_no_network(directory):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/pictures.zip"
        with pytest.raises(DataError, match=r"Cannot download http://127.*Check the network"):
            fetch(Archive(url, 1, "0"), directory, attempts=2, wait=0)


@pytest.mark.parametrize(
    "name", ["../evil.png", "pictures/../../evil.png", "/evil.png", "other/evil.png", "..\\evil.png", "evil.png"]
)
def test_nothing_is_written_outside_the_directory(directory, name):
    content = zipped({"pictures/1.png": PICTURE, name: b"evil"})
    with (
        ArchiveServer(content).running() as server,
        pytest.raises(DataError, match="outside pictures"),
    ):
        fetch(described(server, content), directory)
    assert not directory.exists()
    assert [path.name for path in directory.parents[1].rglob("*evil*")] == []


def test_links_are_refused(directory):
    link = zipfile.ZipInfo("pictures/link")
    link.external_attr = 0o120777 << 16
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(link, "/etc")
    with (
        ArchiveServer(content.getvalue()).running() as server,
        pytest.raises(DataError, match="pictures/link"),
    ):
        fetch(described(server, content.getvalue()), directory)


@pytest.mark.parametrize("content", [b"not a zip file", zipped({})])
def test_not_the_archive_it_should_be(directory, content):
    with (
        ArchiveServer(content).running() as server,
        pytest.raises(DataError, match="not a zip file with that directory"),
    ):
        fetch(described(server, content), directory)
    assert not directory.exists()


def test_leftovers_of_a_killed_process_do_not_get_in(directory):
    leftover = directory.with_name(".pictures.unpacking") / "pictures" / "half.png"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    with ArchiveServer(CONTENT).running() as server:
        fetch(described(server), directory)
    assert_complete(directory)
    assert not (directory / "half.png").exists()


def test_full_disk_is_noticed_before_the_download(directory, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 2 * len(CONTENT) - 1))
    with ArchiveServer(CONTENT).running() as server:
        with pytest.raises(DataError, match="MiB free"):
            fetch(described(server), directory)
        assert server.asked == []


def test_no_place_to_write(tmp_path):
    (tmp_path / "file").touch()
    with (
        ArchiveServer(CONTENT).running() as server,
        pytest.raises(DataError, match=r"Cannot store .*write permission"),
    ):
        fetch(described(server), tmp_path / "file" / "pictures")


def test_two_processes_download_once(directory):
    program = (
        "import sys; from pathlib import Path; from difftv.lab.data.download import Archive, fetch;"
        "print('ready', flush=True); input();"
        "fetch(Archive(sys.argv[1], int(sys.argv[2]), sys.argv[3]), Path(sys.argv[4]))"
    )
    with ArchiveServer(CONTENT, delay=0.5).running() as server:
        archive = described(server)
        command = [sys.executable, "-c", program, archive.url, str(archive.size), archive.sha256, str(directory)]
        processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=60)
        assert [process.returncode for process in processes] == [0, 0]
        assert server.asked == [None]
    assert_complete(directory)
