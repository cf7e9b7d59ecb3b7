"""Holding a run's directory: one process at a time works on a run, and says that it does.

On one machine, and on shared file systems that pass locks on, a file lock decides. Where the lock of another machine
cannot be seen, the run's status does (`difftv.lab.rundir.status`): its process, or the heartbeat that it leaves.
"""

import contextlib
import logging
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from difftv.errors import RunInUseError
from difftv.files import is_missing_service
from difftv.lab.rundir.layout import FIGURES, HEARTBEAT_SECONDS, LOCK
from difftv.lab.rundir.owner import Owner, owner_of, this_process
from difftv.lab.rundir.status import read_status, run_status

log = logging.getLogger(__name__)

_TEMPORARY = re.compile(r"\..+\.\d+-[0-9a-f]{8}")
"""The names under which `write_atomically` and the checkpoints write a file before it is whole."""


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a run's directory alone; half-written files of an owner process that was killed are removed.

    Raises:
        RunInUseError: another process works on it, with its name.
        OSError: the directory cannot be written to.
    """
    with file_lock(
        directory / LOCK,
        refusal=lambda: _refusal(directory, owner_of(read_status(directory))),
        without="only heartbeats keep two processes apart",
    ):
        owner = run_status(directory).worker
        if owner is not None and owner != this_process():
            raise RunInUseError(_refusal(directory, owner))
        for path in _leftovers(directory):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        yield


def remove_leftovers(directory: Path) -> None:
    """Remove half-written files of a killed process from a run that is there already, and that nobody holds.

    A run that is finished is not held again, and a process may be killed between its result and its last status. Never
    raises.
    """
    if any(_leftovers(directory)):
        with contextlib.suppress(OSError, RunInUseError), locked(directory):
            pass


@contextlib.contextmanager
def file_lock(path: Path, *, refusal: Callable[[], str], without: str) -> Iterator[None]:
    """Hold a file lock, on file systems that have locks; it is not waited for.

    Network file systems without a lock daemon answer ENOLCK, others ENOSYS or ENOTSUP: that is no other process.

    Args:
        path: path of the lock.
        refusal: message where another process holds it.
        without: consequence where there are no locks, for the warning.

    Raises:
        RunInUseError: another process holds it.
        OSError: the lock cannot be written.
    """
    lock = FileLock(path, timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise RunInUseError(refusal()) from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and not is_missing_service(error):
            raise
        log.warning("the file system of %s has no locks: %s", path.parent, without)
    try:
        yield
    finally:
        # Closing the file, at the latest when the process ends, gives the lock back where unlocking fails.
        with contextlib.suppress(OSError):
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

    A handler that was set before (submitit requeues jobs with one) is left alone, and so are threads.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one must not interrupt the record
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


_queue = ""


def put_back(queue: str) -> None:
    """Note, before the process is stopped, that its job waits in a queue again.

    Args:
        queue: name of the queue and of the job there, for people; empty = the job does not wait.
    """
    global _queue
    _queue = queue


def waits_in() -> str:
    """Where the job of this process waits when the process has ended; empty = nowhere."""
    return _queue


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


def _leftovers(directory: Path) -> Iterator[Path]:
    """Temporary files of writers that were killed: the owner process of the directory is its only writer."""
    for place in (directory, directory / FIGURES):
        with contextlib.suppress(OSError):
            for path in place.iterdir():
                if _TEMPORARY.fullmatch(path.name):
                    yield path
