"""Relaxation: the best values and duals of a component, given the slopes that its forest edges impose."""

import numpy as np

from difftv.solvers._compiler import kernel
from difftv.solvers.exact.network_simplex.dual_problem import ONE, ZERO, ceiling, enqueue, floor, settled, violation


@kernel
def relax(problem, waiting):
    """Relax the components of the first `waiting` of `roots`; where p meets a bound, a component falls into two.

    On a tree the slopes fix u up to a constant, the sum of the optimality condition over it fixes the constant, and
    over the subtrees the duals. On the way from p to those the first edge that meets an end of its interval leaves.
    The dual objective never rises.

    Returns:
        Pixels visited.
    """
    graph, y, lam, gam, p, state, tol, u, label, up, offset, excess, order, roots, queue, queued, counters = problem[
        :17
    ]
    tail, head, first, links = graph
    none = np.uint32(tail.shape[0])
    done = 0
    while waiting > 0:
        waiting -= 1
        root = np.uintp(roots[waiting])
        count, total = gather(root, tail, first, links, y, gam, p, state, up, offset, excess, order)
        done += count
        mean = total / count
        # From the leaves down: `excess` of a pixel becomes the target of p on the edge to its parent.
        step = 1.0
        for position in range(count - 1, 0, -1):
            k = np.uintp(order[position])
            e = np.uintp(up[k])
            flow = excess[k] - offset[k] - mean
            if head[e] == k:
                excess[tail[e]] += flow
                target = flow
            else:
                excess[head[e]] += flow
                target = -flow
            end = min(max(target, floor(state[e], lam[e])), ceiling(state[e], lam[e]))
            if abs(target - end) <= tol:
                target = end
            else:
                step = min(step, (end - p[e]) / (target - p[e]))
            excess[k] = target
        if step == 1.0:
            for position in range(1, count):
                k = np.uintp(order[position])
                p[up[k]] = excess[k]
            for position in range(count):
                k = np.uintp(order[position])
                u[k] = mean + offset[k]
                label[k] = root
            for position in range(count):
                k = np.uintp(order[position])
                for at in range(np.uintp(first[k]), np.uintp(first[k + ONE])):
                    e, other = np.uintp(links[at, ZERO]), np.uintp(links[at, ONE])
                    if not state[e] & 1:
                        difference = u[other] - u[k] if other > k else u[k] - u[other]
                        if violation(state[e], lam[e], gam[e], difference) > tol and not queued[e]:
                            enqueue(e, queue, queued, counters)
            continue
        roots[waiting] = root
        waiting += 1
        for position in range(1, count):
            k = np.uintp(order[position])
            e = np.uintp(up[k])
            target = excess[k]
            lower, upper = floor(state[e], lam[e]), ceiling(state[e], lam[e])
            end = min(max(target, lower), upper)
            if target != end and (end - p[e]) / (target - p[e]) <= step:
                p[e] = end
                state[e] = settled(end)
                up[k] = none
                roots[waiting] = k
                waiting += 1
            else:
                p[e] = min(max(p[e] + step * (target - p[e]), lower), upper)
    return done


@kernel
def gather(root, tail, first, links, y, gam, p, state, up, offset, excess, order):
    """The pixels of a component, root first, into `order`; `up`, `offset`, and `excess` = y less what flows off.

    Returns:
        How many, and their sum of excess - offset.
    """
    order[0] = root
    up[root] = tail.shape[0]
    offset[root] = 0.0
    at, count = 0, 1
    total = 0.0
    while at < count:
        k = np.uintp(order[at])
        at += 1
        own = y[k]
        for position in range(np.uintp(first[k]), np.uintp(first[k + ONE])):
            e, other = np.uintp(links[position, ZERO]), np.uintp(links[position, ONE])
            if not state[e] & 1:
                own += p[e] if other > k else -p[e]
            elif e != up[k]:
                up[other] = e
                slope = state[e] * gam[e]
                offset[other] = offset[k] + (slope if other > k else -slope)
                order[count] = other
                count += 1
        excess[k] = own
        total += own - offset[k]
    return count, total
