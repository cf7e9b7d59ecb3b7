"""Constant maps that are chosen for every noisy image by Stein's risk estimate: a scalar without a clean image."""

import torch

from difftv.lab.baselines.cheaper import loosened
from difftv.lab.data import EvaluationItem
from difftv.lab.data.evaluation import noise_of
from difftv.noise import GaussianNoise, as_noise, as_white
from difftv.problem import DataTerm
from difftv.solvers.base import Solver
from difftv.solvers.registry import solver_taking
from difftv.sure import choose_weight


def numbers_by_sure(
    solver: Solver, item: EvaluationItem, device: torch.device | str = "cpu", stabilise: bool = True
) -> tuple[float, ...]:
    """One value per name in `Regularizer.parameters`, for `scalar_denoiser`; the others follow from the weight.

    Args:
        solver: solver of the minimisation.
        item: noisy image with its noise, white or Poisson-Gaussian.
        device: where the solver works.
        stabilise: treatment of noise that is not white, see `Denoiser`.
    """
    noisy = item.noisy.to(device)
    white = as_white(noisy, as_noise(noise_of([item], noisy.device)), stabilise=stabilise)
    weight = None if white.data_weight is None else white.data_weight.double()
    taking = solver if weight is None else solver_taking(solver, DataTerm(white.images.double(), weight=weight))
    std = GaussianNoise(white.sigma).std(white.images)
    lam = float(choose_weight(white.images, solver.regularizer, std, weight, solver=loosened(taking)).lam)
    first = (solver.regularizer.first_map(name) for name in solver.regularizer.parameters)
    return tuple(spec.ratio * lam + spec.offset for spec in first)
