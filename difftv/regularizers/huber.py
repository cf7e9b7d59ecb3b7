"""Huber total variation: quadratic where the image is nearly flat."""

from typing import final

from difftv.arguments import positive
from difftv.linear.differences import ForwardDifferences
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import coupled, on_grid
from difftv.regularizers.potentials import Huber
from difftv.regularizers.term import Norm, Term
from difftv.space import Spacing


@final
class HuberTV(Regularizer):
    """R_lam(u) = sum_ij lam[i,j] h(|(D u)[i,j]|_2),   h(z) = z^2 / (2 delta) for z <= delta, else z - delta / 2.

    Less staircasing than `isotropic`; edges steeper than delta are treated alike.

    Dual set: |p[i,j]|_2 <= lam[i,j]; conjugate delta / (2 lam) |p|^2.

    Args:
        delta: slope up to which the penalty is quadratic, > 0, intensity per pixel; larger = smoother slopes, and
            edges less sharp. `isotropic` is the limit delta -> 0.
        channels: number of channels of the images, as for `isotropic`: several are coupled.
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).
        axes: number of axes of space, 1 (signals), 2 (images) or 3 (volumes): as many differences stand in the formula.
        spacing: distance of neighbours along every axis, > 0, first axis first; differences are divided by it. None: 1.

    Raises:
        ValueError: delta is not a positive finite number, channels no integer >= 1, axes is not 1, 2 or 3,
            spacing is not one positive number per axis, or bounds are no bounds.

    References: Chambolle and Pock 2011, "A first-order primal-dual algorithm", section 6.2.5 (Huber-ROF).
    """

    name = "huber"

    def __init__(
        self,
        delta: float = 2e-3,
        channels: int = 1,
        *,
        bounds: Bounds | None = None,
        axes: int = 2,
        spacing: Spacing | None = None,
    ) -> None:
        self.delta = positive("delta", delta)
        differences = coupled(on_grid(ForwardDifferences, axes, spacing), channels)
        super().__init__((MapSpec("lam"),), (Term(differences, Norm.EUCLIDEAN, Huber(self.delta)),), bounds)
