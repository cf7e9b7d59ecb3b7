"""PRICE: edges whose Du their state does not allow enter the forest, until there are none."""

import numpy as np

from difftv.solvers._compiler import kernel
from difftv.solvers.exact.network_simplex.cycles import purify, push, trace
from difftv.solvers.exact.network_simplex.network import FREE, LEVEL, RISE, enqueue, wrong
from difftv.solvers.exact.network_simplex.relax import relax


@kernel
def finish(net, sequence, limit):
    """Pivot until every edge is right, from any dual within its bounds.

    Args:
        net: the network; its u, p, states are the minimiser's afterwards.
        limit: pixels looked at, over those of the image, after which to stop.

    Returns:
        Pivots.
    """
    size = net.y.shape[0]
    purify(net, sequence)
    waiting = 0
    for k in range(size):
        if net.up[k] == net.graph.tail.shape[0]:
            net.roots[waiting] = k
            waiting += 1
    net.u[:] = 0.0
    net.queued[:] = True  # nothing is looked at before all have values
    done = relax(net, waiting)
    net.queued[:] = False
    _look(net)
    pivots = 0
    while net.counters[0] != net.counters[1] and done < limit * size:
        e = np.uintp(net.queue[net.counters[0]])
        net.counters[0] = (net.counters[0] + 1) % net.queue.shape[0]
        net.queued[e] = False
        looks = _enter(net, e)
        pivots += looks > 0
        done += looks
    return pivots


@kernel
def _look(net):
    """Queue all edges that are wrong."""
    tail, head, _, _ = net.graph
    lam, gam, state, u = net.lam, net.gam, net.state, net.u
    for e in range(tail.shape[0]):
        if not state[e] & 1 and wrong(state[e], lam[e], gam[e], u[head[e]] - u[tail[e]]) > net.tol:
            enqueue(e, net.queue, net.queued, net.counters)


@kernel
def _enter(net, e):
    """One pivot, if the edge is wrong still; returns the pixels looked at."""
    tail, head = np.uintp(net.graph.tail[e]), np.uintp(net.graph.head[e])
    state, gam = net.state[e], net.gam[e]
    difference = net.u[head] - net.u[tail]
    if state & 1 or wrong(state, net.lam[e], gam, difference) <= net.tol:
        return 0
    if state == FREE:
        sign = 1.0 if difference > 0.0 else -1.0
        net.state[e] = RISE if sign > 0.0 else -RISE
    else:
        sign = 1.0 if state < 0 else -1.0
        net.state[e] = LEVEL if gam == 0.0 else RISE if state > 0 else -RISE
    net.roots[0] = tail
    if net.label[tail] != net.label[head]:
        return relax(net, 1)
    ends = net.graph.tail, net.graph.head
    length, turn = trace(e, *ends, net.up, net.mark, net.cycle, net.counters)
    if push(e, sign, length, turn, *ends, net.lam, net.p, net.state, net.up, net.cycle):
        return length + relax(net, 1)
    # From a bound the edge has gone through to 0, and may have to go on: nothing else has changed, so no check.
    enqueue(e, net.queue, net.queued, net.counters)
    return length
