"""The weight that Stein's unbiased risk estimate prefers: nothing to tune, and no clean image.

    SURE(lam) = mean_i [ (u_i - y_i)^2 - s_i^2 + 2 s_i^2 du_i/dy_i ],      E SURE = E mean_i (u_i - clean_i)^2

for u = u*(y; lam) and Gaussian noise of standard deviation s_i, independent from pixel to pixel. It is the mean squared
error up to a scatter of about s^2 sqrt(2 / n), most of which is the same for every lam.

Of the exact solver the sum of du_i/dy_i is a count. Let T be the edges that are tight: lam_e > 0 and |u_i - u_j| =
gam_e (of total variation gam = 0: neighbours that are equal). u* is piecewise affine, and in a neighbourhood of almost
every y the tight edges, the signs of the differences and the pixels on a bound stay as they are. There the minimiser is
that of 1/2 ||u - y||^2 + <c, u>, c fixed, over the u whose differences along T are given: u = P (y - c) + constant,
with P the projection on {u: u_i = u_j along T}, the functions that are constant on every connected component of T. So

    du_i/dy_i = 1 / |C(i)|,      sum_i du_i/dy_i = trace P = number of connected components,

and 0 at pixels on a bound, where u does not move. For the other solvers a random probe b of independent signs stands
in, E <b, diag(s^2) J b> = sum_i s_i^2 du_i/dy_i, the same for every lam, with J b = (u(y + e b) - u(y)) / e and
e = s / 20: the second image is solved beside the first, which takes less time than the derivative of the solve.

References: Stein 1981, "Estimation of the mean of a multivariate normal distribution"; Tibshirani and Taylor 2011, "The
solution path of the generalized lasso", theorem 3; Ramani, Blu and Unser 2008, "Monte-Carlo SURE".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from difftv.noise.estimate import SMALLEST_SIDE, estimate_white
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.problem.data_term import DataTerm
from difftv.regularizers.base import Regularizer
from difftv.solvers.admm import Admm
from difftv.solvers.base import Solver
from difftv.solvers.exact.solver import Exact
from difftv.solvers.registry import solver_for

WORD = "sure"
"""What a caller writes in place of a weight."""

START = 0.7
"""First weight that is tried, over the noise's standard deviation: the best one of photographs is .5 to 1.2."""

STEP = 0.5
"""First step in log2 of the weight; over two of them the risk of photographs is a parabola to .01 dB."""

MOST_SOLVES = 10
"""Three do where the weight is .4 to 1.2 times the noise's standard deviation, as in photographs."""

SEARCH_TOL = 1e-5
"""Tolerance of iterative solvers during the search: a tenth of the time, for an error far below that of the noise."""

PROBE = 0.05
"""Length of the probe's step over the noise: half of it changes the degrees of freedom of a photograph by .5 %."""

_TIGHT = 1e-9
"""Over the largest intensity: differences of the exact solver that are nearer to gam are equal to it."""


@dataclass(frozen=True)
class WeightChoice:
    """What the search found, one entry per image.

    Attributes:
        lam: the weight, in the units of the image.
        noise_std: root of the mean variance of the noise, as given or estimated, in these units.
        risk: estimated mean squared error of the image denoised with that weight, in squared units: the value of the
            parabola there.
    """

    lam: Tensor
    noise_std: Tensor
    risk: Tensor


