"""Total generalised variation of second order."""

from collections.abc import Sequence
from typing import final

from difftv.linear.fields import GradientMinusField, SymmetrisedGradient
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import coupled, huber_or_absolute, on_grid
from difftv.regularizers.term import Norm, Term
from difftv.space import Spacing

SECOND_RATIO = 2.0
"""lam2 / lam1 where one number stands for both; 1.5 to 5 is what people use."""


@final
class TGV(Regularizer):
    """R(u) = min_v  sum_ij lam1[i,j] h_1(|(D u - v)[i,j]|_2) + lam2[i,j] h_2(|(E v)[i,j]|_F),   E v = (Dv + Dv^T) / 2.

    Affine pieces cost nothing, jumps lam1, kinks lam2: slopes without stairs. h_1 and h_2 are absolute values, or Huber
    functions of small widths, which make the gradient in lam2 well conditioned. Dual set: |p_1| <= lam1, |p_2| <= lam2.

    Args:
        delta: Huber widths (d1, d2) of both terms, >= 0, intensity per pixel and per pixel^2; 0 = exact TGV. The
            default is for training: with (0, 0) the gradient in lam2 is badly conditioned.
        channels: number of channels of the images, as for `isotropic`: several are coupled, in both terms.
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).
        axes: number of axes of space, 1 (signals), 2 (images) or 3 (volumes): as many differences stand in the formula.
        spacing: distance of neighbours along every axis, > 0, first axis first; differences are divided by it. None: 1.

    Raises:
        ValueError: delta is not a pair of finite numbers >= 0, channels no integer >= 1, axes is not 1, 2 or 3,
            spacing is not one positive number per axis, or bounds are no bounds.

    References: Bredies, Kunisch, Pock 2010, "Total generalized variation".
    """

    name = "tgv"

    def __init__(
        self,
        delta: Sequence[float | int] = (1e-3, 3e-4),
        channels: int = 1,
        *,
        bounds: Bounds | None = None,
        axes: int = 2,
        spacing: Spacing | None = None,
    ) -> None:
        if isinstance(delta, str) or not isinstance(delta, Sequence) or len(delta) != 2:
            raise ValueError(f"delta must be a pair of Huber widths (d1, d2), got {delta!r}. (0, 0) is exact TGV.")
        first, second = (huber_or_absolute(f"delta[{index}]", width) for index, width in enumerate(delta))
        self.delta = (float(delta[0]), float(delta[1]))
        super().__init__(
            (MapSpec("lam1", parameter="lam1"), MapSpec("lam2", ratio=SECOND_RATIO, parameter="lam2")),
            (
                Term(coupled(on_grid(GradientMinusField, axes, spacing), channels), Norm.EUCLIDEAN, first, lam=(0,)),
                Term(coupled(on_grid(SymmetrisedGradient, axes, spacing), channels), Norm.EUCLIDEAN, second, lam=(1,)),
            ),
            bounds,
        )
