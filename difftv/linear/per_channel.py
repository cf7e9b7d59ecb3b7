"""An operator applied to every channel of an image, and the order in which fields and differences then stand."""

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float
from torch import Tensor

from difftv.linear.operator import LinearOperator, OfOperator
from difftv.types import Dual, Fields


@final
@dataclass(frozen=True)
class PerChannel(OfOperator):
    """(K x_1, .., K x_C), where x_c is channel c of the image and of its auxiliary field.

    Fields stand as (u_1, .., u_C, v_1, .., v_C), so that the image comes first; the differences of a channel stand next
    to each other.

    Args:
        one: K.
        num_channels: C, >= 2.
    """

    num_channels: int

    @property
    def channels(self) -> int:
        return self.num_channels

    @property
    def of_one_channel(self) -> LinearOperator:
        return self.one

    @property
    def periodic(self) -> LinearOperator | None:
        return None if (one := self.one.periodic) is None else replace(self, one=one)

    @property
    def fields(self) -> int:
        return self.num_channels * self.one.fields

    @property
    def components(self) -> int:
        return self.num_channels * self.one.components

    def apply(self, x: Fields) -> Dual:
        return self.one.apply(split_channels(x, self.num_channels)).reshape(len(x), self.components, *x.shape[2:])

    def adjoint(self, p: Dual) -> Fields:
        one = p.reshape(len(p) * self.num_channels, self.one.components, *p.shape[2:])
        return merge_channels(self.one.adjoint(one), self.num_channels)

    def valid_mask(self, *space: int) -> np.ndarray:
        return np.tile(self.one.valid_mask(*space), (self.num_channels, *[1] * len(space)))

    def matrix(self, *space: int) -> sp.csr_array:
        one = sp.block_diag([self.one.matrix(*space)] * self.num_channels, format="csr")
        pixels = np.arange(math.prod(space))
        return sp.csr_array(one[:, (self._order()[:, None] * len(pixels) + pixels).ravel()])

    def symbol(self, *space: int) -> np.ndarray | None:
        one = self.one.symbol(*space)
        if one is None:
            return None
        fields, order = self.one.fields, self._order()
        symbol = np.zeros((self.fields, self.fields, *space))
        for channel in range(self.num_channels):
            place = slice(channel * fields, (channel + 1) * fields)
            symbol[place, place] = one
        return symbol[order][:, order]

    def _order(self) -> np.ndarray:
        """Where every field stands when those of a channel stand next to each other."""
        places = np.arange(self.fields).reshape(self.num_channels, -1)
        return np.concatenate([places[:, 0], places[:, 1:].ravel()])


ChannelByChannel = Float[Tensor, "images fields_of_one *space"]
"""Fields, every channel by itself: an image of C channels is C images."""


def split_channels(x: Fields, channels: int) -> ChannelByChannel:
    """Every channel by itself, (batch * channels, fields of one, *space)."""
    batch, fields, *space = x.shape
    if fields > channels:
        v = x[:, channels:].reshape(batch, channels, -1, *space)
        x = torch.cat([x[:, :channels, None], v], dim=2)
    return x.reshape(batch * channels, fields // channels, *space)


def merge_channels(x: ChannelByChannel, channels: int) -> Fields:
    """What `split_channels` has split."""
    images, fields, *space = x.shape
    x = x.reshape(images // channels, channels, fields, *space)
    if fields == 1:
        return x[:, :, 0]
    return torch.cat([x[:, :, 0], x[:, :, 1:].flatten(1, 2)], dim=1)
