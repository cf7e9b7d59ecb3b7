"""Isotropic total variation."""

from typing import final

from difftv.linear.differences import ForwardDifferences
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import coupled, on_grid
from difftv.regularizers.potentials import Absolute
from difftv.regularizers.term import Norm, Term
from difftv.space import Spacing


@final
class IsotropicTV(Regularizer):
    """R_lam(u) = sum_ij lam[i,j] sqrt(sum_c (D_v u_c)[i,j]^2 + (D_h u_c)[i,j]^2),   c = 1 .. channels, 1 by default.

    Dual set: |(p_v, p_h)[i,j]|_2 <= lam[i,j] at every pixel. Border pixels keep the one difference they have.

    Args:
        channels: number of channels of the images, 1 = gray. Several are coupled: one map weighs the length of all
            their differences together, so that edges come to stand at the same place in every channel (vectorial total
            variation).
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).
        axes: number of axes of space, 1 (signals), 2 (images) or 3 (volumes): as many differences stand in the formula.
        spacing: distance of neighbours along every axis, > 0, first axis first; differences are divided by it. None: 1.

    Raises:
        ValueError: channels is not an integer >= 1, axes is not 1, 2 or 3, spacing is not one
            positive number per axis, or bounds are no bounds.

    References: Rudin, Osher, Fatemi 1992, "Nonlinear total variation based noise removal algorithms"; Bresson and Chan
    2008, "Fast dual minimization of the vectorial total variation norm".
    """

    name = "isotropic"

    def __init__(
        self, channels: int = 1, *, bounds: Bounds | None = None, axes: int = 2, spacing: Spacing | None = None
    ) -> None:
        differences = coupled(on_grid(ForwardDifferences, axes, spacing), channels)
        super().__init__((MapSpec("lam"),), (Term(differences, Norm.EUCLIDEAN, Absolute()),), bounds)
