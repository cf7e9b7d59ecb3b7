"""Checks of the arguments that regularizers share."""

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from difftv.arguments import is_integer, is_number, positive_int
from difftv.linear.differences import Spaced
from difftv.linear.operator import LinearOperator
from difftv.linear.per_channel import PerChannel
from difftv.regularizers.potentials import Absolute, Huber, Potential
from difftv.space import DIRECTIONS, Spacing, checked_axes, checked_spacing

Choice = TypeVar("Choice")


def one_of(name: str, value: int, choices: Mapping[int, Choice], meaning: str) -> Choice:
    """The choice that `value` stands for.

    Raises:
        ValueError: it stands for none.
    """
    if not is_integer(value) or value not in choices:
        raise ValueError(f"{name} must be {meaning}, got {value!r}.")
    return choices[value]


def on_grid(kind: Callable[[int, tuple[float, ...] | None], Spaced], axes: int, spacing: Spacing | None) -> Spaced:
    """The operator of that class for so many axes and that spacing.

    Raises:
        ValueError: axes is not 1, 2 or 3, or the spacing is not one positive number per axis.
    """
    count = checked_axes(axes)
    lengths = checked_spacing(spacing, count)
    return kind(count, None if lengths == (1.0,) * count else lengths)


def per_direction(
    name: str, num_maps: int, axes: int, groups: tuple[str, ...], channels: int = 1
) -> list[tuple[str, ...]]:
    """Names of the maps of every group, for one channel: one that all directions share, or one per direction.

    Raises:
        ValueError: `num_maps` is neither.
    """
    directions = DIRECTIONS[checked_axes(axes)]
    kinds = len(groups) * channels
    both = f" or {kinds * axes} (one{' of each' if kinds > 1 else ''} per direction)" if axes > 1 else ""
    suffixes = one_of(
        name,
        num_maps,
        {kinds * axes: directions, kinds: ("",)},
        f"{kinds} ({'shared' if kinds == 1 else ', '.join(groups) + ', shared'}){both}"
        + (f" with channels={channels}" if channels > 1 else ""),
    )
    return [tuple(group + suffix for suffix in suffixes) for group in groups]


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
