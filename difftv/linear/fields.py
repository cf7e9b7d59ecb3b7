"""The operators of second-order total generalised variation, which act on (u, v), v with one component per axis."""

import functools
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp
import torch

from difftv.linear.differences import Spaced
from difftv.linear.gradient import adjoint_difference, forward_difference
from difftv.linear.operator import (
    all_but_last_matrix,
    along,
    difference_matrix,
    over,
    pairs,
    second_order,
    valid_edges,
    without_last,
)
from difftv.types import Dual, Fields


@final
@dataclass(frozen=True)
class GradientMinusField(Spaced):
    """D u - v, in an image (D_v u - v_1, D_h u - v_2); v is a slope, in intensity per length."""

    @property
    def fields(self) -> int:
        return 1 + self.axes

    @property
    def components(self) -> int:
        return self.axes

    def apply(self, x: Fields) -> Dual:
        u, *v = x.split(1, dim=1)
        parts = zip(v, self.places, self.lengths, strict=True)
        return torch.cat(
            [over(forward_difference(u, axis), h) - without_last(part, axis) for part, axis, h in parts], dim=1
        )

    def adjoint(self, p: Dual) -> Fields:
        parts = p.split(1, dim=1)
        steps = list(zip(parts, self.places, self.lengths, strict=True))
        u = functools.reduce(torch.add, [over(adjoint_difference(part, axis), h) for part, axis, h in steps])
        return torch.cat([u, *(-without_last(part, axis) for part, axis, _ in steps)], dim=1)

    def valid_mask(self, *space: int) -> np.ndarray:
        return valid_edges(*space)

    def matrix(self, *space: int) -> sp.csr_array:
        rows = []
        for axis, (size, h) in enumerate(zip(space, self.lengths, strict=True)):
            row = [along(space, {axis: difference_matrix(size) / h}), *([None] * self.axes)]
            row[1 + axis] = -along(space, {axis: all_but_last_matrix(size)})
            rows.append(row)
        return sp.csr_array(sp.block_array(rows))

    def symbol(self, *space: int) -> np.ndarray:
        slopes = self.slopes(*space)
        symbol = np.zeros((self.fields, self.fields, *space))
        symbol[0, 0] = sum(slope**2 for slope in slopes)
        for axis, slope in enumerate(slopes, start=1):
            symbol[0, axis] = symbol[axis, 0] = np.broadcast_to(slope, space)
            symbol[axis, axis] = 1.0
        return symbol


@final
@dataclass(frozen=True)
class SymmetrisedGradient(Spaced):
    """E v, in an image (E_11, E_22, sqrt(2) E_12): the off-diagonal entry of the symmetric matrix counts twice.

    E_11[i,j] = v_1[i,j] - v_1[i-1,j] at pixels, E_22 likewise, and at the corner below and to the right of pixel (i, j)
    E_12[i,j] = (v_1[i,j+1] - v_1[i,j] + v_2[i+1,j] - v_2[i,j]) / 2, each difference over the spacing along its axis.
    The first and the last row of E_11 and the first and last column of E_22 are padding: there v is taken to be 0 past
    the border. Of a volume, all three diagonal entries come before those of the pairs of axes.
    """

    has_padding: ClassVar[bool] = True

    @property
    def order(self) -> int:
        # v is a difference itself, already over the spacing.
        return 2

    @property
    def fields(self) -> int:
        return 1 + self.axes

    @property
    def components(self) -> int:
        return self.axes + len(pairs(self.axes))

    def apply(self, x: Fields) -> Dual:
        at, h = self.places, self.lengths
        v = [without_last(part, axis) for part, axis in zip(x[:, 1:].split(1, dim=1), at, strict=True)]
        found = [over(-adjoint_difference(v[k], at[k]), h[k]) for k in range(self.axes)]
        for k, m in pairs(self.axes):
            both = over(forward_difference(v[k], at[m]), h[m]) + over(forward_difference(v[m], at[k]), h[k])
            found.append(0.5**0.5 * both)
        return torch.cat(found, dim=1)

    def adjoint(self, p: Dual) -> Fields:
        at, h, parts = self.places, self.lengths, p.split(1, dim=1)
        v = [over(-forward_difference(parts[k], at[k]), h[k]) for k in range(self.axes)]
        for (k, m), part in zip(pairs(self.axes), parts[self.axes :], strict=True):
            mixed = 0.5**0.5 * without_last(without_last(part, at[k]), at[m])
            v[k] = v[k] + over(adjoint_difference(mixed, at[m]), h[m])
            v[m] = v[m] + over(adjoint_difference(mixed, at[k]), h[k])
        return torch.cat([torch.zeros_like(parts[0]), *v], dim=1)

    def valid_mask(self, *space: int) -> np.ndarray:
        return second_order(*space)

    def matrix(self, *space: int) -> sp.csr_array:
        first = [difference_matrix(size) / h for size, h in zip(space, self.lengths, strict=True)]
        keep = [all_but_last_matrix(size) for size in space]
        pixels = int(np.prod(space))
        rows = []
        for k in range(self.axes):
            row = [sp.csr_array((pixels, pixels)), *([None] * self.axes)]
            row[1 + k] = along(space, {k: -first[k].T @ keep[k]})
            rows.append(row)
        for k, m in pairs(self.axes):
            row = [sp.csr_array((pixels, pixels)), *([None] * self.axes)]
            row[1 + k] = 0.5**0.5 * along(space, {k: keep[k], m: first[m]})
            row[1 + m] = 0.5**0.5 * along(space, {k: first[k], m: keep[m]})
            rows.append(row)
        return sp.csr_array(sp.block_array(rows))

    def symbol(self, *space: int) -> np.ndarray:
        slopes = self.slopes(*space)
        symbol = np.zeros((self.fields, self.fields, *space))
        for axis, slope in enumerate(slopes):
            others = sum(other**2 for place, other in enumerate(slopes) if place != axis)
            symbol[1 + axis, 1 + axis] = slope**2 + others / 2
        for k, m in pairs(self.axes):
            symbol[1 + k, 1 + m] = symbol[1 + m, 1 + k] = slopes[k] * slopes[m] / 2
        return symbol
