"""Which solvers take a regularizer: asked by error messages, contract tests and defaults."""

from difftv.regularizers.base import Regularizer
from difftv.solvers.admm import Admm
from difftv.solvers.auto import Auto
from difftv.solvers.base import Solver
from difftv.solvers.clarabel import Clarabel
from difftv.solvers.ecos import Ecos
from difftv.solvers.scs import Scs
from difftv.solvers.taut_string import TautString

BY_NAME: dict[str, type[Solver]] = {solver.name: solver for solver in (TautString, Admm, Scs, Ecos, Clarabel, Auto)}
"""By the name on the command line, which stored models use as well; the exact and fast ones first."""


def solvers_for(regularizer: Regularizer) -> list[type[Solver]]:
    """The solvers that do not refuse it, in the order of `BY_NAME`; without `auto`, which is one of them."""
    return [solver for solver in BY_NAME.values() if solver is not Auto and solver.refusal(regularizer) is None]
