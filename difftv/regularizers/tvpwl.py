"""Total variation that leaves slopes up to a given steepness free of charge."""

from typing import final

from difftv.linear.differences import ForwardDifferences
from difftv.linear.operator import LinearOperator
from difftv.linear.opponent import OPPONENT, OfOpponentColours
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import on_grid, one_of, per_direction
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

    Of an RGB image, R is the sum over its opponent colours (`difftv.linear.opponent`), each with maps of its own. They
    are orthonormal, so that `Exact` solves the three apart; they meet in the network that predicts the maps.

    Args:
        num_maps: 2 (lam, gam: all directions share them) or two per axis (of an image: lam_v, lam_h, gam_v, gam_h);
            three times as many with channels = 3: those of the luma, of red-blue and of green-magenta.
        channels: number of channels of the images, 1 = gray, 3 = RGB.
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).
        axes: number of axes of space, 1 (signals), 2 (images) or 3 (volumes): as many differences stand in the formula.
        spacing: distance of neighbours along every axis, > 0, first axis first; differences are divided by it. None: 1.

    Raises:
        ValueError: channels is neither 1 nor 3, num_maps neither 2 nor two per axis for each of them, axes is not 1, 2
            or 3, spacing is not one positive number per axis, or bounds are no bounds.

    References: Burger, Korolev, Parisotto, Schoenlieb 2019, "Total variation regularisation with spatially variable
    Lipschitz constraints", arXiv:1912.02768.
    """

    name = "tvpwl"

    def __init__(
        self,
        num_maps: int = 2,
        channels: int = 1,
        *,
        bounds: Bounds | None = None,
        axes: int = 2,
        spacing: Spacing | None = None,
    ) -> None:
        one = on_grid(ForwardDifferences, axes, spacing)
        operator: LinearOperator = one_of(
            "channels", channels, {1: one, 3: OfOpponentColours(one)}, "1 (gray) or 3 (RGB)"
        )
        lam_names, gam_names = per_direction("num_maps", num_maps, axes, ("lam", "gam"), channels)
        maps: list[MapSpec] = []
        for colour in [""] if channels == 1 else [f"_{colour}" for colour in OPPONENT]:
            maps += [MapSpec(name + colour) for name in lam_names]
            maps += [MapSpec(name + colour, ratio=0.0, offset=START_GAM, parameter="gam") for name in gam_names]
        directions = len(lam_names)
        # Of several channels every difference names its map, also one that all directions share.
        repeats = one.components // directions if channels > 1 else 1
        lam = [2 * directions * c + d for c in range(channels) for d in range(directions) for _ in range(repeats)]
        gam = [place + directions for place in lam]
        term = Term(operator, Norm.SEPARABLE, PiecewiseLipschitz(), lam=tuple(lam), gam=tuple(gam))
        super().__init__(tuple(maps), (term,), bounds)
