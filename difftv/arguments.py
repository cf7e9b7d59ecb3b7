"""Checks of numbers that come from a configuration: the value back, or a ValueError that names the key."""

import math


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
