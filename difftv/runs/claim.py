"""Who works on a run: one process at a time, known by name, and known to be dead when it is.

On one machine, and on shared file systems that pass locks on, a file lock decides. Where the lock of another machine
cannot be seen, its heartbeat does: the time of change of status.json against that of a file touched just now. Both
times are the file system's, so it does not matter what any machine's clock says.
"""

import contextlib
import json
import logging
import os
import re
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from difftv.errors import RunInUseError
from difftv.rundir.layout import FIGURES, HEARTBEAT_SECONDS, LOCK, SILENT_SECONDS, STATUS
from difftv.rundir.owner import Owner, owner_of, this_process

log = logging.getLogger(__name__)

_TEMPORARY = re.compile(r"\..+\.\d+-[0-9a-f]{8}")
"""The names under which `write_atomically` and the checkpoints write a file before it is whole."""


def read_status(directory: Path) -> dict[str, Any]:
    """The content of status.json; empty where it is missing or unreadable."""
    try:
        status = json.loads((directory / STATUS).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return status if isinstance(status, dict) else {}


def working_owner(directory: Path) -> Owner | None:
    """The process that works on a run, as far as its status.json and the signs of life tell; None where none does."""
    status = read_status(directory)
    owner = owner_of(status)
    if status.get("state") != "running" or owner is None:
        return None
    works = owner.lives() if owner.is_here else _beats(directory / STATUS)
    return owner if works else None


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold a run's directory alone; what a dead owner left half written is removed.

    Raises:
        RunInUseError: another process works on it, with its name.
        OSError: the directory cannot be written to.
    """
    lock = FileLock(directory / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunInUseError(_refusal(directory, owner_of(read_status(directory)))) from None
    except NotImplementedError:
        log.warning("the file system of %s has no locks: only heartbeats keep two processes apart", directory)
    try:
        owner = working_owner(directory)
        if owner is not None and owner != this_process():
            raise RunInUseError(_refusal(directory, owner))
        _remove_leftovers(directory)
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def heartbeat(beat: Callable[[], None]) -> Iterator[None]:
    """Call `beat` every `HEARTBEAT_SECONDS` from a thread of its own."""
    stop = threading.Event()

    def go() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            beat()

    thread = threading.Thread(target=go, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def termination_as_exit() -> Iterator[None]:
    """Let SIGTERM end the block through SystemExit, so that what it does is recorded.

    A handler that somebody else has set (submitit requeues jobs with one) is left alone, and so are threads.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one must not cut the record short
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def stop_name(stop: BaseException) -> str:
    """What ended a process, from the exit code that it leaves with: SIGTERM, or the code itself."""
    code = getattr(stop, "code", None)
    if isinstance(code, int) and code > 128:
        with contextlib.suppress(ValueError):
            return signal.Signals(code - 128).name
    return f"exit code {code}"


def _refusal(directory: Path, owner: Owner | None) -> str:
    name = f" ({owner})" if owner else ""
    return f"Another process{name} is working on {directory}. Wait for it, or stop it; then run the same command again."


def _beats(status: Path) -> bool:
    """Whether a file has changed lately, by the clock of the file system that it is on."""
    probe = status.with_name(f".now.{os.getpid()}-{secrets.token_hex(4)}")
    before = 0
    try:
        before = status.stat().st_mtime_ns
        probe.touch()
        age = (probe.stat().st_mtime_ns - before) / 1e9
        probe.unlink()
        if age >= 0:
            return age < SILENT_SECONDS
        # That clock itself was set back since: only watching tells.
        deadline = time.monotonic() + 3 * HEARTBEAT_SECONDS
        while time.monotonic() < deadline:
            if status.stat().st_mtime_ns != before:
                return True
            time.sleep(min(1.0, HEARTBEAT_SECONDS))
        return False
    except FileNotFoundError:
        return False
    except OSError:  # a directory that this user may only read: the machine's own clock has to do
        return abs(time.time() - before / 1e9) < SILENT_SECONDS


def _remove_leftovers(directory: Path) -> None:
    """Temporary files of writers that died: whoever holds the directory is its only writer."""
    for place in (directory, directory / FIGURES):
        with contextlib.suppress(OSError):
            for path in place.iterdir():
                if _TEMPORARY.fullmatch(path.name):
                    path.unlink(missing_ok=True)
