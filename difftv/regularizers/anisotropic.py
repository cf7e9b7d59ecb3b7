"""Anisotropic total variation."""

from typing import final

from difftv.linear.differences import ForwardDifferences
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import one_of
from difftv.regularizers.potentials import Absolute
from difftv.regularizers.term import Norm, Term


@final
class AnisotropicTV(Regularizer):
    """R_lam(u) = sum_ij lam_v[i,j] |D_v u|[i,j] + lam_h[i,j] |D_h u|[i,j].

    Dual set: |p_v| <= lam_v, |p_h| <= lam_h, entry by entry.

    Args:
        num_maps: 1 (both directions share the map, lam_v = lam_h) or 2 (channel 0 weighs the vertical differences,
            channel 1 the horizontal ones).
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).

    Raises:
        ValueError: num_maps is neither 1 nor 2, or bounds are no bounds.
    """

    name = "anisotropic"

    def __init__(self, num_maps: int = 1, *, bounds: Bounds | None = None) -> None:
        names = one_of(
            "num_maps", num_maps, {1: ("lam",), 2: ("lam_v", "lam_h")}, "1 (shared) or 2 (one per direction)"
        )
        term = Term(ForwardDifferences(), Norm.SEPARABLE, Absolute(), lam=tuple(range(num_maps)))
        super().__init__(tuple(MapSpec(name) for name in names), (term,), bounds)
