"""The contract of the linear maps K that a regularizer is made of, and the sparse matrices they are built from."""

import abc
import functools
import itertools
from collections.abc import Mapping, Sequence
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
        centred: whether it is a filter about a pixel instead, of that many half waves along rows and columns.
    """

    rows: int
    columns: int
    rising: bool = False
    centred: bool = False

    def extent(self, axis: int) -> int:
        """Pixels along an axis of an image, -2 the rows and -1 the columns."""
        return 0 if self.centred else (self.rows, self.columns)[axis]


class LinearOperator(abc.ABC):
    """K: fields (u) or (u, v_1, v_2) -> differences, `components` of them at every pixel.

    An operator is stated on a grid without a border wherever that makes K^T K diagonal in a cosine basis: it then has
    additional differences past the border, which `valid_mask` tells apart. No regularizer weighs those; a solver may
    carry them along with weight 0. Everything below but `valid_mask` includes them.

    An auxiliary field has one component per axis, which is defined on the edges along it: in an image v_1 on the
    vertical edges and v_2 on the horizontal ones. Its entries past the border (last row of v_1, last column of v_2) are
    no variables and are ignored.
    """

    @property
    @abc.abstractmethod
    def fields(self) -> int:
        """Channels of what it is applied to: 1 for (u), 1 + axes for (u, v), times the channels of the image."""

    @property
    @abc.abstractmethod
    def components(self) -> int:
        """Differences at every pixel."""

    @property
    def axes(self) -> int:
        """Axes of space: 1 of signals, 2 of images, 3 of volumes."""
        return 2

    @property
    def magnitude(self) -> float:
        """What the spacing of the pixels multiplies K by, about; 1 for a spacing of 1."""
        return 1.0

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
    def periodic(self) -> "LinearOperator | None":
        """K of the image that is continued periodically, where every difference is then valid; None where K leaves out
        those past the border."""
        return None

    @property
    def has_padding(self) -> bool:
        """Whether `apply` has differences past the border that are not zero."""
        return False

    @abc.abstractmethod
    def apply(self, x: Fields) -> Dual:
        """K x: (batch, fields, *space) -> (batch, components, *space)."""

    @abc.abstractmethod
    def adjoint(self, p: Dual) -> Fields:
        """K^T p: (batch, components, *space) -> (batch, fields, *space)."""

    @abc.abstractmethod
    def valid_mask(self, *space: int) -> np.ndarray:
        """Which differences are valid, i.e. not past the border, (components, *space), boolean."""

    @property
    def beyond_border(self) -> bool:
        """`has_padding` by its name in earlier versions."""
        return self.has_padding

    def interior(self, *space: int) -> np.ndarray:
        """`valid_mask` by its name in earlier versions."""
        return self.valid_mask(*space)

    @abc.abstractmethod
    def matrix(self, *space: int) -> sp.csr_array:
        """K as a matrix on row-major images, (components * pixels, fields * pixels)."""

    @abc.abstractmethod
    def symbol(self, *space: int) -> np.ndarray | None:
        """K^T K at every frequency, (fields, fields, *space), float64; None where no basis diagonalises it.

        The basis is the orthonormal DCT-II along all axes for u; for the component of v along an axis it is the DST-I
        of the size - 1 edges along that axis, and the DCT-II along the others. Frequency 0 of a DST-I does not exist;
        the entries there are whatever leaves the block invertible.
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


def product(*factors: sp.sparray) -> sp.csr_array:
    """The matrix that acts along every axis of a row-major image, one factor per axis."""
    return sp.csr_array(functools.reduce(sp.kron, factors))


def along(space: Sequence[int], factors: Mapping[int, sp.sparray]) -> sp.csr_array:
    """The matrix that acts along some axes of a row-major image; axis -> factor."""
    return product(*(factors.get(axis, identity(size)) for axis, size in enumerate(space)))


def identity(size: int) -> sp.csr_array:
    return sp.csr_array(sp.eye_array(size))


def valid_edges(*space: int) -> np.ndarray:
    """Which forward differences are valid, (axes, *space)."""
    valid = np.ones((len(space), *space), dtype=bool)
    for axis in range(len(space)):
        valid[axis].swapaxes(0, axis)[-1] = False
    return valid


def pairs(axes: int) -> list[tuple[int, int]]:
    """The pairs of different axes, in the order of mixed second differences."""
    return list(itertools.combinations(range(axes), 2))


def second_order(*space: int) -> np.ndarray:
    """Which differences of second order are valid, (axes + pairs, *space): both along an axis, then mixed.

    The first ones are centred at a pixel and need both of its neighbours.
    """
    first = valid_edges(*space)
    pure = first.copy()
    for axis in range(len(space)):
        pure[axis].swapaxes(0, axis)[0] = False
    return np.stack([*pure, *(first[one] & first[other] for one, other in pairs(len(space)))])


def half_angle_sines(*space: int) -> list[np.ndarray]:
    """s_k = 2 sin(pi k / 2 n) of every axis, to be broadcast with each other; s_k^2 is the symbol of D^T D."""
    axes = len(space)
    return [
        (2 * np.sin(np.pi * np.arange(size) / (2 * size))).reshape(
            [-1 if place == axis else 1 for place in range(axes)]
        )
        for axis, size in enumerate(space)
    ]


def over(values: Tensor, length: float) -> Tensor:
    """values / length, without an operation where the length is 1."""
    return values if length == 1.0 else values / length


Operator = LinearOperator
"""The name in earlier versions."""


@dataclass(frozen=True)
class OfOperator(LinearOperator):
    """A linear map made from another one, K, which has its axes, its scale and its padding."""

    one: LinearOperator

    @property
    def axes(self) -> int:
        return self.one.axes

    @property
    def magnitude(self) -> float:
        return self.one.magnitude

    @property
    def has_padding(self) -> bool:
        return self.one.has_padding
