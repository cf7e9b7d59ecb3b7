"""What benchmarks that are scripts of their own share: their documents, and the search for a weight."""

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers import peer_versions
from benchmarks.suite import machine
from difftv.files import write_atomically
from difftv.lab.rundir.provenance import git_commit, versions


def write(path: Path, part: str, rows: Sequence[Any], command: str) -> None:
    """Store the rows of one part, see `write_parts`."""
    write_parts(path, {part: rows}, command)


def write_parts(path: Path, parts: Mapping[str, Sequence[Any]], command: str) -> None:
    """Store rows, to be read by `benchmarks.stored.read`.

    Args:
        path: path of the document.
        parts: rows, dataclasses, by the name of their part in `benchmarks.stored.STUDIES`.
        command: command line that measures them, for a reader with files of his own.
    """
    document = {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "versions": dict(versions() | peer_versions()),
        "commit": git_commit(),
        "command": command,
        "parts": {
            part: {"rows": [dataclasses.asdict(row) for row in rows], "notes": []} for part, rows in parts.items()
        },
    }
    write_atomically(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def uphill(score: Callable[[float], float], start: float, step: float = 0.5) -> float:
    """Where a step of that size to neither side scores higher; of equal scores the nearest to where it is."""
    score, best = functools.cache(score), start
    while (better := max((best, best - step, best + step), key=score)) != best:
        best = better
    return best
