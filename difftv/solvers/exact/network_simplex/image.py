"""One image: a start, the pivots, and a certificate."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import Array
from difftv.solvers.exact.network_simplex.certificate import duality_gap, write_signs
from difftv.solvers.exact.network_simplex.dual_problem import DualProblem, dual_problem
from difftv.solvers.exact.network_simplex.gradient import pull_back
from difftv.solvers.exact.network_simplex.grid import grid
from difftv.solvers.exact.network_simplex.pivots import begin, pivot_on, refine, waiting
from difftv.solvers.exact.network_simplex.start import Descent, write_states

SWITCH_GAP = 7e-5, 1.5
"""Relative gap of the start from which pivots take less time than more steps: the second over the number of pixels, at
most the first. The larger the image, the more of its edges are wrong at the same gap, and the longer a pivot takes."""

SWITCH_GAP_OF_VOLUME, PATIENCE = 0.05, 200
"""Over the number of pixels, of a volume, whose plateaus are the largest: 48^3 at lam = .08 (noise .1) takes 519 pivots
in 1.4 s from the gap of images, and 65 in .6 s from this one. In single precision it may be out of reach: the second is
the number of steps without progress after which the start ends as well."""

MAX_PASSES = 5000
"""Times that the pivots may visit every pixel; images take 1 to 10, the worst seen 250."""


START, PASSES_PER_REPORT = 0.5, 5
"""Share of the start in what is reported as progress, and times that pivots visit every pixel from report to report."""


@dataclass(frozen=True)
class Answer:
    """How good the minimiser is, what it took, and what its gradient needs.

    Attributes:
        gap: P(u) - D(p) over 1/2 ||y - mean||^2; 0 where the image is constant.
        steps: number of steps of the start.
        pivots: edges that have entered the forest after it.
        state: (edges,), see `dual_problem.py`.
    """

    gap: float
    steps: int
    pivots: int
    state: NDArray[np.int8]


def solve_image(
    y: Array, lam: Array, gam: Array, u: Array, max_steps: int, report: Callable[[float], object] | None = None
) -> Answer:
    """Minimise 1/2 ||u - y||^2 + sum_e lam_e (|Du|_e - gam_e)_+ exactly.

    Args:
        y: (*space), one to three axes, finite.
        lam: (directions, *space) >= 0, infinity allowed; a direction per axis, or 4 for the eight neighbours in an
            image. Entries past the border are ignored.
        gam: (directions, *space) >= 0, infinity allowed.
        u: (*space), where the minimiser is written.
        max_steps: number of steps of the start; pivots do the rest.
        report: function that is called now and then with the share of the work that is done.
    """
    directions, *space = lam.shape
    size = y.size
    image = grid(directions, *space)
    low, high = float(y.min()), float(y.max())
    level, radius = 0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low
    # In units in which the data are in [-1, 1] tolerances are relative; a power of two changes no digit.
    exponent = max(-1000, min(1000, math.frexp(radius)[1]))
    unit = math.ldexp(1.0, -exponent)
    radius *= unit
    data = (y * unit - level * unit).reshape(size)
    energy = 0.5 * float(np.square(data - data.mean()).sum())
    # On every edge some optimal dual has |p_e| <= 1/2 ||y - u*||_1, see `taut_strings/image.py`.
    cap = math.sqrt(2.0 * energy * size) if radius > 0.0 else 1.0
    weights = np.minimum(lam, cap / unit) * unit
    slopes = np.minimum(gam, 4.0 / unit) * unit
    # Du never exceeds the contrast, so such slopes cost nothing.
    weights[~image.exists | (slopes >= max(2.0 * radius, math.ulp(0.0)))] = 0.0
    weights, slopes = weights.reshape(directions, size), slopes.reshape(directions, size)

    bounds = weights.astype(np.float32)
    switch_gap, patience = min(SWITCH_GAP[0], SWITCH_GAP[1] / size), max_steps
    if len(space) == 3:
        switch_gap, patience = min(SWITCH_GAP[0], SWITCH_GAP_OF_VOLUME / size), PATIENCE
    start = Descent(
        data.astype(np.float32),
        bounds,
        slopes.astype(np.float32),
        image.tails,
        image.heads,
        switch_gap=switch_gap,
        max_steps=max_steps,
        patience=patience,
    )
    start.run(None if report is None else lambda share: report(START * share))
    p, state = np.empty(directions * size), np.empty(directions * size, np.int8)
    weights, slopes = weights.reshape(-1), slopes.reshape(-1)
    write_states(start.dual.reshape(-1), bounds.reshape(-1), weights, slopes, p, state)
    problem = dual_problem(image.graph, data, weights, slopes, p, state)
    pivots = _refined(problem, image.sequence, report)
    gap = duality_gap(problem)
    write_signs(problem)
    if weights.any():
        np.add(problem.u.reshape(space) / unit, level, out=u)
    else:
        u[:] = y
    return Answer(gap=gap / energy if radius > 0.0 else 0.0, steps=start.steps, pivots=pivots, state=state)


def _refined(problem: DualProblem, sequence: NDArray[np.uint32], report: Callable[[float], object] | None) -> int:
    """Pivots until no edge is wrong; where `report` is given, some at a time."""
    if report is None:
        return int(refine(problem, sequence, MAX_PASSES))
    pivots, visited = 0, begin(problem, sequence)
    first = left = waiting(problem)
    while left and visited < MAX_PASSES * len(problem.y):
        taken, seen = pivot_on(problem, PASSES_PER_REPORT * len(problem.y))
        pivots, visited = pivots + taken, visited + seen
        left = waiting(problem)
        report(START + (1 - START) * max(0.0, 1 - left / first))
    return pivots


def gradient(grad: Array, answer: Answer, grad_y: Array, grad_lam: Array, grad_gam: Array) -> None:
    """From dL/du to dL/dy, dL/dlam and dL/dgam, see `gradient.py`.

    Args:
        grad: (*space), contiguous.
        answer: answer of `solve_image`.
        grad_y: (*space), contiguous, written.
        grad_lam, grad_gam: (directions, *space), contiguous, zeros, written.
    """
    graph = grid(*grad_lam.shape).graph
    flat = (array.reshape(-1) for array in (grad, grad_y, grad_lam, grad_gam))
    pull_back(graph, answer.state, *flat)
