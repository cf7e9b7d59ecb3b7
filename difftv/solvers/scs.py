"""SCS: a first-order solver of cone programs (O'Donoghue et al. 2016). MIT licence."""

from typing import final

from difftv.arguments import positive, positive_int
from difftv.regularizers.base import Regularizer
from difftv.solvers.cvxpy_layer import ConeSolver


@final
class Scs(ConeSolver):
    """The cone program through SCS.

    Args:
        regularizer: regularizer that is minimised.
        eps: SCS's absolute and relative tolerance, > 0; smaller = more accurate. 1e-5 gives a largest error of about
            1e-4 in the image and 1e-4 relative in the gradient of most images, 2 % in the worst; at 5e-3 the gradient
            is wrong AND slower, since LSQR then runs on an inconsistent system.
        max_iter: iterations after which the best point so far is returned with `converged=False`, >= 1.

    Raises:
        ValueError: eps or max_iter out of range.
        MissingDependencyError: the package `scs` is not installed.
    """

    name = "scs"
    solve_method = "SCS"
    package = "scs"

    def __init__(self, regularizer: Regularizer, eps: float = 1e-5, max_iter: int = 100_000) -> None:
        super().__init__(regularizer)
        self.eps = positive("eps", eps)
        self.max_iter = positive_int("max_iter", max_iter)

    def backend_options(self) -> dict[str, float]:
        return {"eps": self.eps, "max_iters": self.max_iter}
