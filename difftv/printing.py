"""Printing that does not end a command where the output is closed or a terminal cannot show a name."""

import os
import sys
from typing import Any


def printable(text: str) -> str:
    r"""Text that any UTF-8 file or terminal takes: a byte of a file name that is no UTF-8 appears as `\udce9`."""
    return text.encode(errors="backslashreplace").decode()


def printable_within(value: Any) -> Any:
    """The same for every text in plain containers; JSON and YAML can spell what UTF-8 cannot."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list | tuple):
        return [printable_within(item) for item in value]
    if isinstance(value, dict):
        return {printable_within(key): printable_within(item) for key, item in value.items()}
    return value


def print_safely(text: str, *, error: bool = False) -> bool:
    r"""Print text, and say whether the output is still open.

    A character that the stream cannot encode (a byte of a file name that is no UTF-8, most of Unicode on an ASCII
    terminal) appears as `\udce9`. Where the stream was closed early, as by `| head -1`, later text goes nowhere.

    Args:
        text: without the last line break.
        error: print to stderr, not to stdout.
    """
    stream = sys.stderr if error else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, errors="backslashreplace").decode(encoding), file=stream, flush=True)
    except OSError:  # a closed pipe, a full disk
        # What is still in the stream's buffer is flushed again when the interpreter leaves.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True


def replace_missing_streams() -> None:
    """Let a program that was started without stdin, stdout or stderr (`2>&-`) write what it says to nowhere.

    Their numbers would otherwise be those of the next files that are opened, and libraries would write into these.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
