"""One scalar lambda for a whole image: found on a set of images (deployable) or for each image (oracle).

A coarse grid in powers of sqrt(2), then bisection in log(lambda) around the best point. Where the best point lies at
an end of the grid, the grid grows in that direction first. The grid is not coarser because the PSNR of a nearly flat
image has two maxima: one where its noise is gone, one where it is constant.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from difftv.data import EvaluationItem, EvaluationItems
from difftv.denoiser import Denoiser
from difftv.errors import SolverError
from difftv.metrics import psnr
from difftv.predictors import Constant
from difftv.solvers.base import Solver

log = logging.getLogger(__name__)

SMALLEST = 0.01
STEP = 0.5
COARSE_EXPONENTS = tuple(STEP * index for index in range(13))
"""lambda = 0.01 * 2^exponent, 0.01 .. 0.64: sigma 5 to 100 of natural images; it grows where that is short."""

MOST_EXTENSIONS = 16
"""Steps beyond the coarse grid: 4e-5 .. 164, past which the image is untouched or constant."""


@dataclass(frozen=True)
class GridSearch:
    """The outcome of a search.

    Attributes:
        lam: the best value for each problem (one problem for a set, one per image for the oracle).
        psnr: the PSNR it reaches there, in dB.
        curve: every (lam, psnr) that was tried, one list per problem, sorted by lam.
    """

    lam: tuple[float, ...]
    psnr: tuple[float, ...]
    curve: tuple[tuple[tuple[float, float], ...], ...]


def search_per_set(
    solver: Solver, items: EvaluationItems, *, batch_size: int, refinements: int = 3, label: str | None = None
) -> GridSearch:
    """The one lambda with the best mean PSNR over `items`: what a user without the clean image could have tuned.

    Args:
        solver: solves with the regularizer that the learned map is used with.
        items: the images to tune on (training images, if the number is to be reported elsewhere).
        batch_size: images solved at a time, >= 1.
        refinements: bisections; the spacing of the last one is 2^(2^-refinements / 2), 4 % for 3.
        label: what the progress bar says; None for no bar.
    """

    def score(lam: Tensor) -> Tensor:
        return _psnr(solver, items, lam.expand(len(items)), batch_size).mean().reshape(1)

    return _search(score, 1, refinements, label)


def search_per_image(
    solver: Solver, items: EvaluationItems, *, batch_size: int, refinements: int = 3, label: str | None = None
) -> GridSearch:
    """The best lambda of every image by itself, chosen with the clean image in hand: an upper bound for any scalar.

    Arguments as for `search_per_set`.
    """
    return _search(lambda lam: _psnr(solver, items, lam, batch_size), len(items), refinements, label)


def scalar_denoiser(solver: Solver, lam: float) -> Denoiser:
    """The denoiser that uses one value of lambda, > 0, for every pixel of every image."""
    return Denoiser(Constant(solver.regularizer.num_maps, initial_lam=lam), solver)


def _search(score: Callable[[Tensor], Tensor], problems: int, refinements: int, label: str | None) -> GridSearch:
    tried: list[dict[float, float]] = [{} for _ in range(problems)]
    rounds = len(COARSE_EXPONENTS) + 2 * refinements
    with tqdm(total=rounds, desc=label, unit="lambda", leave=False, disable=True if label is None else None) as bar:

        def try_values(exponents: list[float]) -> None:
            scores = score(torch.tensor([_lam(exponent) for exponent in exponents], dtype=torch.float64, device="cpu"))
            for seen, exponent, value in zip(tried, exponents, scores.tolist(), strict=True):
                seen[exponent] = -math.inf if math.isnan(value) else value
            bar.update()

        def best() -> list[float]:
            return [max(seen, key=seen.__getitem__) for seen in tried]

        for exponent in COARSE_EXPONENTS:
            try_values([exponent] * problems)
        for _ in range(MOST_EXTENSIONS):
            ends = [_beyond(seen, exponent) for seen, exponent in zip(tried, best(), strict=True)]
            if all(end in seen for seen, end in zip(tried, ends, strict=True)):
                break
            try_values(ends)
        step = STEP
        for _ in range(refinements):
            step /= 2
            centres = best()
            for side in (-step, step):
                try_values([centre + side for centre in centres])
    best_exponents = best()
    return GridSearch(
        lam=tuple(_lam(exponent) for exponent in best_exponents),
        psnr=tuple(seen[exponent] for seen, exponent in zip(tried, best_exponents, strict=True)),
        curve=tuple(tuple((_lam(exponent), seen[exponent]) for exponent in sorted(seen)) for seen in tried),
    )


def _lam(exponent: float) -> float:
    return SMALLEST * 2.0**exponent


def _beyond(seen: dict[float, float], best: float) -> float:
    """The next exponent past an end of the grid if the best point is that end, else the best point itself."""
    if best == max(seen):
        return best + STEP
    return best - STEP if best == min(seen) else best


def _psnr(solver: Solver, items: EvaluationItems, lam: Tensor, batch_size: int) -> Tensor:
    """PSNR of every image at its own lambda; -inf where the solver gave no answer, so that no such lambda is chosen."""
    values: list[Tensor] = []
    with torch.no_grad():
        for group in items.batches(batch_size):
            start = sum(map(len, values))
            values.append(_group_psnr(solver, group, lam[start : start + len(group)]))
    return torch.cat(values)


def _group_psnr(solver: Solver, group: Sequence[EvaluationItem], lam: Tensor) -> Tensor:
    noisy = torch.cat([item.noisy for item in group])
    maps = lam.to(noisy.dtype).view(-1, 1, 1, 1).expand(-1, solver.regularizer.num_maps, *noisy.shape[2:])
    try:
        return psnr(solver(noisy, maps).denoised, torch.cat([item.clean for item in group])).double()
    except SolverError as error:
        if len(group) > 1:
            return torch.cat([_group_psnr(solver, [item], lam[i : i + 1]) for i, item in enumerate(group)])
        log.warning("lambda = %.3g is out of the search, on %s: %s", lam.item(), group[0].name, error)
        return torch.tensor([-math.inf], dtype=torch.float64, device="cpu")
