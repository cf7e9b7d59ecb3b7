"""Files that are either the old one or the new one, never half of one; and what is in a file, as one word."""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from pathlib import Path

_MISSING = {
    getattr(errno, name)
    for name in ("EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOTTY", "EBADF", "ENOLCK")
    if hasattr(errno, name)
}


def is_missing_service(error: OSError) -> bool:
    """Whether a file system refused a service because it does not have it, not because a write failed.

    Network and user-space file systems leave some services out: syncing a directory (EINVAL, EBADF), file locks without
    a lock daemon (ENOLCK), any call that they do not implement (ENOSYS, ENOTSUP, EOPNOTSUPP, ENOTTY). A full or failing
    disk (ENOSPC, EDQUOT, EIO) is not among them.
    """
    return error.errno in _MISSING


def is_absent(path: Path) -> bool:
    """Whether there is nothing of this name; False where a failing disk gives no answer."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace the file at `path` in one step, and have it on the disk when this returns.

    A process that reads at the same time sees the old content or the new one; a crash or a full disk leaves the old
    one. Where the file system cannot sync, the file is replaced all the same, and is on the disk when the system writes
    it there.

    Args:
        path: path of the file; missing directories are made.
        content: text is written as UTF-8; bytes of a file name that are no UTF-8, which Python keeps as lone
            surrogates, appear as `\\udce9`, so that the file can be decoded.

    Raises:
        OSError: the content could not be written; the file is as it was.
    """
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            _sync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def check_writable(path: Path, *, room: int = 0) -> None:
    """Find out before long work whether `write_atomically` can write a file; missing directories are made.

    Args:
        path: path of the file.
        room: bytes for which there must be space.

    Raises:
        OSError: it cannot: no permission, no space for a name, a directory of that name, a name that is too long.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(path.stat().st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # One name for every process, as long as those of `_beside`: what a killed process leaves, the next one removes.
    probe = path.with_name(f".{path.name[:40]}.writable-00000000")
    try:
        probe.unlink(missing_ok=True)
        with probe.open("xb") as file:
            file.write(bytes(room))
            file.flush()
            _sync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path.parent)) from error
    finally:
        probe.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    # A part of the name only: with all of it a name near the file system's limit would be over it.
    return path.with_name(f".{path.name[:40]}.{os.getpid()}-{secrets.token_hex(4)}")


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not is_missing_service(error):
            raise


def _sync_directory(directory: Path) -> None:
    """Make the renaming itself survive a power cut; Windows cannot open a directory and does not need it."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as error:  # EACCES: a directory that may be written to but not listed
        if is_missing_service(error) or error.errno == errno.EACCES:
            return
        raise
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)
