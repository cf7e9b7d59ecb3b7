"""Checks of the arguments that regularizers share."""

import math
from collections.abc import Mapping
from typing import TypeVar

from difftv.arguments import is_integer, is_number, positive_int
from difftv.linear.operator import LinearOperator
from difftv.linear.per_channel import PerChannel
from difftv.regularizers.potentials import Absolute, Huber, Potential

Choice = TypeVar("Choice")


def one_of(name: str, value: int, choices: Mapping[int, Choice], meaning: str) -> Choice:
    """The choice that `value` stands for.

    Raises:
        ValueError: it stands for none.
    """
    if not is_integer(value) or value not in choices:
        raise ValueError(f"{name} must be {meaning}, got {value!r}.")
    return choices[value]


def coupled(operator: LinearOperator, channels: int) -> LinearOperator:
    """The operator for images of that many channels.

    Raises:
        ValueError: channels is not an integer >= 1.
    """
    count = positive_int("channels", channels)
    return operator if count == 1 else PerChannel(operator, count)


def huber_or_absolute(name: str, delta: float | int) -> Potential:
    """The potential of that Huber width, in intensity per pixel; 0 is the absolute value itself.

    Raises:
        ValueError: not a finite number >= 0.
    """
    if not is_number(delta) or not 0 <= delta < math.inf:
        raise ValueError(f"{name} must be a finite number >= 0 (intensity per pixel), got {delta!r}.")
    return Huber(float(delta)) if delta > 0 else Absolute()
