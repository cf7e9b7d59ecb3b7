"""Differences of an image: forward, diagonal, and of second order."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from difftv.linear.gradient import adjoint_difference, divergence, forward_difference, gradient
from difftv.linear.operator import (
    Edge,
    LinearOperator,
    difference_matrix,
    half_angle_sines,
    identity,
    product,
    second_order,
    valid_edges,
)
from difftv.types import Dual, Fields


@final
@dataclass(frozen=True)
class ForwardDifferences(LinearOperator):
    """D u = (D_v u, D_h u), see `difftv.linear.gradient.gradient`."""

    fields: ClassVar[int] = 1
    components: ClassVar[int] = 2
    edges: ClassVar[tuple[Edge, ...]] = (Edge(1, 0), Edge(0, 1))

    def apply(self, x: Fields) -> Dual:
        return gradient(x)

    def adjoint(self, p: Dual) -> Fields:
        return -divergence(p)

    def valid_mask(self, height: int, width: int) -> np.ndarray:
        return valid_edges(height, width)

    def matrix(self, height: int, width: int) -> sp.csr_array:
        vertical = product(difference_matrix(height), identity(width))
        horizontal = product(identity(height), difference_matrix(width))
        return sp.csr_array(sp.vstack([vertical, horizontal]))

    def symbol(self, height: int, width: int) -> np.ndarray:
        vertical, horizontal = half_angle_sines(height, width)
        return (vertical**2 + horizontal**2)[None, None]


@final
@dataclass(frozen=True)
class DiagonalDifferences(LinearOperator):
    """(u[i+1,j+1] - u[i,j], u[i+1,j] - u[i,j+1]): both diagonals of the cell below and to the right of pixel (i, j).

    Past the border the image is continued by its mirror image, so that a difference across it is one along it: the
    first component takes those of the bottom and the right border, the second one those of the top (in its last row)
    and the left (in its last column). With them K^T K has the symbol 4 - 4 cos(pi k / height) cos(pi l / width).
    """

    fields: ClassVar[int] = 1
    components: ClassVar[int] = 2
    edges: ClassVar[tuple[Edge, ...]] = (Edge(1, 1), Edge(1, 1, rising=True))
    has_padding: ClassVar[bool] = True

    def apply(self, x: Fields) -> Dual:
        down = torch.cat([x, x[..., -1:, :]], dim=-2)
        down = torch.cat([down, down[..., -1:]], dim=-1)
        up = torch.cat([x[..., :1, :], x], dim=-2)
        up = torch.cat([up[..., :1], up], dim=-1)
        first = down[..., 1:, 1:] - down[..., :-1, :-1]
        second = torch.roll(up[..., 1:, :-1] - up[..., :-1, 1:], (-1, -1), (-2, -1))
        return torch.cat([first, second], dim=1)

    def adjoint(self, p: Dual) -> Fields:
        first, second = p[:, :1], torch.roll(p[:, 1:], (1, 1), (-2, -1))
        down = _placed(first, low=True, right=True) - _placed(first, low=False, right=False)
        up = _placed(second, low=True, right=False) - _placed(second, low=False, right=True)
        return _fold_last(_fold_last(down, -2), -1) + _fold_first(_fold_first(up, -2), -1)

    def valid_mask(self, height: int, width: int) -> np.ndarray:
        valid = valid_edges(height, width)
        return np.stack([valid.all(0), valid.all(0)])

    def matrix(self, height: int, width: int) -> sp.csr_array:
        first = product(_next(height), _next(width)) - identity(height * width)
        # Upwards, at (i, j): u[i, j-1] - u[i-1, j], which is the second diagonal of the cell (i-1, j-1).
        shift = product(_cycle(height), _cycle(width))
        second = shift @ (product(identity(height), _previous(width)) - product(_previous(height), identity(width)))
        return sp.csr_array(sp.vstack([first, second]))

    def symbol(self, height: int, width: int) -> np.ndarray:
        vertical, horizontal = (np.cos(np.pi * np.arange(n) / n) for n in (height, width))
        return (4 - 4 * np.outer(vertical, horizontal))[None, None]


@final
@dataclass(frozen=True)
class SecondDifferences(LinearOperator):
    """D^2 u = (D_vv u, D_hh u, sqrt(2) D_vh u); D_vv u [i,j] = u[i+1,j] - 2 u[i,j] + u[i-1,j], D_vh = D_v D_h.

    The first and the last row of D_vv, and the first and last column of D_hh, are padding: there the mirror image of u
    stands in for the missing neighbour. With them K^T K is (D^T D)^2.
    """

    fields: ClassVar[int] = 1
    components: ClassVar[int] = 3
    has_padding: ClassVar[bool] = True

    def apply(self, x: Fields) -> Dual:
        vertical, horizontal = forward_difference(x, -2), forward_difference(x, -1)
        mixed = 2**0.5 * forward_difference(vertical, -1)
        return torch.cat([-adjoint_difference(vertical, -2), -adjoint_difference(horizontal, -1), mixed], dim=1)

    def adjoint(self, p: Dual) -> Fields:
        vertical = 2**0.5 * adjoint_difference(p[:, 2:], -1) - forward_difference(p[:, :1], -2)
        return adjoint_difference(vertical, -2) - adjoint_difference(forward_difference(p[:, 1:2], -1), -1)

    def valid_mask(self, height: int, width: int) -> np.ndarray:
        return second_order(height, width)

    def matrix(self, height: int, width: int) -> sp.csr_array:
        vertical, horizontal = difference_matrix(height), difference_matrix(width)
        return sp.csr_array(
            sp.vstack(
                [
                    product(-vertical.T @ vertical, identity(width)),
                    product(identity(height), -horizontal.T @ horizontal),
                    2**0.5 * product(vertical, horizontal),
                ]
            )
        )

    def symbol(self, height: int, width: int) -> np.ndarray:
        vertical, horizontal = half_angle_sines(height, width)
        return ((vertical**2 + horizontal**2) ** 2)[None, None]


def _placed(p: Tensor, *, low: bool, right: bool) -> Tensor:
    """p in one corner of an array with one more row and one more column, zero elsewhere."""
    row = torch.zeros_like(p[..., :1, :])
    p = torch.cat([row, p] if low else [p, row], dim=-2)
    column = torch.zeros_like(p[..., :1])
    return torch.cat([column, p] if right else [p, column], dim=-1)


def _fold_last(p: Tensor, axis: int) -> Tensor:
    """The adjoint of repeating the last entry along the axis."""
    size = p.shape[axis]
    last = p.narrow(axis, size - 2, 1) + p.narrow(axis, size - 1, 1)
    return torch.cat([p.narrow(axis, 0, size - 2), last], dim=axis)


def _fold_first(p: Tensor, axis: int) -> Tensor:
    """The adjoint of repeating the first entry along the axis."""
    first = p.narrow(axis, 0, 1) + p.narrow(axis, 1, 1)
    return torch.cat([first, p.narrow(axis, 2, p.shape[axis] - 2)], dim=axis)


def _next(size: int) -> sp.csr_array:
    return difference_matrix(size) + identity(size)


def _previous(size: int) -> sp.csr_array:
    return sp.csr_array(_next(size)[::-1, ::-1])


def _cycle(size: int) -> sp.csr_array:
    """Row i takes entry i + 1, the last row the first entry."""
    return sp.csr_array((np.ones(size), (np.arange(size), (np.arange(size) + 1) % size)), shape=(size, size))
