"""HOW it is minimised: one solver a file, `(noisy, maps) -> Solution`."""

from difftv.problem.gap import relative_gap
from difftv.regularizers.base import Regularizer
from difftv.solvers.admm import Admm
from difftv.solvers.auto import Auto
from difftv.solvers.base import RawSolution, Solution, Solver, SolveTime, Workplace
from difftv.solvers.clarabel import Clarabel
from difftv.solvers.ecos import Ecos
from difftv.solvers.exact import Exact, TautString
from difftv.solvers.registry import BY_NAME, solver_for, solvers_for
from difftv.solvers.scs import Scs

__all__ = [
    "BY_NAME",
    "Admm",
    "Auto",
    "Clarabel",
    "Ecos",
    "Exact",
    "RawSolution",
    "Scs",
    "Solution",
    "SolveTime",
    "Solver",
    "TautString",
    "Workplace",
    "relative_gap",
    "solver_for",
    "solvers_for",
    "whole_image_solver",
]


def whole_image_solver(regularizer: Regularizer) -> Solver:
    """The solver for images of any size, `solver_for(regularizer)` at its defaults."""
    return solver_for(regularizer)(regularizer)
