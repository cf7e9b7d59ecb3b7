"""Combined total variation of first and second order."""

from typing import final

from difftv.linear.differences import ForwardDifferences, SecondDifferences
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import coupled, on_grid
from difftv.regularizers.potentials import Absolute
from difftv.regularizers.term import Norm, Term
from difftv.space import Spacing

SECOND_RATIO = 0.5
"""lam2 / lam1 where one number stands for both: (0.04, 0.02) was best on Set12 at sigma = 25."""


@final
class TVTV2(Regularizer):
    """R(u) = sum_ij lam1[i,j] |(D u)[i,j]|_2 + lam2[i,j] |(D^2 u)[i,j]|_2,   D^2 u = (D_vv u, D_hh u, sqrt(2) D_vh u).

    Both are paid for, unlike in `tgv`, where each place takes the cheaper one. Dual set: |p_1| <= lam1, |p_2| <= lam2.

    Args:
        channels: number of channels of the images, as for `isotropic`: several are coupled, in both terms.
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).
        axes: number of axes of space, 1 (signals), 2 (images) or 3 (volumes): as many differences stand in the formula.
        spacing: distance of neighbours along every axis, > 0, first axis first; differences are divided by it. None: 1.

    Raises:
        ValueError: channels is not an integer >= 1, axes is not 1, 2 or 3, spacing is not one
            positive number per axis, or bounds are no bounds.

    References: Papafitsoros and Schoenlieb 2014, "A combined first and second order variational approach for image
    reconstruction".
    """

    name = "tv_tv2"

    def __init__(
        self, channels: int = 1, *, bounds: Bounds | None = None, axes: int = 2, spacing: Spacing | None = None
    ) -> None:
        first, second = (
            coupled(on_grid(kind, axes, spacing), channels) for kind in (ForwardDifferences, SecondDifferences)
        )
        super().__init__(
            (MapSpec("lam1", parameter="lam1"), MapSpec("lam2", ratio=SECOND_RATIO, parameter="lam2")),
            (
                Term(first, Norm.EUCLIDEAN, Absolute(), lam=(0,)),
                Term(second, Norm.EUCLIDEAN, Absolute(), lam=(1,)),
            ),
            bounds,
        )
