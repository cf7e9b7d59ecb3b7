"""Peak memory, measured in a process of its own: one's own peak only ever grows."""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import psutil

from difftv.errors import ProblemTooLargeError

Result = TypeVar("Result")

_LINUX_STATUS = Path("/proc/self/status")


def in_own_process(function: Callable[..., Result], *arguments: object) -> Result:
    """`function(*arguments)` in a fresh interpreter; both, and the result, must pickle.

    Raises:
        ProblemTooLargeError: the process was killed, as a rule for want of memory.
    """
    # Spawned, not forked: a fork would begin with this process's memory, and its threads' locks.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise ProblemTooLargeError(
                "The process that measured this was killed, as a rule for want of memory. Take smaller sizes."
            ) from error


def resident_bytes() -> int:
    """Memory that this process holds now."""
    return psutil.Process().memory_info().rss


def peak_bytes() -> int:
    """The most memory that this process has held so far."""
    if _LINUX_STATUS.exists():
        # Not getrusage: on Linux its maximum outlives exec, so that a child starts with the parent's.
        line = next(line for line in _LINUX_STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
