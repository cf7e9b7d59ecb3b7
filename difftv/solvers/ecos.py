"""ECOS: an interior-point solver of second-order cone programs (Domahidi et al. 2013). GPL-3, an optional extra."""

from typing import final

from difftv.arguments import positive, positive_int
from difftv.regularizers.base import Regularizer
from difftv.solvers.cvxpy_layer import ConeSolver


@final
class Ecos(ConeSolver):
    """The cone program through ECOS.

    Args:
        regularizer: regularizer that is minimised.
        abstol: absolute duality gap at which it stops, > 0.
        reltol: relative duality gap at which it stops, > 0.
        feastol: residual of the constraints at which it stops, > 0.
        max_iter: interior-point iterations, >= 1; reaching it is a `SolverError` (ECOS has no usable point then).

    Raises:
        ValueError: a tolerance or max_iter out of range.
        MissingDependencyError: the package `ecos` is not installed.
    """

    name = "ecos"
    solve_method = "ECOS"
    package = "ecos"
    extra = "ecos"

    def __init__(
        self,
        regularizer: Regularizer,
        abstol: float = 1e-8,
        reltol: float = 1e-8,
        feastol: float = 1e-8,
        max_iter: int = 100,
    ) -> None:
        super().__init__(regularizer)
        self.abstol = positive("abstol", abstol)
        self.reltol = positive("reltol", reltol)
        self.feastol = positive("feastol", feastol)
        self.max_iter = positive_int("max_iter", max_iter)

    def backend_options(self) -> dict[str, float]:
        return {"abstol": self.abstol, "reltol": self.reltol, "feastol": self.feastol, "max_iters": self.max_iter}
