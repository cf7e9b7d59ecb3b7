"""One image: accelerated alternating minimisation, until the components that it has found can be corrected.

Chambolle and Pock 2015 (accelerated block coordinate descent), momentum k/(k+3) as in Chambolle and Dossal 2015,
restarted where it points uphill (O'Donoghue and Candes 2015, gradient scheme).
"""

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import Array, kernel
from difftv.solvers.exact.merge_split import FlowProblem, flow_problem, label_components, refine
from difftv.solvers.exact.taut_strings.chain import OVERRUN
from difftv.solvers.exact.taut_strings.components import duality_gap
from difftv.solvers.exact.taut_strings.sweeps import STRIP, Chains, minimise_columns, minimise_rows

SWEEPS_PER_CHECK = 4
"""To compute the gap takes a sixth of the time of a sweep."""

SWITCH_GAP = 1e-5, 2e-4, 3.0
"""Relative gap of the iterate from which refining takes less time than more sweeps: between the two, the third over
the number of pixels. The larger the image, the more of its components are wrong at the same gap."""

SWEEPS_BEFORE_TRYING = 48
"""Sweeps after which it is tried anyway: where weights are huge, the gap says nothing."""

MAX_PASSES = 8
"""Times that refining may visit every pixel: it takes about 3, and does not end where few components are right."""

RETRY_FACTOR = 0.25
"""How far the gap must fall before another try."""

EXACT = 1e-10
"""At this tolerance and below, only components that are right end the solve, and no gap does."""


@dataclass(frozen=True)
class Answer:
    """How good the minimiser is, and what its gradient needs: components and signs, see `merge_split/gradient.py`."""

    gap: float
    done: bool  # the components are right, or a loose tolerance is met
    sweeps: int
    label: NDArray[np.uint32]
    sign: NDArray[np.int8]


def solve_image(
    y: Array,
    lam_columns: Array,
    lam_rows: Array,
    u: Array,
    tol: float,
    max_iter: int,
    team: Executor | None,
    workers: int,
) -> Answer:
    """Minimise exactly, or to a relative duality gap of `tol` where that is more than `EXACT` and comes first.

    Args:
        y: (height, width).
        lam_columns: (height, width), weight of the vertical differences; infinity is allowed.
        lam_rows: (height, width), weight of the horizontal differences.
        u: (height, width), where the minimiser is written.
        tol: relative duality gap to stop early at, if more than `EXACT`.
        max_iter: sweeps (one solve of all columns and one of all rows) after which to stop anyway.
        team: threads that share the rows and columns of this image; None = stay in this thread.
        workers: how many of them.
    """
    height, width = y.shape
    level = float(y.mean())
    scale = 0.5 * float(np.square(y - level).sum()) or 1.0
    # On every edge some optimal dual has |p_e| <= 1/2 ||y - u*||_1 (a flow without cycles), and that is at most
    # 1/2 sqrt(size) ||y - mean||_2, since y - u* is a projection of y - mean onto a set that holds 0. A larger weight
    # changes nothing, and an infinite one would make NaN.
    cap = math.sqrt(2 * scale * y.size)
    chains = Chains(
        y=y,
        w_columns=_weights(lam_columns.T, cap),
        w_rows=_weights(lam_rows, cap),
        level=level,
        reciprocal=1.0 / np.arange(1, max(height, width) + 1),
    )
    a, b, b_before = (np.zeros_like(y) for _ in range(3))
    sign_columns = np.empty((width, height + OVERRUN), np.int8)
    sign_rows = np.empty((height, width + OVERRUN), np.int8)
    label = np.empty((height, width), np.uint32)
    # The start: half of what the rows alone would take off, and the first sweep finds the columns' part. It saves a
    # sixth of the sweeps that a start from nothing takes.
    _distribute(team, workers, minimise_rows, height, 1, chains, a, b, b_before, 0.0, sign_rows, np.empty(height))
    b_before *= 0.5
    b[:] = b_before
    age = sweeps = 0
    low, high, over = SWITCH_GAP
    switch_gap, next_try = min(max(over / y.size, low), high), SWEEPS_BEFORE_TRYING
    while True:
        count = min(SWEEPS_PER_CHECK, max_iter - sweeps)
        arguments = (chains, a, b, b_before, sign_columns, sign_rows, age, count)
        age = _sweep(*arguments) if team is None else _sweep_shared(*arguments, team, workers)
        if count % 2:
            b, b_before = b_before, b
        sweeps += count
        last = sweeps >= max_iter

        np.subtract(y, a + b, out=u)
        gap = duality_gap(chains, a, b, u) / scale
        enough = gap <= tol and tol > EXACT
        if not enough and (gap <= switch_gap or sweeps >= next_try or last):
            switch_gap, next_try = RETRY_FACTOR * gap, 2 * sweeps
            problem = _components(chains, a, b, sign_columns, sign_rows, label, u)
            refined = refine(problem, MAX_PASSES) / scale
            if refined < math.inf:
                return Answer(refined, True, sweeps, label, _signs(problem, y.shape))
        if enough or last:
            problem = _components(chains, a, b, sign_columns, sign_rows, label, u)
            label_components(problem)
            np.subtract(y, a + b, out=u)
            return Answer(gap, enough, sweeps, label, _signs(problem, y.shape))


