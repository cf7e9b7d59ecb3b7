"""Differences of an image: forward, diagonal, and of second order."""

import functools
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from difftv.linear.gradient import adjoint_difference, divergence, forward_difference
from difftv.linear.operator import (
    Edge,
    LinearOperator,
    along,
    difference_matrix,
    half_angle_sines,
    identity,
    over,
    pairs,
    product,
    second_order,
    valid_edges,
)
from difftv.types import Dual, Fields


@dataclass(frozen=True)
class Spaced(LinearOperator):
    """Operator on a grid of so many axes.

    Args:
        axes: 1, 2 or 3.
        spacing: distance of neighbours along every axis; None = 1.
    """

    axes: int = 2
    spacing: tuple[float, ...] | None = None

    @property
    def lengths(self) -> tuple[float, ...]:
        """Distance of neighbours along every axis."""
        return self.spacing or (1.0,) * self.axes

    @property
    def order(self) -> int:
        """Differences of the image that are taken one after the other."""
        return 1

    @property
    def magnitude(self) -> float:
        # The root mean square of what a unit spacing is divided by.
        return 1.0 if self.spacing is None else float(np.mean(np.array(self.spacing) ** -2.0)) ** (self.order / 2)

    @property
    def places(self) -> range:
        """The axes as they are counted from the last dimension of a tensor."""
        return range(-self.axes, 0)

    def slopes(self, *space: int) -> list[np.ndarray]:
        """Symbols of the differences along every axis: `half_angle_sines` over the spacing."""
        assert len(space) == self.axes
        return [sine / length for sine, length in zip(half_angle_sines(*space), self.lengths, strict=True)]


@final
@dataclass(frozen=True)
class ForwardDifferences(Spaced):
    """D u, in an image (D_v u, D_h u), see `difftv.linear.gradient.gradient`; over the spacing."""

    fields: ClassVar[int] = 1

    @property
    def components(self) -> int:
        return self.axes

    @property
    def edges(self) -> tuple[Edge, ...]:
        return (Edge(1, 0), Edge(0, 1)) if self.axes == 2 else ()

    def apply(self, x: Fields) -> Dual:
        return torch.cat(
            [over(forward_difference(x, axis), h) for axis, h in zip(self.places, self.lengths, strict=True)], dim=1
        )

    def adjoint(self, p: Dual) -> Fields:
        if self.spacing is not None:
            parts = zip(p.split(1, dim=1), self.lengths, strict=True)
            p = torch.cat([over(part, h) for part, h in parts], dim=1)
        return -divergence(p)

    def valid_mask(self, *space: int) -> np.ndarray:
        return valid_edges(*space)

    def matrix(self, *space: int) -> sp.csr_array:
        parts = enumerate(zip(space, self.lengths, strict=True))
        return sp.csr_array(sp.vstack([along(space, {axis: difference_matrix(n) / h}) for axis, (n, h) in parts]))

    def symbol(self, *space: int) -> np.ndarray:
        return sum(slope**2 for slope in self.slopes(*space))[None, None]  # type: ignore[index]  # not the start, 0


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

    def valid_mask(self, *space: int) -> np.ndarray:
        valid = valid_edges(*space)
        return np.stack([valid.all(0), valid.all(0)])

    def matrix(self, *space: int) -> sp.csr_array:
        height, width = space
        first = product(_next(height), _next(width)) - identity(height * width)
        # Upwards, at (i, j): u[i, j-1] - u[i-1, j], which is the second diagonal of the cell (i-1, j-1).
        shift = product(_cycle(height), _cycle(width))
        second = shift @ (product(identity(height), _previous(width)) - product(_previous(height), identity(width)))
        return sp.csr_array(sp.vstack([first, second]))

    def symbol(self, *space: int) -> np.ndarray:
        vertical, horizontal = (np.cos(np.pi * np.arange(n) / n) for n in space)
        return (4 - 4 * np.outer(vertical, horizontal))[None, None]


@final
@dataclass(frozen=True)
class SecondDifferences(Spaced):
    """D^2 u, in an image (D_vv u, D_hh u, sqrt(2) D_vh u), D_vv u [i,j] = u[i+1,j] - 2 u[i,j] + u[i-1,j].

    D_vh = D_v D_h. Differences along one axis come first, then the mixed ones of all pairs of axes; over both spacings.
    The first and the last row of D_vv, and the first and last column of D_hh, are padding: there the mirror image of u
    stands in for the missing neighbour. With them K^T K is (D^T D)^2.
    """

    fields: ClassVar[int] = 1
    has_padding: ClassVar[bool] = True

    @property
    def order(self) -> int:
        return 2

    @property
    def components(self) -> int:
        return self.axes + len(pairs(self.axes))

    def apply(self, x: Fields) -> Dual:
        at, h = self.places, self.lengths
        first = [over(forward_difference(x, axis), length) for axis, length in zip(at, h, strict=True)]
        found = [over(-adjoint_difference(first[k], at[k]), h[k]) for k in range(self.axes)]
        found += [over(2**0.5 * forward_difference(first[k], at[m]), h[m]) for k, m in pairs(self.axes)]
        return torch.cat(found, dim=1)

    def adjoint(self, p: Dual) -> Fields:
        at, h, parts = self.places, self.lengths, p.split(1, dim=1)
        first = [over(-forward_difference(parts[k], at[k]), h[k]) for k in range(self.axes)]
        for (k, m), part in zip(pairs(self.axes), parts[self.axes :], strict=True):
            first[k] = first[k] + over(2**0.5 * adjoint_difference(part, at[m]), h[m])
        found = [over(adjoint_difference(first[k], at[k]), h[k]) for k in range(self.axes)]
        return functools.reduce(torch.add, found)

    def valid_mask(self, *space: int) -> np.ndarray:
        return second_order(*space)

    def matrix(self, *space: int) -> sp.csr_array:
        first = [difference_matrix(n) / h for n, h in zip(space, self.lengths, strict=True)]
        rows = [along(space, {k: -one.T @ one}) for k, one in enumerate(first)]
        rows += [2**0.5 * along(space, {k: first[k], m: first[m]}) for k, m in pairs(self.axes)]
        return sp.csr_array(sp.vstack(rows))

    def symbol(self, *space: int) -> np.ndarray:
        return (sum(slope**2 for slope in self.slopes(*space)) ** 2)[None, None]  # type: ignore[index]


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
