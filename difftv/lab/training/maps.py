"""What the maps of a model do on an image, each by its name."""

from difftv.metrics import field_metrics, free_edge_share, map_metrics
from difftv.regularizers.base import Regularizer
from difftv.solvers.base import Solution
from difftv.space import spatial
from difftv.types import Image, Map, PerImage


def map_is_constant(lam: Map) -> bool:
    """Whether every map of every image is the same number at all pixels, to rounding."""
    lowest, highest = lam.amin(dim=spatial(lam)), lam.amax(dim=spatial(lam))
    return bool((highest - lowest <= 1e-6 * highest).all())


def solution_metrics(solution: Solution, clean: Image | None, regularizer: Regularizer) -> dict[str, PerImage]:
    """The metrics of the maps, `gam/free_edge_share` where a penalty has free slopes, `v/...` where there is a field v.

    Args:
        solution: solution of a batch, on the CPU.
        clean: (batch, 1 or 3, *space), on the CPU; None where there is none, nor a metric of its edges.
        regularizer: regularizer that it was solved with.

    Returns:
        One (batch,) tensor per name, on the CPU, without gradient.
    """
    lam, denoised = solution.lam.detach(), solution.denoised.detach()
    found = map_metrics(lam, clean, names=regularizer.map_names)
    if any(term.gam for term in regularizer.terms):
        found["gam/free_edge_share"] = _free_edge_share(denoised, lam, regularizer)
    if solution.auxiliary is not None:
        found |= field_metrics(solution.auxiliary)
    return found


def _free_edge_share(denoised: Image, maps: Map, regularizer: Regularizer) -> PerImage:
    """Over the first term with free slopes, whose operator looks at the image alone."""
    term = next(term for term in regularizer.terms if term.gam)
    assert term.operator.fields == term.operator.channels
    _, gam = term.maps(maps)
    assert gam is not None
    valid = (term.length(term.valid(denoised)[None]) > 0).to(dtype=denoised.dtype)
    return free_edge_share(term.length(term.analysis(denoised)), gam, valid)
