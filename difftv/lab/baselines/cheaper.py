"""How a solver is used in a search, whose PSNRs need be right to 0.001 dB only."""

import math

from difftv.solvers import Admm, Auto, Solver

_TOL = 3e-5
"""Ten times the default of `admm`: an rms error of about 1e-4, a hundredth of that of a denoised image."""

_PIXELS = 2**16
"""Pixels of a batch that costs `admm` little more than one small image: below, the time goes into starting operations.
"""


def loosened(solver: Solver) -> Solver:
    """A solver for searches: `admm` at a larger tolerance, any other as it is."""
    solver = _working(solver)
    if isinstance(solver, Admm):
        return Admm(solver.regularizer, max(solver.tol, _TOL), solver.max_iter, solver.dtype)
    return solver


def images_at_a_time(solver: Solver, wanted: int, *space: int) -> int:
    """How many images of this size to solve at a time, at least `wanted`, where nothing else sets a number."""
    return max(wanted, _PIXELS // math.prod(space)) if isinstance(_working(solver), Admm) else wanted


def _working(solver: Solver) -> Solver:
    return solver.chosen if isinstance(solver, Auto) else solver
