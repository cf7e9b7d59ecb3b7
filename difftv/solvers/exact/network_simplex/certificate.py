"""The duality gap of an answer, and the signs that its gradient needs."""

import numpy as np

from difftv.solvers._compiler import kernel
from difftv.solvers.exact.network_simplex.dual_problem import BOUND, FLAT, LEVEL


@kernel
def duality_gap(problem):
    """P(u) - D(p), written as a sum of terms >= 0 so that nothing cancels.

    P(u) - D(p) = 1/2 ||u - (y - D^T p)||^2 + sum_e lam_e (|Du|_e - gam_e)_+ + gam_e |p_e| - p_e (Du)_e,

    where with q = p sign(Du) a term is (lam - q) (|Du| - gam) or q (gam - |Du|), whichever is not negative, for q >= 0.
    """
    tail, head, _, _ = problem.graph
    y, u, lam, gam, p = problem.y, problem.u, problem.lam, problem.gam, problem.p
    left = u - y
    gap = 0.0
    for e in range(tail.shape[0]):
        if lam[e] > 0.0:
            difference = u[head[e]] - u[tail[e]]
            left[head[e]] += p[e]
            left[tail[e]] -= p[e]
            along = p[e] if difference > 0.0 else -p[e]
            over = abs(difference) - gam[e]
            if along < 0.0:
                gap += lam[e] * max(0.0, over) - along * (abs(difference) + gam[e])
            else:
                gap += (lam[e] - along) * over if over > 0.0 else -along * over
    return gap + 0.5 * np.square(left).sum()


@kernel
def write_signs(problem):
    """Give the states of the answer the signs that only the gradient asks for, see `dual_problem.py`."""
    tail, head, _, _ = problem.graph
    u, lam, gam, p, state = problem.u, problem.lam, problem.gam, problem.p, problem.state
    for e in range(lam.shape[0]):
        if lam[e] == 0.0:
            difference = u[head[e]] - u[tail[e]]
            if abs(difference) > gam[e]:
                state[e] = BOUND if difference > 0.0 else -BOUND
        elif state[e] == LEVEL:
            state[e] = FLAT if p[e] == 0.0 else LEVEL if p[e] > 0.0 else -LEVEL