def _components(
    chains: Chains,
    a: Array,
    b: Array,
    sign_columns: NDArray[np.int8],
    sign_rows: NDArray[np.int8],
    label: NDArray[np.uint32],
    u: Array,
) -> FlowProblem:
    """What the sweeps have found as components and a flow; label and u are written to, everything else is a copy."""
    height, width = u.shape
    sign = np.stack([sign_rows[:, :width], sign_columns[:, :height].T])
    sign[0, :, -1] = sign[1, -1] = 1
    w = np.stack([chains.w_rows, chains.w_columns.T])
    q = np.stack([np.cumsum(b, axis=1), np.cumsum(a, axis=0)])
    return flow_problem(chains.y, w, q, sign, label, u)


def _signs(problem: FlowProblem, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """The signs of the edges; what stands past the border has none."""
    sign = problem.sign.reshape(2, *shape)
    sign[0, :, -1] = sign[1, -1] = 0
    return sign


def _weights(lam: Array, cap: float) -> Array:
    """The weights of a set of rows: contiguous, finite, and zero past the border."""
    w = np.minimum(lam, cap, order="C")
    w[:, -1] = 0.0
    return w


@kernel
def _sweep(chains, a, b, b_before, sign_columns, sign_rows, age, count):
    """`count` sweeps, after each of which b and b_before trade places; `age` = sweeps since the last restart."""
    height, width = chains.y.shape
    ascent = np.empty(height)
    for _ in range(count):
        momentum = age / (age + 3.0)
        minimise_columns(chains, b, b_before, momentum, a, sign_columns, 0, width)
        minimise_rows(chains, a, b, b_before, momentum, sign_rows, ascent, 0, height)
        b, b_before = b_before, b
        age = 0 if ascent.sum() > 0.0 else age + 1
    return age


def _sweep_shared(
    chains: Chains,
    a: Array,
    b: Array,
    b_before: Array,
    sign_columns: NDArray[np.int8],
    sign_rows: NDArray[np.int8],
    age: int,
    count: int,
    team: Executor,
    workers: int,
) -> int:
    """`_sweep` with the columns, then the rows, distributed over the team: the same arithmetic in the same order."""
    height, width = chains.y.shape
    ascent = np.empty(height)
    for _ in range(count):
        momentum = age / (age + 3.0)
        _distribute(team, workers, minimise_columns, width, STRIP, chains, b, b_before, momentum, a, sign_columns)
        _distribute(team, workers, minimise_rows, height, 1, chains, a, b, b_before, momentum, sign_rows, ascent)
        b, b_before = b_before, b
        age = 0 if _total(ascent) > 0.0 else age + 1
    return age


def _distribute(
    team: Executor | None, workers: int, half_sweep: Callable[..., None], length: int, grain: int, *arguments: object
) -> None:
    """A half sweep over `length` columns or rows, in parts that are multiples of `grain`."""
    if team is None:
        half_sweep(*arguments, 0, length)
        return
    part = grain * math.ceil(length / (grain * workers))
    tasks = [team.submit(half_sweep, *arguments, first, min(first + part, length)) for first in range(0, length, part)]
    for task in tasks:
        task.result()


@kernel
def _total(ascent):
    """The sum in the order that `_sweep` takes it; NumPy's own takes another, and the last bit decides a restart."""
    return ascent.sum()
