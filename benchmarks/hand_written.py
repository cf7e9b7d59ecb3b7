"""A `CvxpyLayer` as one would write it without this package, in few lines: the norms stand in the objective.

    minimize  1/2 sum_squares(u - y) + sum_t lam_t @ phi_t(norm(K_t x, axis=0)),      x = u, or (u, v) for TGV

with one variable, no multipliers to ask for and no certificate; phi is the absolute value or CVXPY's `huber`. The maps
are parameters, and Clarabel solves at its own tolerances. What our cone layers are timed beside.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from difftv.regularizers import Regularizer
from difftv.regularizers.potentials import Absolute, Huber
from difftv.regularizers.term import Norm
from difftv.solvers import Solution
from difftv.types import Image, Map

NAME = "CvxpyLayer by hand, Clarabel"


def hand_written_layer(regularizer: Regularizer, height: int, width: int) -> Any:
    """The compiled layer (y, *maps) -> (x,), images and maps as vectors of rows.

    Raises:
        ValueError: the regularizer has another norm or potential than Euclidean ones with or without a Huber function.
    """
    import cvxpy as cp
    from cvxpylayers.torch import CvxpyLayer

    pixels = height * width
    x = cp.Variable((regularizer.channels + regularizer.auxiliary) * pixels)
    y = cp.Parameter(regularizer.channels * pixels)
    maps = [cp.Parameter(pixels, nonneg=True) for _ in range(regularizer.num_maps)]
    cost = 0.5 * cp.sum_squares(x[: y.size] - y)
    for term in regularizer.terms:
        if term.norm is not Norm.EUCLIDEAN or not isinstance(term.potential, Absolute | Huber) or term.factor != 1.0:
            raise ValueError(f"no layer is written by hand for {regularizer.name}.")
        real = term.operator.interior(height, width).reshape(-1, 1).astype(float)
        differences = term.operator.matrix(height, width).multiply(real).tocsr() @ x
        lengths = cp.norm(cp.reshape(differences, (term.operator.components, pixels), order="C"), 2, axis=0)
        if isinstance(term.potential, Huber):
            lengths = cp.huber(lengths, term.potential.delta) / (2 * term.potential.delta)  # type: ignore[arg-type]
        cost = cost + maps[term.lam[0]] @ lengths
    return CvxpyLayer(cp.Problem(cp.Minimize(cost)), parameters=[y, *maps], variables=[x])


def hand_written(regularizer: Regularizer, height: int, width: int) -> Callable[[Image, Map], Solution]:
    """Solve batches of that size with it, on as many threads as torch may use."""
    layer = hand_written_layer(regularizer, height, width)

    def solve(noisy: Image, lam: Map) -> Solution:
        arguments: dict[str, Any] = {"solve_method": "Clarabel", "n_jobs_forward": torch.get_num_threads()}
        if torch.is_grad_enabled():  # without a gradient, diffcp would hand this one on to the backend
            arguments["n_jobs_backward"] = torch.get_num_threads()
        parameters = (noisy.flatten(1), *(each.flatten(1) for each in lam.unbind(1)))
        (x,) = layer(*parameters, solver_args=arguments)
        unknown = torch.full((len(noisy),), np.nan, dtype=torch.float64)
        u = x[:, : noisy[0].numel()].reshape(noisy.shape)
        return Solution(u, lam, unknown, torch.zeros(len(noisy)).long(), torch.ones(len(noisy)).bool())

    return solve
