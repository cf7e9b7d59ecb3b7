"""Signals, images and volumes: tensors (batch, channels, *space) of one to three axes, and the distance of neighbours.

The axes of a volume are depth, height and width; "vertical" is along the height. Along an axis of spacing h a
difference of neighbours is divided by h: slopes are then in intensity per length, and weights in intensity times
length. The spacing is 1 by default.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import avg_pool1d, avg_pool2d, avg_pool3d

from difftv.axes import AXES, DIRECTIONS, KINDS, Spacing, by_size, checked_axes, checked_spacing, layout

__all__ = [
    "AXES",
    "DIRECTIONS",
    "KINDS",
    "Spacing",
    "average_pool",
    "by_size",
    "checked_axes",
    "checked_spacing",
    "inner",
    "layout",
    "per_image",
    "spatial",
]


def inner(x: Tensor) -> tuple[int, ...]:
    """Dimensions of one image: all but that of the batch."""
    return tuple(range(1, x.ndim))


def spatial(x: Tensor) -> tuple[int, ...]:
    """Dimensions of space: all but those of batch and channels."""
    return tuple(range(2, x.ndim))


def per_image(values: Tensor, like: Tensor) -> Tensor:
    """One number per image, (batch,), in a shape that broadcasts to `like`."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def average_pool(x: Tensor) -> Callable[..., Tensor]:
    """torch's function for means over windows of as many axes as x has."""
    return {3: avg_pool1d, 4: avg_pool2d, 5: avg_pool3d}[x.ndim]  # type: ignore[return-value]
