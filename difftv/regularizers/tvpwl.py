"""Total variation that leaves slopes up to a given steepness free of charge."""

from typing import final

from difftv.linear.differences import ForwardDifferences
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import one_of
from difftv.regularizers.potentials import PiecewiseLipschitz
from difftv.regularizers.term import Norm, Term

START_GAM = 1e-3
"""Training starts at nearly total variation: below the slopes of images, and not at 0, where softplus is flat."""


@final
class TVpwL(Regularizer):
    """R(u) = sum_ij lam_v (|D_v u| - gam_v)_+ [i,j] + lam_h (|D_h u| - gam_h)_+ [i,j].

    Differences up to gam cost nothing, larger ones lam for what they exceed it by: images are piecewise Lipschitz
    instead of piecewise constant. gam = 0 is `anisotropic`.

    Dual set: |p_v| <= lam_v, |p_h| <= lam_h; conjugate gam |p|.

    Args:
        num_maps: 2 (lam, gam: both directions share them) or 4 (lam_v, lam_h, gam_v, gam_h).
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).

    Raises:
        ValueError: num_maps is neither 2 nor 4, or bounds are no bounds.

    References: Burger, Korolev, Parisotto, Schoenlieb 2019, "Total variation regularisation with spatially variable
    Lipschitz constraints", arXiv:1912.02768.
    """

    name = "tvpwl"

    def __init__(self, num_maps: int = 2, *, bounds: Bounds | None = None) -> None:
        suffixes = one_of(
            "num_maps", num_maps, {2: ("",), 4: ("_v", "_h")}, "2 (lam, gam, shared) or 4 (one of each per direction)"
        )
        directions = len(suffixes)
        term = Term(
            ForwardDifferences(),
            Norm.SEPARABLE,
            PiecewiseLipschitz(),
            lam=tuple(range(directions)),
            gam=tuple(range(directions, 2 * directions)),
        )
        lam = tuple(MapSpec(f"lam{suffix}") for suffix in suffixes)
        gam = tuple(MapSpec(f"gam{suffix}", ratio=0.0, offset=START_GAM, parameter="gam") for suffix in suffixes)
        super().__init__(lam + gam, (term,), bounds)
