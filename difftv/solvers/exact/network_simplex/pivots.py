"""Pivots: edges whose Du their state does not allow enter the forest, until there are none."""

import numpy as np

from difftv.solvers._compiler import kernel
from difftv.solvers.exact.network_simplex.cycles import purify, push, trace
from difftv.solvers.exact.network_simplex.dual_problem import FREE, LEVEL, RISE, enqueue, violation
from difftv.solvers.exact.network_simplex.relax import relax


@kernel
def refine(problem, sequence, limit):
    """Pivot until no edge is violated, from any dual within its bounds.

    Args:
        problem: the dual problem; its u, p, states are the minimiser's afterwards.
        limit: pixels visited, over those of the image, after which to stop.

    Returns:
        Pivots.
    """
    return pivot_on(problem, limit * problem.y.shape[0] - begin(problem, sequence))[0]


@kernel
def begin(problem, sequence):
    """Values for all components, and the edges that violate their states in the queue; returns the pixels visited."""
    size = problem.y.shape[0]
    purify(problem, sequence)
    trees = 0
    for k in range(size):
        if problem.up[k] == problem.graph.tail.shape[0]:
            problem.roots[trees] = k
            trees += 1
    problem.u[:] = 0.0
    problem.queued[:] = True  # no edge is checked before all have values
    done = relax(problem, trees)
    problem.queued[:] = False
    enqueue_violated(problem)
    return done


@kernel
def waiting(problem):
    """Edges in the queue."""
    return (problem.counters[1] - problem.counters[0]) % problem.queue.shape[0]


@kernel
def pivot_on(problem, limit):
    """Pivot until the queue is empty, or so many pixels have been visited; returns the pivots and these pixels."""
    pivots = done = 0
    while problem.counters[0] != problem.counters[1] and done < limit:
        e = np.uintp(problem.queue[problem.counters[0]])
        problem.counters[0] = (problem.counters[0] + 1) % problem.queue.shape[0]
        problem.queued[e] = False
        visited = pivot(problem, e)
        pivots += visited > 0
        done += visited
    return pivots, done


@kernel
def enqueue_violated(problem):
    """Queue all edges whose Du their state does not allow."""
    tail, head, _, _ = problem.graph
    lam, gam, state, u = problem.lam, problem.gam, problem.state, problem.u
    for e in range(tail.shape[0]):
        if not state[e] & 1 and violation(state[e], lam[e], gam[e], u[head[e]] - u[tail[e]]) > problem.tol:
            enqueue(e, problem.queue, problem.queued, problem.counters)


@kernel
def pivot(problem, e):
    """One pivot, if the edge is still violated; returns the pixels visited."""
    tail, head = np.uintp(problem.graph.tail[e]), np.uintp(problem.graph.head[e])
    state, gam = problem.state[e], problem.gam[e]
    difference = problem.u[head] - problem.u[tail]
    if state & 1 or violation(state, problem.lam[e], gam, difference) <= problem.tol:
        return 0
    if state == FREE:
        sign = 1.0 if difference > 0.0 else -1.0
        problem.state[e] = RISE if sign > 0.0 else -RISE
    else:
        sign = 1.0 if state < 0 else -1.0
        problem.state[e] = LEVEL if gam == 0.0 else RISE if state > 0 else -RISE
    problem.roots[0] = tail
    if problem.label[tail] != problem.label[head]:
        return relax(problem, 1)
    ends = problem.graph.tail, problem.graph.head
    length, turn = trace(e, *ends, problem.up, problem.mark, problem.cycle, problem.counters)
    if push(e, sign, length, turn, *ends, problem.lam, problem.p, problem.state, problem.up, problem.cycle):
        return length + relax(problem, 1)
    # From a bound the edge has gone through to 0, and may have to go on: nothing else has changed, so no check.
    enqueue(e, problem.queue, problem.queued, problem.counters)
    return length
