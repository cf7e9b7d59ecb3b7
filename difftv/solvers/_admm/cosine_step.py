"""x = (P + sum_t rho_t K_t^T K_t)^-1 b, exactly: one small matrix per frequency.

P is 1 on u and 0 on v, or A^T A on u where it is diagonal in the same basis; it is left out where the data term is one
of the terms (`data_step.py`).
"""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from difftv.linear.operator import LinearOperator
from difftv.linear.per_channel import merge_channels, split_channels
from difftv.solvers._admm.transforms import inverse, transform


@final
class CosineStep:
    """The factor at every frequency in a basis of cosines and sines, for images with step sizes of their own."""

    def __init__(
        self,
        operators: Sequence[LinearOperator],
        rho: Sequence[Tensor],
        like: Tensor,
        *,
        with_data: bool | Tensor = True,
    ) -> None:
        """`rho`: one (batch, 1, ..) per operator; `like`: a (batch, ...) image of that size.

        `with_data`: whether P is there; a tensor over the frequencies, (*space), stands for P on u.
        """
        space = like.shape[2:]
        self.channels = operators[0].channels
        self.fields = max(operator.fields for operator in operators)
        # The channels of an image do not meet here, and have the same factor.
        operators = [operator.of_one_channel for operator in operators]
        fields = self.fields // self.channels
        # Inverted in float64 where there is float64; the blocks are small and well conditioned.
        precise = torch.float64 if like.device.type in ("cpu", "cuda") else like.dtype
        matrix: dict[tuple[int, int], Tensor] = {}
        for operator, step in zip(operators, rho, strict=True):
            symbol = operator.symbol(*space)
            assert symbol is not None
            for i, j in np.ndindex(fields, fields):
                if j <= i and symbol[i, j].any():
                    part = _constant(symbol[i, j], precise, like.device) * step[:, 0].to(precise)
                    matrix[i, j] = matrix[i, j] + part if (i, j) in matrix else part
        if isinstance(with_data, Tensor):
            matrix[0, 0] = with_data.to(precise).to(like.device) + matrix[0, 0]
        elif with_data:
            matrix[0, 0] = 1 + matrix[0, 0] if (0, 0) in matrix else torch.ones_like(like[:, 0]).to(precise)
        found = {key: part.to(like.dtype) for key, part in _inverse(matrix, fields).items()}
        rows = [[found[max(i, j), min(i, j)] for j in range(fields)] for i in range(fields)]
        # (batch, fields, fields, *space), the fields of one channel; symmetric
        self.inverse = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)

    def select(self, index: Tensor) -> "CosineStep":
        """The same for some of the images."""
        part = object.__new__(CosineStep)
        part.channels, part.fields = self.channels, self.fields
        part.inverse = self.inverse.index_select(0, index)
        return part

    def step(self, b: Tensor, start: Tensor) -> Tensor:
        """x, exactly, wherever it starts."""
        spectrum = transform(split_channels(b, self.channels))
        factor = self.inverse if self.channels == 1 else self.inverse.repeat_interleave(self.channels, dim=0)
        if self.fields == self.channels:
            return merge_channels(inverse(factor[:, 0] * spectrum), self.channels)
        return merge_channels(inverse((factor * spectrum[:, None]).sum(dim=2)), self.channels)


def _constant(values: np.ndarray, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(dtype).to(device)


def _inverse(matrix: dict[tuple[int, int], Tensor], fields: int) -> dict[tuple[int, int], Tensor]:
    """The inverse of symmetric positive definite blocks, lower triangle: one elimination step per field (sweeping)."""
    nothing = torch.zeros_like(matrix[0, 0])
    a = {(i, j): matrix.get((i, j), nothing) for i in range(fields) for j in range(i + 1)}
    for k in range(fields):
        pivot = 1 / a[k, k]
        column = [a[max(i, k), min(i, k)] for i in range(fields)]
        a = {
            (i, j): -pivot
            if i == j == k
            else (pivot * column[j if i == k else i])
            if k in (i, j)
            else value - pivot * column[i] * column[j]
            for (i, j), value in a.items()
        }
    return {key: -value for key, value in a.items()}
