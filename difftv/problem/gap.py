"""The relative duality gap: a certificate of how far a solve is from the minimiser, the same for every solver."""

import torch

from difftv.linear.differences import DiagonalDifferences, ForwardDifferences
from difftv.problem.data_term import DataTerm, weighted_mean
from difftv.problem.problem import Problem
from difftv.regularizers.base import Regularizer
from difftv.space import inner
from difftv.types import Dual, Fields, Image, Map, PerImage


def relative_gap(
    regularizer: Regularizer, x: Fields, p: Dual, y: Image, maps: Map, data_weight: Image | None = None
) -> PerImage:
    """Relative duality gap of the pair (x, p), within the bounds of the regularizer; see `certificate`."""
    if data_weight is not None:
        y = torch.where(data_weight > 0, y, weighted_mean(y, data_weight))
    return certificate(Problem(DataTerm.of(y, regularizer.bounds, data_weight), regularizer, maps), x, p)


def certificate(problem: Problem, x: Fields, p: Dual) -> PerImage:
    """Relative duality gap of the pair (x, p).

        gap = (P(x) - D(p)) / (1/2 ||y - mean(y)||^2),       the mean of every channel,
        P(x) = 1/2 ||u - y||^2 + sum phi(|K x|),
        D(p) = 1/2 ||y||^2 - 1/2 ||y - (K^T p)_u||^2 - sum phi*(|p|),     p projected onto the dual set first.

    Within bounds, the data part of D is the minimum of 1/2 ||t - y||^2 + <K^T p, t> over t within them, and the
    constant image of the denominator is the mean clipped to them. With weights of the pixels, both squares and the
    mean are weighed, and t keeps to the range of the data as well: clipping an image to it raises neither the data term
    nor a potential of first differences, so that u* is in it. Second-order models may leave it; by its width at most on
    either side is assumed for them, not proved.

    P - D is summed as terms that are each >= 0, phi + phi* - <p, K x> at every difference and the rest of the data
    term, so that no two nearly equal energies are subtracted. By strong convexity 1/2 ||u - u*||^2 <= P(x) - D(p).

    With an auxiliary field v, p must also satisfy (K^T p)_v = 0, which iterates do in the limit only. V ||(K^T p)_v||_1
    is subtracted from D for it, which makes the bound hold if |v*| <= V; V = 2 max |v| is assumed, not proved.

    Args:
        problem: data term, regularizer and maps.
        x: (batch, channels + auxiliary, *space), the image u, within the bounds, and the auxiliary field.
        p: (batch, components, *space).

    Returns:
        (batch,), >= 0 up to rounding, 0 at the optimum.
    """
    regularizer, data, maps = problem.regularizer, problem.data, problem.maps
    p = regularizer.project(p, maps)
    pulled = regularizer.adjoint(p)
    channels = regularizer.channels
    difference = data.gap(x[:, :channels], pulled[:, :channels], _reach(regularizer))
    for term, part in zip(regularizer.terms, regularizer.split(p), strict=True):
        difference = difference + term.gap(x, part, maps)
    if regularizer.auxiliary:
        v, left = x[:, channels:], pulled[:, channels:]
        bound = 2 * v.abs().amax(dim=inner(v), keepdim=True)
        difference = difference + (v * left + bound * left.abs()).sum(dim=inner(v))
    return difference / data.scale()


def _reach(regularizer: Regularizer) -> float:
    """By how many ranges of the data the minimiser may leave it."""
    first = all(
        isinstance(term.operator.of_one_channel, ForwardDifferences | DiagonalDifferences) for term in regularizer.terms
    )
    return 0.0 if first else 1.0
