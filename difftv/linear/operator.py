"""The contract of the linear maps K that a regularizer is made of, and the sparse matrices they are built from."""

import abc
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from difftv.types import Dual, Fields


@final
@dataclass(frozen=True)
class Edge:
    """A pair of neighbouring pixels, the opposite corners of a cell: it is stored at the cell's upper left pixel.

    Attributes:
        rows: how many rows lie between them, 0 or 1.
        columns: how many columns.
        rising: whether a diagonal goes from the lower left to the upper right.
    """

    rows: int
    columns: int
    rising: bool = False

    def extent(self, axis: int) -> int:
        """Pixels along an axis of an image, -2 the rows and -1 the columns."""
        return (self.rows, self.columns)[axis]


class LinearOperator(abc.ABC):
    """K: fields (u) or (u, v_1, v_2) -> differences, `components` of them at every pixel.

    An operator is stated on a grid without a border wherever that makes K^T K diagonal in a cosine basis: it then has
    additional differences past the border, which `valid_mask` tells apart. No regularizer weighs those; a solver may
    carry them along with weight 0. Everything below but `valid_mask` includes them.

    An auxiliary field v_1 is defined on the vertical edges and v_2 on the horizontal ones; their entries past the
    border (last row of v_1, last column of v_2) are no variables and are ignored.
    """

    @property
    @abc.abstractmethod
    def fields(self) -> int:
        """Channels of what it is applied to: 1 for (u), 3 for (u, v_1, v_2), times the channels of the image."""

    @property
    @abc.abstractmethod
    def components(self) -> int:
        """Differences at every pixel."""

    @property
    def channels(self) -> int:
        """Channels of the image u."""
        return 1

    @property
    def of_one_channel(self) -> "LinearOperator":
        """What acts on every channel of the image."""
        return self

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges whose differences are the components; empty where those are of more pixels than two."""
        return ()

    @property
    def has_padding(self) -> bool:
        """Whether `apply` has differences past the border that are not zero."""
        return False

    @abc.abstractmethod
    def apply(self, x: Fields) -> Dual:
        """K x: (batch, fields, height, width) -> (batch, components, height, width)."""

    @abc.abstractmethod
    def adjoint(self, p: Dual) -> Fields:
        """K^T p: (batch, components, height, width) -> (batch, fields, height, width)."""

    @abc.abstractmethod
    def valid_mask(self, height: int, width: int) -> np.ndarray:
        """Which differences are valid, i.e. not past the border, (components, height, width), boolean."""

    @property
    def beyond_border(self) -> bool:
        """`has_padding` by its name in earlier versions."""
        return self.has_padding

    def interior(self, height: int, width: int) -> np.ndarray:
        """`valid_mask` by its name in earlier versions."""
        return self.valid_mask(height, width)

    @abc.abstractmethod
    def matrix(self, height: int, width: int) -> sp.csr_array:
        """K as a matrix on row-major images, (components * height * width, fields * height * width)."""

    @abc.abstractmethod
    def symbol(self, height: int, width: int) -> np.ndarray | None:
        """K^T K at every frequency, (fields, fields, height, width), float64; None where no basis diagonalises it.

        The basis is the orthonormal DCT-II along both axes for u; for v_1 it is the DST-I of the height - 1 edges along
        the first axis and the DCT-II along the second one, and the other way round for v_2. Frequency 0 of a DST-I
        does not exist; the entries there are whatever leaves the block invertible.
        """


def without_last(p: Tensor, axis: int) -> Tensor:
    """A copy of p with its last entry along the axis set to zero."""
    inner = p.narrow(axis, 0, p.shape[axis] - 1)
    return torch.cat([inner, torch.zeros_like(p.narrow(axis, 0, 1))], dim=axis)


def difference_matrix(size: int) -> sp.csr_array:
    """`forward_difference` of a vector of that size."""
    diagonal = -np.ones(size)
    diagonal[-1] = 0.0
    return sp.diags_array([diagonal, np.ones(size - 1)], offsets=[0, 1], shape=(size, size)).tocsr()


def all_but_last_matrix(size: int) -> sp.csr_array:
    """`without_last` of a vector of that size."""
    diagonal = np.ones(size)
    diagonal[-1] = 0.0
    return sp.diags_array(diagonal).tocsr()


def product(along_height: sp.sparray, along_width: sp.sparray) -> sp.csr_array:
    """The matrix that acts along both axes of a row-major image."""
    return sp.csr_array(sp.kron(along_height, along_width))


def identity(size: int) -> sp.csr_array:
    return sp.csr_array(sp.eye_array(size))


def valid_edges(height: int, width: int) -> np.ndarray:
    """Which forward differences are valid, (2, height, width)."""
    valid = np.ones((2, height, width), dtype=bool)
    valid[0, -1] = False
    valid[1, :, -1] = False
    return valid


def second_order(height: int, width: int) -> np.ndarray:
    """Which differences of second order are valid, (3, height, width): both vertical, both horizontal, mixed.

    The first two are centred at a pixel and need both of its neighbours.
    """
    valid = np.ones((3, height, width), dtype=bool)
    valid[0, [0, -1]] = False
    valid[1][:, [0, -1]] = False
    valid[2] = valid_edges(height, width).all(0)
    return valid


def half_angle_sines(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """s_k = 2 sin(pi k / 2 n) of both axes, as (height, 1) and (1, width); s_k^2 is the symbol of D^T D."""
    vertical, horizontal = (2 * np.sin(np.pi * np.arange(n) / (2 * n)) for n in (height, width))
    return vertical[:, None], horizontal[None, :]


Operator = LinearOperator
"""The name in earlier versions."""
