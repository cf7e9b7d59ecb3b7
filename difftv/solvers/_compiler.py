"""How the kernels are compiled: to machine code by Numba, once per machine, kept in Numba's cache on disk."""

import contextlib
import hashlib
import inspect
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numba.core import event
from numpy.typing import NDArray

Array = NDArray[np.float64]

_log = logging.getLogger(__name__)


class _Notice(event.Listener):
    """Says once per process that a compilation has begun; a kernel that comes from the cache compiles nothing."""

    def __init__(self) -> None:
        self.given = False

    def on_start(self, event: event.Event) -> None:
        # Numba reports every compilation in the process, the user's own functions included.
        name = event.data["dispatcher"].py_func.__module__
        if not self.given and name.startswith(__package__):
            self.given = True
            _log.warning("compiling the kernels of the exact solver, once per machine, about 15 s ...")

    def on_end(self, event: event.Event) -> None:
        pass


notice = _Notice()
event.register("numba:compile", notice)


def kernel(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Compile on first use; the GIL is released, so that Python threads share the cores.

    No `parallel=True`: Numba's thread layers do not survive a fork (OpenMP) or two callers at once (workqueue), and
    DataLoader workers are both. No `fastmath`: signs and ties must mean the same in every build.
    """
    function = inspect.unwrap(function)  # a run-time type checker wraps it in the tests; Numba wants it plain
    try:
        return _stamped(njit(nogil=True, cache=True, **options)(function), Path(inspect.getfile(function)).parent)
    except RuntimeError:  # Numba finds no directory to write its cache to: compile in every process
        return njit(nogil=True, **options)(function)


def _stamped(dispatcher: Any, directory: Path) -> Any:
    """Let a cached kernel count only while no file beside its own has changed.

    Numba looks at the kernel's own file, although the code of kernels that it calls, in other files, is copied into it.
    """
    if (cache_on_disk := getattr(dispatcher, "_cache", None)) is not None:
        _tolerate(cache_on_disk)
    cache_file: Any = getattr(cache_on_disk, "_cache_file", None)
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = cache_file._source_stamp, _digest(directory)
    return dispatcher


def _tolerate(cache_on_disk: Any) -> None:
    """Let a damaged or full cache cost a compilation, and not the solve."""
    load, save = cache_on_disk.load_overload, cache_on_disk.save_overload

    def load_or_compile(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except Exception as error:  # whatever unpickling a damaged file raises
            _warn_once("the cache of compiled kernels in %s is damaged (%s): compiling again", _place(), repr(error))
            with contextlib.suppress(OSError):
                cache_on_disk.flush()
            return None

    def save_if_possible(*arguments: Any) -> None:
        try:
            save(*arguments)
        except Exception as error:
            _warn_once("compiled kernels are not kept: %s cannot be written (%s)", _place(), repr(error))

    def _place() -> str:
        return str(getattr(cache_on_disk, "cache_path", "the cache directory"))

    cache_on_disk.load_overload, cache_on_disk.save_overload = load_or_compile, save_if_possible


@cache
def _warn_once(message: str, place: str, reason: str) -> None:
    """Warn for the first of many kernels that one cause keeps from the cache."""
    _log.warning(message, place, reason)


@cache
def _digest(directory: Path) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(str(directory).encode())  # what is cached names modules: a moved package compiles anew
    for file in sorted(directory.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def part_of_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """A few lines that kernels run for every pixel: copied into them, since a call would cost ten times as much."""
    return kernel(function, inline="always")
