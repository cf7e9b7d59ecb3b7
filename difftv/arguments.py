"""Checks of arguments: the value back, or a ValueError that begins with the name of the argument."""

import argparse
import math
import numbers
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a real number, Python's or NumPy's; a boolean is none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def is_integer(value: object) -> TypeGuard[int]:
    """Whether it is an integer, Python's or NumPy's; a boolean is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def positive(name: str, value: float) -> float:
    """`value` as a float.

    Raises:
        ValueError: not a finite number above 0.
    """
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive finite number, got {value!r}.")
    return float(value)


def not_negative(name: str, value: float) -> float:
    """`value` as a float.

    Raises:
        ValueError: not a finite number >= 0.
    """
    if not is_number(value) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}.")
    return float(value)


def boolean(name: str, value: bool) -> bool:
    """`value` itself.

    Raises:
        ValueError: not a boolean; the string "no" would count as true.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}.")
    return value


def positive_int(name: str, value: int) -> int:
    """The value as an integer of Python.

    Raises:
        ValueError: not an integer above 0.
    """
    if not is_integer(value) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}.")
    return int(value)


def count(name: str, value: int) -> int:
    """The value as an integer of Python.

    Raises:
        ValueError: it is not.
    """
    if not is_integer(value) or value < 0:
        raise ValueError(f"{name} must be an integer >= 0, got {value!r}.")
    return int(value)


def random_seed(name: str, value: int) -> int:
    """The value as an integer of Python.

    Raises:
        ValueError: not an integer in 0 .. 2^64 - 1, which is what the generators of torch take.
    """
    if not is_integer(value) or not 0 <= value < 2**64:
        raise ValueError(f"{name} must be an integer from 0 to 2^64 - 1, got {value!r}.")
    return int(value)


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """`value` itself.

    Raises:
        ValueError: none of the allowed words.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.")
    return value


def model_word(name: str, value: str | None) -> str | None:
    """What names a stored model, or None.

    Raises:
        ValueError: something else, or an empty word.
    """
    if value is None or (isinstance(value, str) and value):
        return value
    raise ValueError(
        f"{name} must be the name of a shipped model, a model file, the directory of a run or null, got {value!r}."
    )


def directory(name: str, value: Path | str) -> Path:
    """`value` as a path, a leading ~ expanded.

    Raises:
        ValueError: no path, or an empty one: an unset shell variable would mean the working directory.
    """
    if not isinstance(value, str | Path):
        raise ValueError(f"{name} must be a directory, got {value!r}.")
    if isinstance(value, str) and not value.strip():
        raise ValueError(f"{name} must not be empty. The working directory is written as a dot.")
    return Path(value).expanduser()


def path_argument(text: str) -> Path:
    """The `type` of a path in an argument parser.

    Raises:
        argparse.ArgumentTypeError: an empty word, which `Path` would take for the working directory.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("a path must not be empty; the working directory is written as a dot")
    return Path(text)


EARLIER_KEYS: Mapping[str, str] = {"predictor.least": "predictor.floor"}
"""Group and argument, as a configuration writes them: name in earlier versions -> today's name."""


def with_todays_names(group: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a group without names of earlier versions.

    Raises:
        ValueError: an argument has different values under its two names, neither of them 0.
    """
    found = dict(arguments)
    for key, now in EARLIER_KEYS.items():
        earlier, name = key.removeprefix(f"{group}."), now.removeprefix(f"{group}.")
        if earlier in found:
            given = found.pop(earlier)
            if given not in (0, found.setdefault(name, given)):
                raise ValueError(
                    f"{name} is {found[name]!r}, and {given!r} under its earlier name {earlier}: give one."
                )
    return found
