"""The solver that fits the problem: `solver=auto`."""

from typing import final

from difftv.problem.data_term import DataTerm
from difftv.problem.problem import Problem
from difftv.regularizers.base import Regularizer
from difftv.solvers.base import RawSolution, Solver, Workplace
from difftv.solvers.registry import solver_for


@final
class Auto(Solver):
    """`Exact` where it takes the problem, else `Admm`; each at its default settings.

    One word for a sweep over regularizers. Data weights are for `Admm`. `chosen` is the solver that works where there
    are none.

    Args:
        regularizer: regularizer to minimise.

    Raises:
        ValueError: neither takes it.
    """

    name = "auto"

    def __init__(self, regularizer: Regularizer) -> None:
        super().__init__(regularizer)
        self.chosen = solver_for(regularizer)(regularizer)

    @classmethod
    def refusal(cls, regularizer: Regularizer, data: DataTerm | None = None) -> str | None:
        try:
            solver_for(regularizer, data)
        except ValueError as error:
            return str(error)
        return None

    def worker(self, data: DataTerm | None) -> Solver:
        kind = solver_for(self.regularizer, data)
        return self.chosen if isinstance(self.chosen, kind) else kind(self.regularizer)

    @property
    def workplace(self) -> Workplace:
        return self.chosen.workplace

    def solve(self, problem: Problem) -> RawSolution:
        return self.chosen.solve(problem)

    def check_size(self, *space: int) -> None:
        self.chosen.check_size(*space)

    def bytes_needed(self, *space: int) -> int:
        return self.chosen.bytes_needed(*space)