def choose_weight(
    noisy: Tensor,
    regularizer: Regularizer,
    noise_std: float | Tensor | None = None,
    data_weight: Tensor | None = None,
    *,
    solver: Solver | None = None,
    seed: int = 0,
) -> WeightChoice:
    """The weight of every image with the least risk, by a parabola in its logarithm through those that were tried.

    Args:
        noisy: (batch, channels, *space), with the channels that the regularizer couples, in any units.
        regularizer: regularizer to minimise with; one that takes several maps gets `Regularizer.starts(lam)`.
        noise_std: standard deviation of the noise, see `std_per_pixel`; None: estimated there.
        data_weight: as for a solver.
        solver: solver to try the weights with, by default `Exact` where it takes the problem, else `Admm`.
        seed: seed of the probe.

    Raises:
        ValueError: see `std_per_pixel`.
    """
    given = noisy.detach() if noisy.device.type == "mps" else noisy.detach().double()
    variance = std_per_pixel(given, noise_std, data_weight).square()
    counts = torch.ones_like(given) if data_weight is None else (data_weight.detach() > 0).to(dtype=given.dtype)
    noisy = torch.where(counts > 0, given, torch.zeros_like(given))  # what is missing may be NaN
    variance = variance * counts
    counted = counts.flatten(1).sum(dim=1)
    level = (variance.flatten(1).sum(dim=1) / counted).sqrt()
    weights = None if data_weight is None else data_weight.detach()
    chosen = solver or _searcher(regularizer, noisy, weights)

    def risk(lam: Tensor) -> Tensor:
        maps = constant_maps(regularizer, lam, noisy)
        denoised, change = divergence(chosen, noisy, maps, variance, weights, seed)
        error = counts * (denoised - noisy).square() - variance
        return (error.flatten(1).sum(dim=1) + 2 * change) / counted

    tried = _search(lambda exponents: risk(START * level * 2.0**exponents), len(noisy))
    found = torch.tensor([_vertex(seen) for seen in tried], dtype=noisy.dtype, device=noisy.device)
    return WeightChoice(START * level * 2.0 ** found[:, 0], level, found[:, 1])


def constant_maps(regularizer: Regularizer, lam: Tensor, noisy: Tensor) -> Tensor:
    """Maps that are constant over every image: `Regularizer.starts` of its weight, (batch, num_maps, *space)."""
    ones = (1,) * (noisy.ndim - 2)
    maps = torch.stack([spec.ratio * lam + spec.offset for spec in regularizer.maps], dim=1)
    return maps.reshape(*maps.shape, *ones).expand(*maps.shape, *noisy.shape[2:])


def is_sure(name: str, weight: object, noise_std: object) -> bool:
    """Whether the weight is to be chosen.

    Raises:
        ValueError: another word, or a standard deviation of the noise for a weight that is given.
    """
    if isinstance(weight, str):
        if weight != WORD:
            raise ValueError(
                f'{name} must be a number, an array, a list with one of them per map, or "{WORD}", got {weight!r}.'
            )
        return True
    if noise_std is not None:
        raise ValueError(
            f'noise_std is for {name}="{WORD}", which chooses the weight; got {name} as well. Leave one out.'
        )
    return False


def std_per_pixel(noisy: Tensor, noise_std: float | Tensor | None = None, data_weight: Tensor | None = None) -> Tensor:
    """Standard deviation of the noise of every pixel, shaped like `noisy`: checked, or estimated where it is not given.

    Estimated as white Gaussian noise: one value per channel of an image; of a volume the median over its slices. The
    two parts of complex images have noise of the same standard deviation.

    Args:
        noisy: (batch, channels, *space), floating point or complex.
        noise_std: a number, one per image (batch,), or what broadcasts to `noisy`; > 0, in its units.
        data_weight: shaped like `noisy`; pixels of weight 0 are not read.

    Raises:
        ValueError: not positive or not finite; or not given for a signal, a small image, one without noise, or pixels
            that are weighed differently, which says that their noise differs.
    """
    if noise_std is not None:
        return _checked(noise_std, noisy)
    advice = "Give noise_std, the standard deviation of the noise in the units of the image."
    if noisy.ndim < 4:
        raise ValueError(f"the noise of signals, shape {tuple(noisy.shape)}, is not estimated. {advice}")
    known = None if data_weight is None else data_weight > 0
    if known is not None and data_weight is not None and len(data_weight[known].unique()) > 1:
        raise ValueError(f"data_weight differs between the pixels, and so does their noise. {advice}")
    parts = torch.view_as_real(noisy.detach()).unbind(-1) if noisy.is_complex() else (noisy.detach(),)
    variances = [_plane_std(part, known, advice).square() for part in parts]
    return (sum(variances[1:], variances[0]) / len(variances)).sqrt().expand(noisy.shape)


