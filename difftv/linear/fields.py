"""The operators of second-order total generalised variation, which act on (u, v_1, v_2)."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp
import torch

from difftv.linear.gradient import adjoint_difference, forward_difference
from difftv.linear.operator import (
    LinearOperator,
    all_but_last_matrix,
    difference_matrix,
    half_angle_sines,
    identity,
    product,
    second_order,
    valid_edges,
    without_last,
)
from difftv.types import Dual, Fields


@final
@dataclass(frozen=True)
class GradientMinusField(LinearOperator):
    """D u - v = (D_v u - v_1, D_h u - v_2)."""

    fields: ClassVar[int] = 3
    components: ClassVar[int] = 2

    def apply(self, x: Fields) -> Dual:
        u, v_1, v_2 = x.split(1, dim=1)
        vertical = forward_difference(u, -2) - without_last(v_1, -2)
        return torch.cat([vertical, forward_difference(u, -1) - without_last(v_2, -1)], dim=1)

    def adjoint(self, p: Dual) -> Fields:
        vertical, horizontal = p.split(1, dim=1)
        u = adjoint_difference(vertical, -2) + adjoint_difference(horizontal, -1)
        return torch.cat([u, -without_last(vertical, -2), -without_last(horizontal, -1)], dim=1)

    def valid_mask(self, height: int, width: int) -> np.ndarray:
        return valid_edges(height, width)

    def matrix(self, height: int, width: int) -> sp.csr_array:
        ones = identity(height), identity(width)
        return sp.csr_array(
            sp.block_array(
                [
                    [product(difference_matrix(height), ones[1]), -product(all_but_last_matrix(height), ones[1]), None],
                    [product(ones[0], difference_matrix(width)), None, -product(ones[0], all_but_last_matrix(width))],
                ]
            )
        )

    def symbol(self, height: int, width: int) -> np.ndarray:
        vertical, horizontal = half_angle_sines(height, width)
        symbol = np.zeros((3, 3, height, width))
        symbol[0, 0] = vertical**2 + horizontal**2
        symbol[0, 1] = symbol[1, 0] = np.broadcast_to(vertical, (height, width))
        symbol[0, 2] = symbol[2, 0] = np.broadcast_to(horizontal, (height, width))
        symbol[1, 1] = symbol[2, 2] = 1.0
        return symbol


@final
@dataclass(frozen=True)
class SymmetrisedGradient(LinearOperator):
    """E v = (E_11, E_22, sqrt(2) E_12): the off-diagonal entry of the symmetric matrix counts twice under a norm.

    E_11[i,j] = v_1[i,j] - v_1[i-1,j] at pixels, E_22 likewise, and at the corner below and to the right of pixel (i, j)
    E_12[i,j] = (v_1[i,j+1] - v_1[i,j] + v_2[i+1,j] - v_2[i,j]) / 2. The first and the last row of E_11 and the first
    and last column of E_22 are padding: there v is taken to be 0 past the border.
    """

    fields: ClassVar[int] = 3
    components: ClassVar[int] = 3
    has_padding: ClassVar[bool] = True

    def apply(self, x: Fields) -> Dual:
        v_1, v_2 = without_last(x[:, 1:2], -2), without_last(x[:, 2:3], -1)
        mixed = 0.5**0.5 * (forward_difference(v_1, -1) + forward_difference(v_2, -2))
        return torch.cat([-adjoint_difference(v_1, -2), -adjoint_difference(v_2, -1), mixed], dim=1)

    def adjoint(self, p: Dual) -> Fields:
        first, second, mixed = p.split(1, dim=1)
        mixed = 0.5**0.5 * without_last(without_last(mixed, -2), -1)
        v_1 = adjoint_difference(mixed, -1) - forward_difference(first, -2)
        v_2 = adjoint_difference(mixed, -2) - forward_difference(second, -1)
        return torch.cat([torch.zeros_like(first), v_1, v_2], dim=1)

    def valid_mask(self, height: int, width: int) -> np.ndarray:
        return second_order(height, width)

    def matrix(self, height: int, width: int) -> sp.csr_array:
        vertical, horizontal = difference_matrix(height), difference_matrix(width)
        keep_1, keep_2 = all_but_last_matrix(height), all_but_last_matrix(width)
        nothing = sp.csr_array((height * width, height * width))
        half = 0.5**0.5
        return sp.csr_array(
            sp.block_array(
                [
                    [nothing, product(-vertical.T @ keep_1, identity(width)), None],
                    [nothing, None, product(identity(height), -horizontal.T @ keep_2)],
                    [nothing, half * product(keep_1, horizontal), half * product(vertical, keep_2)],
                ]
            )
        )

    def symbol(self, height: int, width: int) -> np.ndarray:
        vertical, horizontal = half_angle_sines(height, width)
        symbol = np.zeros((3, 3, height, width))
        symbol[1, 1] = vertical**2 + horizontal**2 / 2
        symbol[2, 2] = horizontal**2 + vertical**2 / 2
        symbol[1, 2] = symbol[2, 1] = vertical * horizontal / 2
        return symbol
