"""The data term as a term of its own, where bounds or weights keep it out of the linear step.

The linear step is diagonal in a cosine basis as long as the data term is 1/2 ||u - y||^2. Otherwise u = K x with K = 1
is split off like the differences: with s = p + rho u, p in dF(u),

    u = argmin F(u) + rho/2 ||u - s/rho||^2 = clip((s + w y) / (w + rho), lower, upper),      p = s - rho u.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from difftv.linear.operator import LinearOperator
from difftv.problem.data_term import DataTerm
from difftv.types import Dual, Fields

RHO = 3.0
"""Step size, in units of the range of the image. On 32x32 photographs with bounds that hold at many pixels, isotropic
TV needs as many iterations as without bounds at any rho from 0.3 to 3, TGV from 3 on."""


@dataclass(frozen=True)
class ImageItself(LinearOperator):
    """K (u, v) = u, for an image of that many channels and an auxiliary field of that many."""

    image_channels: int
    auxiliary: int

    @property
    def channels(self) -> int:
        return self.image_channels

    @property
    def of_one_channel(self) -> LinearOperator:
        return ImageItself(1, self.auxiliary // self.channels)

    @property
    def fields(self) -> int:
        return self.channels + self.auxiliary

    @property
    def components(self) -> int:
        return self.channels

    def apply(self, x: Fields) -> Dual:
        return x[:, : self.channels]

    def adjoint(self, p: Dual) -> Fields:
        if self.auxiliary == 0:
            return p
        return torch.cat([p, p.new_zeros(p.shape[0], self.auxiliary, *p.shape[2:])], dim=1)

    def valid_mask(self, *space: int) -> np.ndarray:
        return np.ones((self.components, *space), dtype=bool)

    def matrix(self, *space: int) -> sp.csr_array:
        pixels = math.prod(space)
        return sp.csr_array(sp.eye_array(self.components * pixels, self.fields * pixels))

    def symbol(self, *space: int) -> np.ndarray:
        symbol = np.zeros((self.fields, self.fields, *space))
        for channel in range(self.channels):
            symbol[channel, channel] = 1.0
        return symbol


@dataclass(frozen=True)
class DataStep:
    """The dual step of F, for a batch of images; `rho` is (batch, 1, ..)."""

    data: DataTerm
    rho: Tensor

    def select(self, index: Tensor) -> "DataStep":
        """The same for some of the images."""
        return DataStep(self.data.select(index), self.rho.index_select(0, index))

    def start(self) -> Tensor:
        """The state from which the image is y within the bounds, and p = 0."""
        return self.rho * self.data.clip(self.data.y)

    def image(self, s: Tensor) -> Tensor:
        """u: exactly within the bounds, unlike the x of the linear step, which it equals in the limit."""
        return self.data.clip(self._unbounded(s))

    def step(self, s: Tensor) -> Tensor:
        """p."""
        return s - self.rho * self.image(s)

    def linearised(self, s: Tensor) -> "LinearisedDataStep":
        """The derivative of `step` at s."""
        u, weight = self._unbounded(s), self._weight
        slope = (1 / (weight + self.rho)).expand_as(u)
        if self.data.lower is not None and self.data.upper is not None:
            slope = torch.where((u > self.data.lower) & (u < self.data.upper), slope, torch.zeros_like(slope))
        return LinearisedDataStep(slope, self.rho)

    def _unbounded(self, s: Tensor) -> Tensor:
        return (s + self._weight * self.data.y) / (self._weight + self.rho)

    @property
    def _weight(self) -> Tensor:
        return torch.ones_like(self.rho) if self.data.weight is None else self.data.weight


@dataclass(frozen=True)
class LinearisedDataStep:
    """dp/ds = 1 - rho du/ds with du/ds = `slope`, 0 on a bound."""

    slope: Tensor
    rho: Tensor

    def select(self, index: Tensor) -> "LinearisedDataStep":
        """The same for some of the images."""
        return LinearisedDataStep(self.slope.index_select(0, index), self.rho.index_select(0, index))

    @property
    def free(self) -> Tensor:
        """1 where u can move, 0 on a bound, where it does not matter what the loss wants."""
        return (self.slope > 0).to(self.slope.dtype)

    def image(self, q: Tensor) -> Tensor:
        """a = du, from the state of the linearised iteration: 0 on a bound."""
        return self.slope * q

    def step(self, q: Tensor) -> Tensor:
        """dp."""
        return q - self.rho * self.image(q)
