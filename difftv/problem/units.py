"""The units that every solver works in: half the range of the image is about 1, whatever its own units are.

u* is equivariant, u*(s y + c, s lam) = s u*(y, lam) + c for every scale s > 0 and offset c, but a tolerance or a step
size that is a number in the units of the image is not. So every image is solved in units of its own, and its minimiser
is taken back. Both ways are exact in floating point:

  * the scale is the power of two for which half the range of the image is in [1/2, 1);
  * an offset is taken off only where all intensities have one sign and are within a factor of two, for then the
    difference of two numbers has no rounding (Sterbenz' lemma).

Most noisy photographs in [0, 1] have the scale 1 and no offset, and are solved as they are.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from difftv.problem.data_term import DataTerm
from difftv.types import Fields, Image, Map

_LARGEST = {torch.float32: 100, torch.float64: 1000}
"""Exponent of a factor that is a normal number, as its inverse is; larger powers are multiplied in steps."""


@dataclass(frozen=True)
class Units:
    """image = 2^exponent (image in these units) + offset, one of each per image, constant for autograd."""

    exponent: np.ndarray  # (batch, 1, ..), integers
    offset: Tensor  # (batch, 1, ..)

    @classmethod
    def of(cls, y: Image, *, scaled: bool = True) -> "Units":
        """Those in which half the range of every image is in [1/2, 1); a constant image keeps its scale.

        They depend on the smallest and the largest value of an image alone, so that a batch is a loop.

        Args:
            y: (batch, channels, *space), finite, with at least one pixel.
            scaled: whether there is a scale; without one only an offset is taken off.
        """
        extremes = torch.stack(torch.aminmax(y.detach().flatten(1), dim=1)).cpu().double().numpy()
        low, high = extremes.reshape(2, -1, *[1] * (y.ndim - 1))
        near = (np.sign(low) == np.sign(high)) & (
            np.maximum(abs(low), abs(high)) / 2 <= np.minimum(abs(low), abs(high))
        )
        with np.errstate(over="ignore"):
            spread = high - low
        offset = np.where(near, low + np.where(near, spread, 0.0) / 2, 0.0)
        # Halves before the difference where it overflows, and not elsewhere: half the smallest subnormal is 0.
        half_range = np.where(np.isinf(spread), np.frexp(high / 2 - low / 2)[1], np.frexp(spread)[1] - 1)
        if not scaled:
            half_range = np.zeros_like(half_range)
        return cls(np.where(spread == 0.0, 0, half_range), torch.from_numpy(offset).to(y.dtype).to(y.device))

    def data(self, y: Image) -> Image:
        """The images in these units."""
        return scaled(y - self.offset, -self.exponent)

    def maps(self, lam: Map) -> Map:
        """Their maps in these units."""
        return scaled(lam, -self.exponent)

    def term(self, data: DataTerm) -> DataTerm:
        """The data term in these units."""
        return data.measured(self.data)

    def image(self, u: Image) -> Image:
        """Images in their own units again."""
        return scaled(u, self.exponent) + self.offset

    def differences(self, v: Fields) -> Fields:
        """An auxiliary field, which has no offset, in its own units again."""
        return scaled(v, self.exponent)


def scaled(values: Tensor, exponent: np.ndarray) -> Tensor:
    """values * 2^exponent, without rounding.

    Args:
        values: (batch, ..), as many dimensions as `exponent`, float32 or float64.
        exponent: (batch, 1, ..), integers.
    """
    largest = _LARGEST[values.dtype]
    while exponent.any():
        power = exponent.clip(-largest, largest)
        values = values * torch.from_numpy(np.ldexp(1.0, power)).to(values.dtype).to(values.device)
        exponent = exponent - power
    return values
