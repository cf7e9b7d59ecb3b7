"""Checks of arguments: the value back, or a ValueError that names the argument."""

import argparse
import math
from pathlib import Path


def positive(key: str, value: float) -> float:
    """`value` as a float.

    Raises:
        ValueError: not a finite number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{key} must be a positive finite number, got {value!r}.")
    return float(value)


def boolean(key: str, value: bool) -> bool:
    """`value` itself.

    Raises:
        ValueError: not a boolean; `no` and `off` are words to Hydra, and a word would count as true.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{key} must be true or false, got {value!r}.")
    return value


def positive_int(key: str, value: int) -> int:
    """`value` itself.

    Raises:
        ValueError: not an integer above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{key} must be a positive integer, got {value!r}.")
    return value


def directory(key: str, value: Path | str) -> Path:
    """`value` as a path, a leading ~ expanded.

    Raises:
        ValueError: no path, or an empty one: an unset shell variable would mean the working directory.
    """
    if not isinstance(value, str | Path):
        raise ValueError(f"{key} must be a directory, got {value!r}.")
    if isinstance(value, str) and not value.strip():
        raise ValueError(f"{key} must not be empty. The working directory is written as a dot.")
    return Path(value).expanduser()


def path_argument(text: str) -> Path:
    """The `type` of a path in an argument parser.

    Raises:
        argparse.ArgumentTypeError: an empty word, which `Path` would take for the working directory.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("a path must not be empty; the working directory is written as a dot")
    return Path(text)