def _plane_std(images: Tensor, known: Tensor | None, advice: str) -> Tensor:
    """(batch, channels, 1, ...)."""
    planes = images.reshape(-1, 1, *images.shape[-2:])
    clipped = (planes == 0) | (planes == 1)
    if bool((planes[planes.isfinite()] > 1).any()):
        clipped = torch.zeros_like(clipped)  # other units
    if min(planes.shape[-2:]) < SMALLEST_SIDE:
        raise ValueError(
            f"the noise of images of less than {SMALLEST_SIDE} pixels a side is not estimated, got shape "
            f"{tuple(images.shape)}. {advice}"
        )
    sigma = estimate_white(planes, clipped, None if known is None else known.reshape(planes.shape)).sigma
    level = sigma.reshape(*images.shape[:2], -1).median(dim=2).values / EIGHT_BIT_RANGE
    if not bool((level > 0).all()):
        raise ValueError(f"an image has no noise that could be estimated. {advice}")
    return level.reshape(*level.shape, *(1,) * (images.ndim - 2))


def divergence(
    solver: Solver,
    noisy: Tensor,
    maps: Tensor,
    variance: Tensor,
    data_weight: Tensor | None = None,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """The denoised images, and sum_i variance_i du_i/dy_i of each, (batch,), for maps that are held.

    Args:
        solver: solver of the problem; `Exact` counts components, any other is probed.
        noisy: (batch, channels, *space), float64 for `Exact`.
        maps: (batch, num_maps, *space).
        variance: variance of the noise, shaped like `noisy`; 1 gives the degrees of freedom.
        data_weight: as for a solver.
        seed: seed of the probe.
    """
    if isinstance(solver.worker(DataTerm(noisy, weight=data_weight)), Exact):
        with torch.no_grad():
            solution = solver(noisy.double(), maps, data_weight)
            found = [
                _counted(solver.regularizer, *parts) for parts in zip(solution.denoised, maps, variance, strict=True)
            ]
        return solution.denoised, noisy.new_tensor(found)
    generator = torch.Generator("cpu").manual_seed(seed)
    one = torch.randint(0, 2, noisy.shape[1:], generator=generator, device="cpu")  # the same for every image
    signs = (2 * one - 1).to(device=noisy.device).to(dtype=noisy.dtype)
    counts = torch.ones_like(noisy) if data_weight is None else (data_weight > 0).to(dtype=noisy.dtype)
    per_image = (-1, *(1,) * (noisy.ndim - 1))
    step = (PROBE * (variance.flatten(1).sum(dim=1) / counts.flatten(1).sum(dim=1)).sqrt()).reshape(per_image)
    with torch.no_grad():
        both = torch.cat([noisy, noisy + step * signs * counts])
        weights = None if data_weight is None else torch.cat([data_weight, data_weight])
        denoised, moved = solver(both, torch.cat([maps, maps]), weights).denoised.chunk(2)
    return denoised, (variance * counts * signs * (moved - denoised) / step).flatten(1).sum(dim=1)


def _counted(regularizer: Regularizer, u: Tensor, maps: Tensor, variance: Tensor) -> float:
    """sum_i variance_i / |C(i)| over the components of one image, without those on a bound."""
    space, values = u.shape[1:], u.detach().cpu().numpy().ravel()
    ends = []
    near = _TIGHT * max(float(np.abs(values).max()), np.finfo(float).tiny)
    for term in regularizer.terms:
        lam, gam = term.maps(maps[None].cpu())
        gaps = term.operator.apply(u[None].cpu()).abs() - (torch.zeros_like(lam) if gam is None else gam)
        tight = ((lam > 0) & (gaps.abs() <= near)).numpy()[0] & term.operator.valid_mask(*space)
        # Every real row holds the two pixels of an edge.
        ends.append(term.operator.matrix(*space)[np.flatnonzero(tight)].indices.reshape(-1, 2))
    first, second = np.concatenate(ends).T
    graph = sp.coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(values.size, values.size))
    count, label = connected_components(graph, directed=False)
    shares = np.bincount(label, variance.cpu().numpy().ravel(), count) / np.bincount(label, minlength=count)
    if regularizer.bounds is not None:
        low, high = (math.nan if side is None else side for side in regularizer.bounds)
        shares[label[(values == low) | (values == high)]] = 0
    return float(shares.sum())


