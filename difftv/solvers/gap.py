"""The relative duality gap: a certificate of how far a solve is from the minimiser, the same for every solver."""

from difftv.regularizers.base import Regularizer
from difftv.solvers.data_term import DataTerm
from difftv.types import Dual, Fields, Image, Map, PerImage


def relative_gap(regularizer: Regularizer, x: Fields, p: Dual, y: Image, maps: Map) -> PerImage:
    """Relative duality gap of the pair (x, p), within the bounds of the regularizer; see `certificate`."""
    return certificate(regularizer, x, p, DataTerm.of(y, regularizer.bounds), maps)


def certificate(regularizer: Regularizer, x: Fields, p: Dual, data: DataTerm, maps: Map) -> PerImage:
    """Relative duality gap of the pair (x, p).

        gap = (P(x) - D(p)) / (1/2 ||y - mean(y)||^2),                          channel by channel the mean,
        P(x) = 1/2 ||u - y||^2 + sum phi(|K x|),
        D(p) = 1/2 ||y||^2 - 1/2 ||y - (K^T p)_u||^2 - sum phi*(|p|),     p projected onto the dual set first.

    Within bounds, the data part of D is the minimum of 1/2 ||t - y||^2 + <K^T p, t> over t within them, and the
    constant image of the denominator is the mean clipped to them.

    P - D is summed as terms that are each >= 0, phi + phi* - <p, K x> at every difference and the rest of the data
    term, so that no two nearly equal energies are subtracted. By strong convexity 1/2 ||u - u*||^2 <= P(x) - D(p).

    With an auxiliary field v, p must also satisfy (K^T p)_v = 0, which iterates do in the limit only. V ||(K^T p)_v||_1
    is subtracted from D for it, which makes the bound hold if |v*| <= V; V = 2 max |v| is assumed, not proved.

    Args:
        x: (batch, channels + auxiliary, height, width), the image u, within the bounds, and the auxiliary field.
        p: (batch, components, height, width).
        data: of the noisy images, (batch, channels, height, width).
        maps: (batch, num_maps, height, width).

    Returns:
        (batch,), >= 0 up to rounding, 0 at the optimum.
    """
    p = regularizer.project(p, maps)
    pulled = regularizer.adjoint(p)
    channels = regularizer.channels
    difference = data.gap(x[:, :channels], pulled[:, :channels])
    for term, part in zip(regularizer.terms, regularizer.split(p), strict=True):
        difference = difference + term.gap(x, part, maps)
    if regularizer.auxiliary:
        v, left = x[:, channels:], pulled[:, channels:]
        bound = 2 * v.abs().amax(dim=(1, 2, 3), keepdim=True)
        difference = difference + (v * left + bound * left.abs()).sum(dim=(1, 2, 3))
    return difference / data.scale()
