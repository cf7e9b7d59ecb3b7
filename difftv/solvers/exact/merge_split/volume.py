"""One volume: accelerated gradient steps on the dual, then components merged and split until they are right."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import Array, kernel
from difftv.solvers.exact.merge_split.flow_problem import FlowProblem, flow_problem, strides_of
from difftv.solvers.exact.merge_split.refine import final_gap, refine_once
from difftv.solvers.exact.network_simplex.start import Descent

SWITCH_GAP, PATIENCE = 0.3, 200
"""The first over the number of voxels: relative gap from which refining takes less time than more steps. At 64^3 and
lam = .08 (noise .1) both together take .49 s from .05, .41 s from 1.5 and .67 s from 10. In single precision it may be
out of reach: the second is the number of steps without progress after which the start ends as well."""

MAX_PASSES = 1000
"""Times that refining may visit every voxel; it takes 1 to 10, and some 20 from no start at all."""

START = 0.5
"""Share of the start in what is reported as progress."""


@dataclass(frozen=True)
class Answer:
    """How good the minimiser is, what it took, and what its gradient needs.

    Attributes:
        gap: P(u) - D(p) over 1/2 ||y - mean||^2; infinity where the components are not yet right.
        steps: number of steps of the start.
        label: (*space), the index of one of the component's voxels.
        sign: (3, *space), the last axis first: of u here less u there, 0 within a component and past the border.
    """

    gap: float
    steps: int
    label: NDArray[np.uint32]
    sign: NDArray[np.int8]


def solve_volume(y: Array, lam: Array, u: Array, max_steps: int, report: Callable[[float], object]) -> Answer:
    """Minimise 1/2 ||u - y||^2 + sum_e lam_e |Du|_e over the neighbours along three axes exactly.

    Args:
        y: (*space), finite, with a contrast of about 2.
        lam: (3, *space) or (1, *space) >= 0, infinity allowed. Entries past the border are ignored.
        u: (*space), where the minimiser is written.
        max_steps: number of steps of the start.
        report: function that is called now and then with the share of the work that is done.
    """
    axes = y.ndim
    level = float(y.mean())
    data = y - level
    scale = 0.5 * float(np.square(data).sum()) or 1.0
    # On every edge some optimal dual has |p_e| <= 1/2 ||y - u*||_1, see `taut_strings/image.py`.
    cap = math.sqrt(2 * scale * y.size)
    w = np.empty((axes, *y.shape))
    for direction, axis in enumerate(reversed(range(axes))):
        np.minimum(lam[axis if len(lam) > 1 else 0], cap, out=w[direction])
        w[direction].swapaxes(0, axis)[-1] = 0.0
    q, sign = np.empty_like(w), np.empty(w.shape, np.int8)
    steps = _start(data, w, q, sign, max_steps, report)
    problem = flow_problem(data, w, q, sign, np.empty(y.shape, np.uint32), u)
    gap = _refined(problem, report) / scale
    if w.any():
        u += level
    else:
        u[:] = y
    for direction, axis in enumerate(reversed(range(axes))):
        sign[direction].swapaxes(0, axis)[-1] = 0  # what stands past the border has no gradient
    return Answer(gap=gap, steps=steps, label=problem.label.reshape(y.shape), sign=sign)


def _start(
    data: Array, w: Array, q: Array, sign: NDArray[np.int8], max_steps: int, report: Callable[[float], object]
) -> int:
    """Write a nearly optimal flow and the signs that it implies; returns the steps taken."""
    narrow = w.astype(np.float32).reshape(w.shape[0], -1)
    steps = np.array([int(step) for step in strides_of(data.shape)])
    descent = Descent(
        data.astype(np.float32).reshape(-1),
        narrow,
        None,
        np.zeros_like(steps),
        steps,
        switch_gap=SWITCH_GAP / data.size,
        max_steps=max_steps,
        patience=PATIENCE,
    )
    descent.run(lambda share: report(START * share))
    _write_flow(descent.dual.reshape(-1), narrow.reshape(-1), q.reshape(-1), sign.reshape(-1))
    return descent.steps


def _refined(problem: FlowProblem, report: Callable[[float], object]) -> float:
    """The duality gap after merging and splitting, round by round, so that an interrupt is heard in between."""
    size = count = len(problem.y)
    visited = 0
    while visited < MAX_PASSES * size:
        visited += count
        count = refine_once(problem, count)
        report(START + (1 - START) * (1 - count / size))
        if count == 0:
            return float(final_gap(problem))
    return math.inf


@kernel
def _write_flow(dual, bound, q, sign):
    """The flow -p of a dual variable in single precision, and signs where it lies on its bound.

    Args:
        dual, bound: (edges,) float32.
        q, sign: (edges,), written.
    """
    for e in range(q.shape[0]):
        q[e] = -np.float64(dual[e])
        if bound[e] == 0.0:
            sign[e] = 1
        elif abs(dual[e]) >= bound[e]:
            sign[e] = -1 if dual[e] > 0.0 else 1
        else:
            sign[e] = 0
