"""Fetch an archive over HTTP and unpack it: resumable, checked, and once even when many jobs start together."""

import logging
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import requests
from filelock import FileLock, Timeout
from tqdm import tqdm

from difftv.errors import DataError
from difftv.files import sha256_of
from difftv.lab.data.base import Archive

log = logging.getLogger(__name__)

_BLOCK = 1 << 14  # bytes; what a broken connection loses at most
_TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two pieces of the answer
_PARTIAL_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416


def fetch(archive: Archive, directory: Path, *, attempts: int = 5, wait: float = 2.0) -> None:
    """Make `directory` exist with the content of the archive; do nothing where it does.

    The archive must hold one top-level directory of the same name. It is downloaded beside `directory`, checked,
    unpacked under another name and renamed, so that `directory` is never half full; then the zip file is deleted.
    What an interrupted download has fetched is kept and continued by the next call. Other processes that want the same
    directory wait for the one that fetches it.

    Args:
        archive: archive to fetch.
        directory: where its content shall be.
        attempts: how often a broken connection is tried in a row without any progress, >= 1.
        wait: seconds before the second attempt; doubled from one to the next.

    Raises:
        DataError: no network, the server refuses, the content is not the expected one, no space, no permission.
    """
    if directory.is_dir():
        return
    partial = directory.with_name(f".{directory.name}.zip.part")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(directory.with_name(f".{directory.name}.lock")):
            if directory.is_dir():
                return
            _check_space(archive, partial)
            _download(archive, partial, attempts, wait)
            _verify(archive, partial)
            _unpack(partial, directory)
            partial.unlink()
    except requests.RequestException as error:
        kept = partial.stat().st_size if partial.is_file() else 0
        raise DataError(
            f"Cannot download {archive.url}: {error}. {kept} of {archive.size} bytes are there. Check the network (and "
            f"HTTPS_PROXY), then run the same command again: it continues. Or unpack the archive by hand into "
            f"{directory.parent}."
        ) from error
    except OSError as error:
        raise DataError(
            f"Cannot store {archive.url} in {directory.parent}: {error.strerror or error}. Give a directory with "
            f"{_needed(archive) >> 20} MiB free and write permission; what is downloaded already is kept."
        ) from error


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process is downloading (%s): waiting for it", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _needed(archive: Archive) -> int:
    # The zip file and what comes out of it: images hardly shrink when zipped.
    return 2 * archive.size


def _check_space(archive: Archive, partial: Path) -> None:
    there = partial.stat().st_size if partial.is_file() else 0
    free = shutil.disk_usage(partial.parent).free
    if free < _needed(archive) - there:
        raise DataError(
            f"{partial.parent} has {free >> 20} MiB free, {archive.url} needs {(_needed(archive) - there) >> 20} MiB "
            "to be downloaded and unpacked. Free some space or choose another root."
        )


def _download(archive: Archive, partial: Path, attempts: int, wait: float) -> None:
    fruitless, furthest = 0, 0
    while True:
        before = partial.stat().st_size if partial.is_file() else 0
        if before > archive.size:
            partial.unlink()
            before = 0
        if before == archive.size:
            return
        try:
            _continue(archive, partial, before)
            problem: Exception = requests.ConnectionError("the server closed the connection too early")
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            problem = error
        after = partial.stat().st_size if partial.is_file() else 0
        if after >= archive.size:
            return  # longer than expected: the checksum will say so
        # Progress counts only beyond what was ever reached: a file that is too short must not be fetched for ever.
        fruitless = 0 if after > max(before, furthest) else fruitless + 1
        furthest = max(furthest, before, after)
        if fruitless >= attempts:
            raise problem
        log.info("download interrupted at %d of %d bytes (%s): trying again", after, archive.size, problem)
        time.sleep(wait * 2**fruitless)


def _continue(archive: Archive, partial: Path, start: int) -> None:
    """One request that appends to the partial file, or starts it anew where the server knows no ranges."""
    headers = {"Accept-Encoding": "identity"}  # a compressed answer would have other offsets
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(archive.url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == _RANGE_NOT_SATISFIABLE:
            partial.unlink()
            raise requests.ConnectionError("the server holds a file of another size")
        answer.raise_for_status()
        resumed = answer.status_code == _PARTIAL_CONTENT
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise requests.ConnectionError(f"the server answered another range than from byte {start}")
        received = start if resumed else 0
        bar = tqdm(
            total=archive.size,
            initial=received,
            desc=PurePosixPath(archive.url).name,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None,
        )
        with bar, partial.open("ab" if resumed else "wb") as file:
            for block in answer.iter_content(_BLOCK):
                received += len(block)
                file.write(block)
                bar.update(len(block))
                if received > archive.size:
                    break  # a stream without an end must not fill the disk


def _verify(archive: Archive, partial: Path) -> None:
    found = sha256_of(partial)
    if found != archive.sha256:
        partial.unlink()
        raise DataError(
            f"{archive.url} has sha256 {found}, expected {archive.sha256}: the download is damaged or the file on the "
            "server has changed. It was deleted; run the same command to try once more."
        )


def _unpack(archive: Path, directory: Path) -> None:
    staging = directory.with_name(f".{directory.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)  # left behind by a process that was killed; the lock is ours
    try:
        with zipfile.ZipFile(archive) as content:
            for member in tqdm(content.infolist(), desc="unpack", unit="file", leave=False, disable=None):
                _check_member(member, directory.name)
                content.extract(member, staging)
        (staging / directory.name).rename(directory)
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise DataError(f"The archive of {directory.name} is not a zip file with that directory: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_member(member: zipfile.ZipInfo, top: str) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    link = stat.S_ISLNK(member.external_attr >> 16)
    if name.is_absolute() or ".." in name.parts or name.parts[:1] != (top,) or link:
        raise DataError(f"The archive holds {member.filename!r}, which would be written outside {top}: not unpacked.")
