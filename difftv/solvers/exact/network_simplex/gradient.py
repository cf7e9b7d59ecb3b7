"""The gradient in closed form.

The states of the edges stay the same in a neighbourhood of almost every (y, lam, gam), and there u* is affine in them:
over each component of the forest edges (`dual_problem.py`), whose slopes fix u up to a constant,

    u_i = o_i + 1/|C| ( sum_{j in C} y_j - o_j - sum_{e leaves C} +- s_e lam_e ),

where the offset o_i is the sum of +- gam_e on the way from the root. With g = dL/du, a_i its mean over the component
of i, and s_e = sign(p_e),

    dL/dy   = a,
    dL/dlam = -s_e (Da)_e                                       on edges with p_e = s_e lam_e, else 0,
    dL/dgam = s_e sum_{i on the side of e's head} (g - a)_i     on forest edges, else 0,

the side of the head being the part of the component on the head's side when e is removed. Where gam = 0, plateaus have
cycles, and the forest, p and with it dL/dgam are one of many. At lam = 0 or gam = 0 it is the derivative to the right.
"""

import numpy as np

from difftv.solvers._compiler import kernel
from difftv.solvers.exact.network_simplex.dual_problem import FLAT, ONE, ZERO


@kernel
def pull_back(graph, state, grad, mean, grad_lam, grad_gam):
    """Gradient of a loss in y, lam and gam.

    Args:
        graph: the edges.
        state: (edges,), of an answer.
        grad: (pixels,), dL/du.
        mean: (pixels,), where dL/dy is written.
        grad_lam, grad_gam: (edges,), zeros, where dL/dlam and dL/dgam are written.
    """
    tail, head, first, links = graph
    size, none = grad.shape[0], tail.shape[0]
    unseen = none + 1
    up = np.full(size, unseen, np.uint32)
    order = np.empty(size, np.uint32)
    below = np.empty(size)
    end = 0
    for root in range(size):
        if up[root] != unseen:
            continue
        start = at = end
        up[root] = none
        order[end] = root
        end += 1
        total = 0.0
        while at < end:
            k = np.uintp(order[at])
            at += 1
            total += grad[k]
            for position in range(np.uintp(first[k]), np.uintp(first[k + ONE])):
                e = np.uintp(links[position, ZERO])
                if state[e] & 1 and e != up[k]:
                    other = np.uintp(links[position, ONE])
                    up[other] = e
                    order[end] = other
                    end += 1
        average = total / (end - start)
        for at in range(start, end):
            k = np.uintp(order[at])
            mean[k] = average
            below[k] = grad[k] - average
        for at in range(end - 1, start, -1):
            k = np.uintp(order[at])
            e = np.uintp(up[k])
            sign = 0 if state[e] == FLAT else 1 if state[e] > 0 else -1
            if head[e] == k:
                grad_gam[e] = sign * below[k]
                below[tail[e]] += below[k]
            else:
                grad_gam[e] = -sign * below[k]
                below[head[e]] += below[k]
    for edge in range(none):
        if state[edge] != 0 and not state[edge] & 1:
            grad_lam[edge] = -(state[edge] // 2) * (mean[head[edge]] - mean[tail[edge]])
