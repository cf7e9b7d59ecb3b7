"""What every command has in common: its version, and how it ends when it is interrupted."""

import functools
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

from difftv.printing import print_safely

Main = Callable[[Sequence[str] | None], int]

INTERRUPTED = 130
"""Exit code of a program that Ctrl-C has ended: 128 + SIGINT, as shells have it."""


def command(main: Main) -> "Callable[..., int]":
    """The main of a command that knows `--version` and ends on Ctrl-C with a line, not with a traceback."""

    @functools.wraps(main)
    def started(arguments: Sequence[str] | None = None) -> int:
        words = sys.argv[1:] if arguments is None else arguments
        if said_version(words):
            return 0
        try:
            return main(arguments)
        except KeyboardInterrupt:
            print_safely("interrupted", error=True)
            return INTERRUPTED

    return started


def said_version(words: Sequence[str]) -> bool:
    """Print the version of the package where the command line asks for it, and say whether it did."""
    if "--version" not in words:
        return False
    print_safely(f"difftv {_version()}")
    return True


def _version() -> str:
    try:
        return version("difftv")
    except PackageNotFoundError:  # a copy that was never installed
        return "(version unknown: not installed)"
