"""Anisotropic total variation."""

from typing import final

from difftv.linear.differences import ForwardDifferences
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import on_grid, per_direction
from difftv.regularizers.potentials import Absolute
from difftv.regularizers.term import Norm, Term
from difftv.space import Spacing


@final
class AnisotropicTV(Regularizer):
    """R_lam(u) = sum_ij lam_v[i,j] |D_v u|[i,j] + lam_h[i,j] |D_h u|[i,j].

    Dual set: |p_v| <= lam_v, |p_h| <= lam_h, entry by entry.

    Args:
        num_maps: 1 (all directions share the map) or one per axis, in their order (of an image: lam_v weighs the
            vertical differences, lam_h the horizontal ones; of a volume lam_d, along the depth, comes first).
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).
        axes: number of axes of space, 1 (signals), 2 (images) or 3 (volumes): as many differences stand in the formula.
        spacing: distance of neighbours along every axis, > 0, first axis first; differences are divided by it. None: 1.

    Raises:
        ValueError: num_maps is neither 1 nor the number of axes, axes is not 1, 2 or 3, spacing is not one
            positive number per axis, or bounds are no bounds.
    """

    name = "anisotropic"

    def __init__(
        self, num_maps: int = 1, *, bounds: Bounds | None = None, axes: int = 2, spacing: Spacing | None = None
    ) -> None:
        (names,) = per_direction("num_maps", num_maps, axes, ("lam",))
        term = Term(on_grid(ForwardDifferences, axes, spacing), Norm.SEPARABLE, Absolute(), lam=tuple(range(num_maps)))
        super().__init__(tuple(MapSpec(name) for name in names), (term,), bounds)
