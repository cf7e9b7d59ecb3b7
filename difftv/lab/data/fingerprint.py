"""The images of a data set as one short word: the same images give the same word wherever they are stored.

Every file is hashed from its first byte to its last. A part would be cheaper, and wrong for formats without
compression, where a change in the middle moves neither the ends nor the size. What was hashed once is remembered by
size, times of change and inode, so that naming a run costs a look at each file and not the reading of it. The same
hashes are the keys of the decoded images.
"""

import contextlib
import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from difftv.errors import DataError
from difftv.files import sha256_of, write_atomically
from difftv.lab.data.base import Splits, unique_names

DIGITS = 16
"""Hexadecimal digits of the word; by chance alone, two of a million data sets share one once in 40 million times."""

UNREADABLE = "unreadable"
"""Stands for a file that is left out of every run, as `open_images` does; readable again, it makes another data set."""

SETTLED_NS = 2_000_000_000
"""A file that has changed within so many nanoseconds is not remembered: times of change are as coarse as 2 s on some
file systems, and a second change within one tick would leave no trace."""

_Facts = tuple[int, int, int, int]


def content_identity(splits: Splits, cache_dir: Path | None) -> str:
    """The images of all splits, with their order and the names that evaluation noise is drawn by, as one word.

    Args:
        splits: the files.
        cache_dir: where the hash of every file is remembered; None reads all files each time.

    Raises:
        DataError: the disk failed while a file was read.
    """
    files = (*splits.train, *splits.validation, *splits.test)
    second = [splits.again[path] for path in files] if splits.again else []
    digests = file_digests((*files, *second), cache_dir)

    def named(paths: Sequence[Path]) -> list[tuple[str, str]]:
        return [(name, digests[path]) for name, path in zip(unique_names(paths, splits.roots), paths, strict=True)]

    manifest: list[object] = [named(paths) for paths in (splits.train, splits.validation, splits.test)]
    if second:
        manifest.append([digests[path] for path in second])
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()[:DIGITS]


def file_digests(paths: Iterable[Path], cache_dir: Path | None) -> dict[Path, str]:
    """The SHA-256 of every file, in hexadecimal digits, or `UNREADABLE`.

    Raises:
        DataError: the disk failed while a file was read.
    """
    by_directory: dict[Path, list[Path]] = defaultdict(list)
    for path in sorted(set(paths)):
        by_directory[path.parent].append(path)
    found: dict[Path, str] = {}
    for directory, files in by_directory.items():
        memory = None if cache_dir is None else _memory(cache_dir, directory)
        remembered = _remembered(memory)
        entries = {path.name: (path, _facts(path)) for path in files}
        unknown = [name for name, (_, facts) in entries.items() if remembered.get(name, [])[:-1] != list(facts)]
        now = time.time_ns()
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
            fresh = dict(zip(unknown, threads.map(_digest, (entries[name][0] for name in unknown)), strict=True))
        for name, (path, _) in entries.items():
            found[path] = fresh[name] if name in fresh else str(remembered[name][-1])
        lasting = {
            name: [*facts, digest]
            for name, digest in fresh.items()
            if digest != UNREADABLE and max((facts := entries[name][1])[1:3]) < now - SETTLED_NS
        }
        if lasting and memory is not None:
            remembered |= lasting
            with contextlib.suppress(OSError):  # without it the next job reads the files again
                write_atomically(memory, json.dumps(remembered))
    return found


def _memory(cache_dir: Path, directory: Path) -> Path:
    name = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:32]
    return cache_dir / f"{name}.contents.json"


def _remembered(memory: Path | None) -> dict[str, list]:
    if memory is None:
        return {}
    try:
        content = json.loads(memory.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: entry for name, entry in content.items() if isinstance(entry, list) and len(entry) == 5}


def _facts(path: Path) -> _Facts:
    """Size, both times and inode: a copy that keeps the time of change still has a new time of status, where the system
    keeps one, and a file that took the other's place another inode."""
    try:
        facts = path.stat()
    except OSError:
        return 0, 0, 0, 0
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        return UNREADABLE
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the disk, then run it again.") from error
