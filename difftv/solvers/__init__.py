"""HOW it is minimised: one solver a file, `(noisy, lam) -> Solution`."""

from difftv.solvers.admm import Admm
from difftv.solvers.auto import Auto, whole_image_solver
from difftv.solvers.base import RawSolution, Solution, Solver, SolveTime, Workplace, relative_gap
from difftv.solvers.choice import BY_NAME, solvers_for
from difftv.solvers.clarabel import Clarabel
from difftv.solvers.ecos import Ecos
from difftv.solvers.scs import Scs
from difftv.solvers.taut_string import TautString

__all__ = [
    "BY_NAME",
    "Admm",
    "Auto",
    "Clarabel",
    "Ecos",
    "RawSolution",
    "Scs",
    "Solution",
    "SolveTime",
    "Solver",
    "TautString",
    "Workplace",
    "relative_gap",
    "solvers_for",
    "whole_image_solver",
]
