"""One image: accelerated alternating minimisation, and the exact values of the components it has found.

Chambolle and Pock 2015 (accelerated block coordinate descent) with momentum k/(k+3) (Chambolle and Dossal 2015) and
restart where the momentum points uphill (O'Donoghue and Candes 2015, gradient scheme).
"""

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._taut_string.chain import OVERRUN
from difftv.solvers._taut_string.compiler import kernel
from difftv.solvers._taut_string.components import component_values, duality_gap, label_components
from difftv.solvers._taut_string.sweeps import STRIP, minimise_columns, minimise_rows

SWEEPS_PER_CHECK = 5
"""A check (components, their values, the gap) costs as much as half a sweep to one."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """u* and its certificate, and what the gradient needs: components and signs (columns transposed)."""

    u: Array
    a: Array
    b: Array
    gap: float
    sweeps: int
    label: NDArray[np.int32]
    sign_columns: NDArray[np.int8]
    sign_rows: NDArray[np.int8]

    def dual(self) -> Array:
        """p, (2, height, width), that certifies `gap`: a = D_v^T p_v and b = D_h^T p_h, summed up again."""
        return np.stack([-self.a.cumsum(axis=0), -self.b.cumsum(axis=1)])


def solve_image(
    y: Array, lam_columns: Array, lam_rows: Array, tol: float, max_iter: int, team: Executor | None, workers: int
) -> Answer:
    """Minimise to a relative duality gap of `tol`.

    Args:
        y: (height, width).
        lam_columns: (height, width), weight of the vertical differences; infinity is allowed.
        lam_rows: (height, width), weight of the horizontal differences.
        tol: relative duality gap to stop at.
        max_iter: sweeps (one solve of all columns and one of all rows) after which to stop anyway.
        team: threads that share the rows and columns of this image; None = stay in this thread.
        workers: how many of them.
    """
    height, width = y.shape
    contrast = 0.5 * max(float(np.square(y - y.mean()).sum()), 1e-12 * y.size)
    # An optimal dual has |p_e| <= 1/2 ||y - u*||_1 <= 1/2 sqrt(n) ||y - mean||_2 on every edge (flow without cycles, and y - u* is
    # a projection of y - mean onto a set that holds 0). Beyond that a weight changes nothing; infinity would make NaN.
    cap = math.sqrt(2 * contrast * y.size)
    w_columns = np.ascontiguousarray(np.minimum(lam_columns, cap).T)
    w_columns[:, -1] = 0.0
    w_rows = np.minimum(lam_rows, cap)
    w_rows[:, -1] = 0.0
    reciprocal = 1.0 / np.arange(1, max(height, width) + 1)
    level = float(y.mean())

    a, b, b_before, u = (np.zeros_like(y) for _ in range(4))
    sign_columns = np.empty((width, height + OVERRUN), np.int8)
    sign_rows = np.empty((height, width + OVERRUN), np.int8)
    label = np.empty((height, width), np.int32)
    ascent = np.empty(height)
    age = 0
    sweeps = 0
    while True:
        budget = min(SWEEPS_PER_CHECK, max_iter - sweeps)
        sweeps += budget
        state = (y, level, a, b, b_before, w_columns, w_rows, reciprocal, sign_columns, sign_rows, ascent)
        if team is None:
            age = _sweep(*state, age, budget)
        else:
            age = _sweep_shared(*state, age, budget, team, workers)
        if budget % 2:
            b, b_before = b_before, b
        label_components(sign_columns, sign_rows, label)
        component_values(y, w_columns, w_rows, sign_columns, sign_rows, label, u)
        gap = duality_gap(u, y, a, b, w_columns, w_rows) / contrast
        if gap > tol:
            iterate = y - a - b
            other = duality_gap(iterate, y, a, b, w_columns, w_rows) / contrast
            if other < gap and (other <= tol or sweeps >= max_iter):
                u, gap = iterate, other
        if gap <= tol or sweeps >= max_iter:
            return Answer(u, a, b, gap, sweeps, label, sign_columns, sign_rows)


@kernel
def _sweep(y, level, a, b, b_before, w_columns, w_rows, reciprocal, sign_columns, sign_rows, ascent, age, count):
    """`count` sweeps in this thread; returns the sweeps since the last restart. b and b_before trade places each time."""
    height, width = y.shape
    for _ in range(count):
        momentum = age / (age + 3.0) if age > 0 else 0.0
        minimise_columns(y, level, b, b_before, momentum, w_columns, reciprocal, a, sign_columns, 0, width)
        minimise_rows(y, level, a, b, b_before, momentum, w_rows, reciprocal, sign_rows, ascent, 0, height)
        b, b_before = b_before, b
        age = 0 if ascent.sum() > 0.0 else age + 1
    return age

def _sweep_shared(
    y, level, a, b, b_before, w_columns, w_rows, reciprocal, sign_columns, sign_rows, ascent, age, count, team, workers
) -> int:
    """`_sweep` with the columns, then the rows, dealt out to the team: the same arithmetic in the same order."""
    height, width = y.shape

    def share(half_sweep: Callable[..., None], length: int, grain: int, *arguments) -> None:
        part = grain * math.ceil(length / (grain * workers))
        tasks = [
            team.submit(half_sweep, *arguments, first, min(first + part, length)) for first in range(0, length, part)
        ]
        for task in tasks:
            task.result()

    for _ in range(count):
        momentum = age / (age + 3.0) if age > 0 else 0.0
        share(minimise_columns, width, STRIP, y, level, b, b_before, momentum, w_columns, reciprocal, a, sign_columns)
        share(minimise_rows, height, 1, y, level, a, b, b_before, momentum, w_rows, reciprocal, sign_rows, ascent)
        b, b_before = b_before, b
        age = 0 if ascent.sum() > 0.0 else age + 1
    return age
