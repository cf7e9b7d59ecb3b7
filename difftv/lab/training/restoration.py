"""How a method restores what a run gives it: noisy images, or measurements through their forward operator."""

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from difftv.denoiser import Denoiser
from difftv.errors import SolverError
from difftv.lab.baselines import ScalarDenoiser
from difftv.lab.data import EvaluationItem, EvaluationItems
from difftv.lab.data.evaluation import measurements, noise_of
from difftv.lab.forward import Measured
from difftv.method import Method
from difftv.metrics import psnr
from difftv.noise import Noise
from difftv.reconstructor import Reconstructor
from difftv.solvers.base import Solution
from difftv.types import Image

log = logging.getLogger(__name__)

_FACTORS = tuple(range(-8, 4))
"""Exponents of two that are tried first for the factor on the maps of a denoising model."""

_BISECTIONS = 3


def restore(
    denoiser: Method, noisy: Image, noise: Noise | float | Tensor, measured: Measured | None, factor: float = 1.0
) -> Solution:
    """The images of a batch.

    Behind an operator a `Denoiser` is used as a `Reconstructor`, constant maps in the units of the measurements; a
    network that predicts the image is shown the first look and nothing else.

    Args:
        denoiser: denoiser or reconstructor to use.
        noisy: noisy images, or first looks at the measurements.
        noise: noise of the images; behind an operator its level in 8-bit units, one or one per image, in place of which
            a network is told `Reconstructor.level`.
        measured: the measurements; None where there is no operator.
        factor: factor on the maps behind an operator, > 0.
    """
    if measured is None or not isinstance(denoiser, Denoiser):
        return denoiser.denoise(noisy, noise)
    if isinstance(denoiser, ScalarDenoiser):
        return denoiser.solver(measured.data, denoiser.predictor(noisy), operator=measured.operator)
    assert not isinstance(noise, Noise)  # measurements have white noise
    reconstructor = Reconstructor.of(denoiser, factor)
    level = reconstructor.level(measured.data, measured.operator, noise) if denoiser.sigma_input else None
    return reconstructor(measured.data, measured.operator, sigma=level)


def best_factor(denoiser: Denoiser, items: EvaluationItems, batch_size: int, device: torch.device | str) -> float:
    """The factor on the maps of a denoising model with the best mean PSNR behind the operators of some images.

    Args:
        denoiser: the model.
        items: images that nothing is reported on, with measurements.
        batch_size: images solved at a time.
        device: where the predictor is.
    """
    tried: dict[float, float] = {}

    def best(exponents: Sequence[float]) -> float:
        for exponent in exponents:
            if exponent not in tried:
                tried[exponent] = _mean_psnr(denoiser, items, batch_size, device, 2.0**exponent)
        return max(tried, key=tried.__getitem__)

    centre = best(_FACTORS)
    while centre in (min(tried), max(tried)) and len(tried) < 3 * len(_FACTORS):
        centre = best([min(tried) - 1 if centre == min(tried) else max(tried) + 1])
    for bisection in range(1, _BISECTIONS + 1):
        centre = best([centre - 0.5**bisection, centre + 0.5**bisection])
    return 2.0**centre


def _mean_psnr(
    denoiser: Denoiser, items: EvaluationItems, batch_size: int, device: torch.device | str, factor: float
) -> float:
    values: list[float] = []
    with torch.no_grad():
        for group in items.batches(batch_size):
            try:
                values += _psnr(denoiser, group, device, factor)
            except SolverError as error:
                log.warning("factor %g on the maps: no answer: %s", factor, error)
                return -math.inf
    return math.fsum(values) / len(values)


def _psnr(
    denoiser: Denoiser, group: Sequence[EvaluationItem], device: torch.device | str, factor: float
) -> list[float]:
    clean, noisy = (torch.cat([getattr(item, name) for item in group]) for name in ("reference", "noisy"))
    found = restore(denoiser, noisy.to(device), noise_of(group, device), measurements(group, device), factor)
    return psnr(found.denoised.cpu(), clean).tolist()
