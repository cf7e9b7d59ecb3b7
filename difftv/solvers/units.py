"""The units that a solver works in: half the range of the image is about 1, whatever its own units are.

u* is equivariant, u*(s y + c, s lam) = s u*(y, lam) + c for every scale s > 0 and offset c, but a tolerance or a step
size that is a number in the units of the image is not. So every image is solved in units of its own, and its minimiser
is taken back. Both ways are exact in floating point:

  * the scale is the power of two for which half the range of the image is in [1/2, 1);
  * an offset is taken off only where all intensities have one sign and are within a factor of two, for then the
    difference of two float64 has no rounding (Sterbenz' lemma).

Most noisy photographs in [0, 1] have the scale 1 and no offset, and are solved as they are.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from difftv.types import Image, Map

_LARGEST = 1000
"""Exponent of a factor that is a normal float64, as its inverse is; larger powers are multiplied in two steps."""


@dataclass(frozen=True)
class Units:
    """image = 2^exponent (image in these units) + offset, one of each per image, constant for autograd."""

    exponent: np.ndarray  # (batch, 1, 1, 1), integers
    offset: Tensor  # (batch, 1, 1, 1)

    @classmethod
    def of(cls, y: Image) -> "Units":
        """Those in which half the range of every image is in [1/2, 1); a constant image keeps its scale.

        They depend on the smallest and the largest value of an image alone, so that a batch is a loop.

        Args:
            y: (batch, channels, height, width), CPU float64, finite, with at least one pixel.
        """
        low, high = (extreme.numpy() for extreme in torch.aminmax(y.detach().flatten(1), dim=1, keepdim=True))
        low, high = low.reshape(-1, 1, 1, 1), high.reshape(-1, 1, 1, 1)
        near = (np.sign(low) == np.sign(high)) & (
            np.maximum(abs(low), abs(high)) / 2 <= np.minimum(abs(low), abs(high))
        )
        with np.errstate(over="ignore"):
            spread = high - low
        offset = np.where(near, low + np.where(near, spread, 0.0) / 2, 0.0)
        # Halves before the difference where it overflows, and not elsewhere: half the smallest subnormal is 0.
        half_range = np.where(np.isinf(spread), np.frexp(high / 2 - low / 2)[1], np.frexp(spread)[1] - 1)
        return cls(np.where(spread == 0.0, 0, half_range), torch.from_numpy(offset))

    @classmethod
    def as_they_are(cls, y: Image) -> "Units":
        """Scale 1 and no offset for every image."""
        shape = (y.shape[0], 1, 1, 1)
        return cls(np.zeros(shape, np.int64), y.new_zeros(shape))

    def data(self, y: Image) -> Image:
        """The images in these units."""
        return scaled(y - self.offset, -self.exponent)

    def maps(self, lam: Map) -> Map:
        """Their maps in these units."""
        return scaled(lam, -self.exponent)

    def image(self, u: Image) -> Image:
        """Images in their own units again."""
        return scaled(u, self.exponent) + self.offset


def scaled(values: Tensor, exponent: np.ndarray) -> Tensor:
    """values * 2^exponent, without rounding.

    Args:
        values: (batch, ...), four dimensions, CPU float64.
        exponent: (batch, 1, 1, 1), integers.
    """
    first = exponent.clip(-_LARGEST, _LARGEST)
    for power in (first, exponent - first):
        if power.any():
            values = values * torch.from_numpy(np.ldexp(1.0, power))
    return values
