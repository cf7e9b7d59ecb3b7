"""The solver that fits the regularizer: `solver=auto`."""

from typing import final

from difftv.regularizers.base import Regularizer
from difftv.solvers.admm import Admm
from difftv.solvers.base import RawSolution, Solver, Workplace
from difftv.solvers.data_term import DataTerm
from difftv.solvers.taut_string import TautString
from difftv.types import Map


def whole_image_solver(regularizer: Regularizer) -> Solver:
    """The solver for images of any size: `taut_string`, which is exact, where it takes the regularizer, else `admm`."""
    return TautString(regularizer) if TautString.refusal(regularizer) is None else Admm(regularizer)


@final
class Auto(Solver):
    """`TautString`, which is exact, where it takes the regularizer, else `Admm`; each at its default settings.

    One word for a sweep over regularizers. `chosen` is the solver that works.

    Args:
        regularizer: what is minimised.

    Raises:
        ValueError: neither takes it.
    """

    name = "auto"

    def __init__(self, regularizer: Regularizer) -> None:
        super().__init__(regularizer)
        self.chosen = whole_image_solver(regularizer)
        self.takes_weights = self.chosen.takes_weights

    @classmethod
    def refusal(cls, regularizer: Regularizer) -> str | None:
        return None if TautString.refusal(regularizer) is None else Admm.refusal(regularizer)

    @property
    def workplace(self) -> Workplace:
        return self.chosen.workplace

    def solve(self, data: DataTerm, lam: Map) -> RawSolution:
        return self.chosen.solve(data, lam)

    def check_size(self, height: int, width: int) -> None:
        self.chosen.check_size(height, width)

    def for_search(self) -> Solver:
        return self.chosen.for_search()

    def batch_size(self, wanted: int, height: int, width: int) -> int:
        return self.chosen.batch_size(wanted, height, width)
