"""Writing beside the runs."""

from collections.abc import Mapping
from pathlib import Path

from difftv.files import write_atomically


def write_beside_runs(directory: Path, contents: Mapping[str, str]) -> str:
    """Write several files into a sweep directory; returns what was written, or why nothing more could be.

    A sweep that someone else owns, or one on a read-only disk, can still be read: that is no error.
    """
    written = []
    for name, text in contents.items():
        try:
            write_atomically(directory / name, text)
        except OSError as error:
            return f"{directory} cannot be written to ({error.strerror or error}): {name} was not saved."
        written.append(str(directory / name))
    return f"Written: {', '.join(written)}"
