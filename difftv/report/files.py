"""Writing beside the runs: a reader sees the old file or the new one, never half of it."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Replace `path` in one step.

    Raises:
        OSError: the directory cannot be written to; nothing is left behind.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, 0o644)  # mkstemp makes it private, and a table is there to be read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_beside_runs(directory: Path, contents: Mapping[str, str]) -> str:
    """Write several files into a sweep directory; returns what was written, or why nothing could be.

    A sweep that someone else owns, or one on a read-only disk, can still be read: that is no error.
    """
    try:
        for name, text in contents.items():
            write_text(directory / name, text)
    except OSError as error:
        return f"{directory} cannot be written to ({error.strerror or error}): nothing was saved."
    return f"Written: {', '.join(str(directory / name) for name in contents)}"
