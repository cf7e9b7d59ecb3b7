"""Axes of signals, images and volumes, by number and by name, and the distance of neighbours; free of torch."""

from collections.abc import Sequence
from typing import Any

from difftv.arguments import is_integer, is_number, positive

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
"""Number of axes -> their names, in the order of a tensor's dimensions."""

KINDS = {1: "signals", 2: "images", 3: "volumes"}
"""Number of axes -> what has as many."""

DIRECTIONS = {1: ("",), 2: ("_v", "_h"), 3: ("_d", "_v", "_h")}
"""Number of axes -> what the name of a map ends in that weighs the differences along one of them."""

Spacing = Sequence[float]
"""Distance of neighbours along every axis, > 0, in any unit of length."""


def checked_axes(axes: Any) -> int:
    """The number of axes.

    Raises:
        ValueError: not 1, 2 or 3.
    """
    if not is_integer(axes) or axes not in AXES:
        raise ValueError(f"axes must be 1 (signals), 2 (images) or 3 (volumes), got {axes!r}.")
    return int(axes)


def checked_spacing(spacing: Spacing | float | None, axes: int) -> tuple[float, ...]:
    """Spacing along every axis, 1 where none is given; a single number stands for all axes.

    Raises:
        ValueError: not one positive finite number per axis.
    """
    if spacing is None:
        return (1.0,) * axes
    given = [spacing] * axes if is_number(spacing) else spacing
    if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != axes:  # type: ignore[arg-type]
        raise ValueError(
            f"spacing must be one positive number per axis, ({', '.join(AXES[axes])}), or a single one; "
            f"got {spacing!r}."
        )
    return tuple(positive("spacing", value) for value in given)  # type: ignore[union-attr]


def layout(axes: int, channels: str = "channels") -> str:
    """Shape of a tensor in words, such as "(batch, channels, height, width)"."""
    return f"(batch, {channels}, {', '.join(AXES[axes])})"


def by_size(space: Sequence[int | str]) -> str:
    """Sizes as they are written, such as "64x48"."""
    return "x".join(str(size) for size in space)
