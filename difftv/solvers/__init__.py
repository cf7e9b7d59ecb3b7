"""HOW it is minimised: one solver a file, `(noisy, lam) -> Solution`."""

from difftv.solvers.base import RawSolution, Solution, Solver, SolveTime, relative_gap
from difftv.solvers.clarabel import Clarabel
from difftv.solvers.ecos import Ecos
from difftv.solvers.scs import Scs
from difftv.solvers.taut_string import TautString

BY_NAME: dict[str, type[Solver]] = {"taut_string": TautString, "scs": Scs, "ecos": Ecos, "clarabel": Clarabel}
"""By the name on the command line, which stored models use as well."""

__all__ = [
    "BY_NAME",
    "Clarabel",
    "Ecos",
    "RawSolution",
    "Scs",
    "Solution",
    "SolveTime",
    "Solver",
    "TautString",
    "relative_gap",
]
