"""Checked values out of untrusted JSON: a reader returns the value, or raises a ValueError that names its place."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")
Reader = Callable[[Any, str], Value]
"""(what the file holds, its place in it) -> the value, checked."""

LONGEST_TEXT = 4000
LARGEST_COUNT = 1000
"""Entries of a list or an object: more than a card can need, few enough to be printed."""


def exactly(readers: Mapping[str, Reader], **optional: Reader) -> Reader[dict[str, Any]]:
    """An object with these keys, no fewer, and no others but the optional ones."""
    known = {**readers, **optional}

    def read(value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{place} must be an object, got a {type(value).__name__}")
        if missing := sorted(set(readers) - set(value)):
            raise ValueError(f"{place} lacks {', '.join(missing)}")
        if unknown := sorted(map(str, set(value) - set(known))):
            raise ValueError(f"{place} holds what is not known here: {', '.join(unknown)[:200]!r}")
        return {key: reader(value[key], f"{place}.{key}") for key, reader in known.items() if key in value}

    return read


def mapping(reader: Reader[Value]) -> Reader[dict[str, Value]]:
    """An object with any keys that are texts."""

    def read(value: Any, place: str) -> dict[str, Value]:
        if not isinstance(value, Mapping) or len(value) > LARGEST_COUNT:
            raise ValueError(f"{place} must be an object of at most {LARGEST_COUNT} entries")
        return {text(key, f"a name in {place}"): reader(entry, f"{place}.{key}") for key, entry in value.items()}

    return read


def several(reader: Reader[Value]) -> Reader[tuple[Value, ...]]:
    """A list."""

    def read(value: Any, place: str) -> tuple[Value, ...]:
        if not isinstance(value, list | tuple) or len(value) > LARGEST_COUNT:
            raise ValueError(f"{place} must be a list of at most {LARGEST_COUNT} entries")
        return tuple(reader(entry, f"{place}[{index}]") for index, entry in enumerate(value))

    return read


def optional(reader: Reader[Value]) -> Reader[Value | None]:
    """A value or null."""
    return lambda value, place: None if value is None else reader(value, place)


def text(value: Any, place: str) -> str:
    """A text that a terminal shows as it is: no control characters, which could rewrite what stands before it."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable():
        raise ValueError(f"{place} must be printable text of at most {LONGEST_TEXT} characters")
    return value


def number(value: Any, place: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{place} must be a finite number, got {str(value)[:40]!r}")
    return float(value)


def non_negative_int(value: Any, place: str) -> int:
    """An integer from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise ValueError(f"{place} must be an integer >= 0, got {str(value)[:40]!r}")
    return value


LARGEST_LOOKS = 16
"""Looks of a stored model, at most: every one costs a solve."""


def looks(value: Any, place: str) -> int:
    """An integer from 1 to `LARGEST_LOOKS`."""
    if not 1 <= non_negative_int(value, place) <= LARGEST_LOOKS:
        raise ValueError(f"{place} must be an integer from 1 to {LARGEST_LOOKS}, got {value}")
    return value


def flag(value: Any, place: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{place} must be true or false, got {str(value)[:40]!r}")
    return value


def argument(value: Any, place: str) -> Any:
    """What a constructor may be given: a number, a word, true or false, nothing, or a list of numbers and nothing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value, place)
    if isinstance(value, list | tuple):
        entries = enumerate(several(argument)(value, place))
        return [optional(number)(entry, f"{place}[{index}]") for index, entry in entries]
    number(value, place)
    return value
