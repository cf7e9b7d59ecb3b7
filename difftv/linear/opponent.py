"""Opponent colours: RGB images in an orthonormal basis of luma and two chroma channels, and differences of those.

    luma          = (R + G + B) / sqrt(3)
    red-blue      = (R - B) / sqrt(2)
    green-magenta = (R - 2 G + B) / sqrt(6)

White noise of one level in R, G and B is white noise of that level in each of them, independent of the others. They
are the opponent colours of BM3D (Dabov, Foi, Katkovnik, Egiazarian 2007, "Color image denoising via sparse 3D
collaborative filtering with grouping constraint in luminance-chrominance space").
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from difftv.linear.operator import LinearOperator, OfOperator, identity
from difftv.linear.per_channel import PerChannel
from difftv.types import Dual, Fields

OPPONENT = ("luma", "red-blue", "green-magenta")
"""Names of the channels."""

_ROWS = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])
MATRIX = _ROWS / np.linalg.norm(_ROWS, axis=1, keepdims=True)
"""Q, (3, 3): a row per channel, its columns are R, G and B."""


def opponent_matrix(like: Tensor) -> Tensor:
    """Q, (3, 3), on the device and in the precision of a tensor."""
    return torch.from_numpy(MATRIX).to(dtype=like.dtype).to(device=like.device)


def to_opponent(rgb: Tensor) -> Tensor:
    """Luma and the two chroma channels of (batch, 3, *space)."""
    return torch.einsum("ij,bj...->bi...", opponent_matrix(rgb), rgb)


def from_opponent(channels: Tensor) -> Tensor:
    """R, G and B: the inverse of `to_opponent`, and its adjoint."""
    return torch.einsum("ij,bi...->bj...", opponent_matrix(channels), channels)


@final
@dataclass(frozen=True)
class OfOpponentColours(OfOperator):
    """(K x_1, K x_2, K x_3), where x_1, x_2 and x_3 are luma, red-blue and green-magenta of an RGB image.

    The differences of a channel stand next to each other. Q is orthonormal and acts on every pixel alike, so that the
    symbol is that of K in every channel.

    Args:
        one: K, of the image alone (`fields` = 1).
    """

    @property
    def _each(self) -> PerChannel:
        return PerChannel(self.one, len(OPPONENT))

    @property
    def channels(self) -> int:
        return len(OPPONENT)

    @property
    def of_one_channel(self) -> LinearOperator:
        return self.one

    @property
    def fields(self) -> int:
        return self._each.fields

    @property
    def components(self) -> int:
        return self._each.components

    def apply(self, x: Fields) -> Dual:
        return self._each.apply(to_opponent(x))

    def adjoint(self, p: Dual) -> Fields:
        return from_opponent(self._each.adjoint(p))

    def valid_mask(self, *space: int) -> np.ndarray:
        return self._each.valid_mask(*space)

    def matrix(self, *space: int) -> sp.csr_array:
        mixed = sp.kron(sp.csr_array(MATRIX), identity(math.prod(space)))
        return sp.csr_array(self._each.matrix(*space) @ mixed)

    def symbol(self, *space: int) -> np.ndarray | None:
        return self._each.symbol(*space)
