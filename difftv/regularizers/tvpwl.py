"""Total variation that leaves slopes up to a given steepness free of charge."""

from typing import final

from difftv.linear.differences import ForwardDifferences
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import on_grid, per_direction
from difftv.regularizers.potentials import PiecewiseLipschitz
from difftv.regularizers.term import Norm, Term
from difftv.space import Spacing

START_GAM = 1e-3
"""Training starts at nearly total variation: below the slopes of images, and not at 0, where softplus is flat."""


@final
class TVpwL(Regularizer):
    """R(u) = sum_ij lam_v (|D_v u| - gam_v)_+ [i,j] + lam_h (|D_h u| - gam_h)_+ [i,j].

    Differences up to gam cost nothing, larger ones lam for what they exceed it by: images are piecewise Lipschitz
    instead of piecewise constant. gam = 0 is `anisotropic`.

    Dual set: |p_v| <= lam_v, |p_h| <= lam_h; conjugate gam |p|.

    Args:
        num_maps: 2 (lam, gam: all directions share them) or two per axis (of an image: lam_v, lam_h, gam_v, gam_h).
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).
        axes: number of axes of space, 1 (signals), 2 (images) or 3 (volumes): as many differences stand in the formula.
        spacing: distance of neighbours along every axis, > 0, first axis first; differences are divided by it. None: 1.

    Raises:
        ValueError: num_maps is neither 2 nor two per axis, axes is not 1, 2 or 3, spacing is not one
            positive number per axis, or bounds are no bounds.

    References: Burger, Korolev, Parisotto, Schoenlieb 2019, "Total variation regularisation with spatially variable
    Lipschitz constraints", arXiv:1912.02768.
    """

    name = "tvpwl"

    def __init__(
        self, num_maps: int = 2, *, bounds: Bounds | None = None, axes: int = 2, spacing: Spacing | None = None
    ) -> None:
        lam_names, gam_names = per_direction("num_maps", num_maps, axes, ("lam", "gam"))
        directions = len(lam_names)
        term = Term(
            on_grid(ForwardDifferences, axes, spacing),
            Norm.SEPARABLE,
            PiecewiseLipschitz(),
            lam=tuple(range(directions)),
            gam=tuple(range(directions, 2 * directions)),
        )
        lam = tuple(MapSpec(name) for name in lam_names)
        gam = tuple(MapSpec(name, ratio=0.0, offset=START_GAM, parameter="gam") for name in gam_names)
        super().__init__(lam + gam, (term,), bounds)
