"""Bounds of the minimiser: lower <= u <= upper at every pixel, in the units of the image.

They are an option of every regularizer, since they belong to what is minimised: R(u) counts as infinite outside. A
stored model keeps them, whatever solver it is run with.
"""

import math
from collections.abc import Sequence

import numpy as np

from difftv.arguments import is_number

Bounds = Sequence[float | None]
"""(lower, upper); None = open on that side."""


def checked_bounds(name: str, value: Bounds | None) -> tuple[float | None, float | None] | None:
    """(lower, upper) as floats, None where a side is open; None where there are no bounds.

    Raises:
        ValueError: not a pair of finite numbers or None, or lower is not below upper.
    """
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray) or len(value) != 2:
        raise ValueError(f"{name} must be a pair (lower, upper) such as (0, 1), or None, got {value!r}.")
    lower, upper = (_side(name, side, value) for side in value)
    if lower is not None and upper is not None and not lower < upper:
        raise ValueError(f"{name} must be (lower, upper) with lower < upper, got {tuple(value)!r}.")
    return None if lower is None and upper is None else (lower, upper)


def _side(name: str, side: object, value: Bounds) -> float | None:
    if side is None:
        return None
    if not is_number(side) or not math.isfinite(side):
        raise ValueError(f"{name} must hold finite numbers, or None for an open side, got {tuple(value)!r}.")
    return float(side)