def _search(risk: Callable[[Tensor], Tensor], images: int) -> list[dict[float, float]]:
    """The risks of every image at the exponents that were tried."""
    tried: list[dict[float, float]] = [{} for _ in range(images)]

    def at(exponents: list[float]) -> None:
        for seen, exponent, value in zip(tried, exponents, risk(torch.tensor(exponents)).tolist(), strict=True):
            if not _narrow(seen):  # an image is what it is alone, however long the others of its batch take
                seen[exponent] = value if math.isfinite(value) else math.inf

    at([0.0] * images)
    at([-STEP] * images)
    for _ in range(2, MOST_SOLVES):
        following = [_next(seen) for seen in tried]
        settled = [exponent in seen for exponent, seen in zip(following, tried, strict=True)]
        if all(settled) or all(map(_narrow, tried)):
            break
        at(following)
    return tried


def _ends(seen: dict[float, float]) -> tuple[float | None, float, float | None]:
    """The best exponent between its neighbours; None where it is at an end."""
    best = min(seen, key=seen.__getitem__)
    return max((x for x in seen if x < best), default=None), best, min((x for x in seen if x > best), default=None)


def _narrow(seen: dict[float, float]) -> bool:
    """Whether the best exponent lies between tried ones that are near enough for a parabola."""
    if not seen:
        return False
    low, _, high = _ends(seen)
    return low is not None and high is not None and high - low <= 2 * STEP + 1e-9


def _next(seen: dict[float, float]) -> float:
    """The exponent to try next: farther out where the best one is at an end, else where a parabola is least."""
    low, best, high = _ends(seen)
    if low is None or high is None:
        return best + (max(abs(best), STEP) if high is None else -max(abs(best), STEP))
    return _vertex(seen)[0]


def _vertex(seen: dict[float, float]) -> tuple[float, float]:
    """Where the parabola through the best exponent and its neighbours is least, and its value there.

    The best exponent itself where it is at an end, or where there is no such parabola.
    """
    low, best, high = _ends(seen)
    if low is None or high is None:
        return best, seen[best]
    left, right = (seen[best] - seen[low]) / (best - low), (seen[high] - seen[best]) / (high - best)
    if not math.isfinite(right - left) or right <= left:
        return best, seen[best]
    curvature = (right - left) / (high - low)
    slope = (left * (high - best) + right * (best - low)) / (high - low)
    vertex = round(best - 0.5 * slope / curvature, 3)
    return vertex, seen[best] + (vertex - best) * (slope + curvature * (vertex - best))


def _searcher(regularizer: Regularizer, noisy: Tensor, data_weight: Tensor | None) -> Solver:
    kind = solver_for(regularizer, DataTerm(noisy, weight=data_weight))
    if kind is not Admm:
        return kind(regularizer)
    single = noisy.device.type == "mps"
    return Admm(regularizer, tol=SEARCH_TOL, max_iter=2000, dtype=torch.float32 if single else torch.float64)


def _checked(noise_std: float | Tensor, noisy: Tensor) -> Tensor:
    std = torch.as_tensor(noise_std, dtype=noisy.real.dtype, device=noisy.device).detach()
    per_image = std.reshape(-1, *(1,) * (noisy.ndim - 1)) if tuple(std.shape) == (len(noisy),) else std
    try:
        full = per_image.expand(noisy.shape)
    except RuntimeError:
        raise ValueError(
            f"noise_std must be a number, one per image ({len(noisy)},), or broadcast to the images, "
            f"{tuple(noisy.shape)}; got {tuple(std.shape)}."
        ) from None
    if not bool(((std > 0) & std.isfinite()).all()):
        raise ValueError(f"noise_std must be positive and finite, in the units of the image, got {noise_std!r}.")
    return full
