"""Clarabel: an interior-point solver of cone programs (Goulart and Chen 2024). Apache-2.0."""

from typing import final

from difftv.arguments import positive, positive_int
from difftv.regularizers.base import Regularizer
from difftv.solvers.cvxpy_layer import ConeSolver


@final
class Clarabel(ConeSolver):
    """The cone program through Clarabel.

    Args:
        regularizer: regularizer that is minimised.
        tol: absolute and relative duality gap and residual at which it stops, > 0.
        max_iter: interior-point iterations, >= 1; reaching it gives `converged=False`.

    Raises:
        ValueError: tol or max_iter out of range.
        MissingDependencyError: the package `clarabel` is not installed.
    """

    name = "clarabel"
    solve_method = "Clarabel"
    package = "clarabel"

    def __init__(self, regularizer: Regularizer, tol: float = 1e-8, max_iter: int = 200) -> None:
        super().__init__(regularizer)
        self.tol = positive("tol", tol)
        self.max_iter = positive_int("max_iter", max_iter)

    def backend_options(self) -> dict[str, float]:
        return {
            "tol_gap_abs": self.tol,
            "tol_gap_rel": self.tol,
            "tol_feas": self.tol,
            "max_iter": self.max_iter,
            "max_threads": 1,
        }
