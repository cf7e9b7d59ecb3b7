"""Answers of the cone program that all solvers are compared with: one per regularizer, size and seed."""

import functools

import torch
from torch import Tensor

from difftv.solvers import Clarabel
from tests.contracts.pairs import REGULARIZERS, draw


@functools.cache
def minimiser(regularizer: str, *, height: int = 6, width: int = 5, seed: int = 0) -> Tensor:
    """Denoised images of `draw` with the same options; to be read, not changed."""
    kind = REGULARIZERS[regularizer]
    return Clarabel(kind, tol=1e-10)(*draw(kind, height=height, width=width, seed=seed)).denoised


@functools.cache
def differences(regularizer: str) -> tuple[tuple[Tensor, Tensor], Tensor, tuple[Tensor, Tensor]]:
    """Central differences of <u*, direction> in every entry of the noisy image and of the maps.

    Returns:
        the noisy image and its maps; the direction; the differences in either.
    """
    kind = REGULARIZERS[regularizer]
    arguments = draw(kind, batch=1, height=4, width=3, seed=5)
    solver = Clarabel(kind, tol=1e-11)
    direction = torch.randn(arguments[0].shape, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    step = 1e-4
    found = []
    for index, argument in enumerate(arguments):
        difference = torch.zeros_like(argument)
        for position in range(argument.numel()):
            values = []
            for sign in (1, -1):
                moved = [part.clone() for part in arguments]
                moved[index].view(-1)[position] += sign * step
                values.append((solver(*moved).denoised * direction).sum())
            difference.view(-1)[position] = (values[0] - values[1]) / (2 * step)
        found.append(difference)
    return arguments, direction, (found[0], found[1])
