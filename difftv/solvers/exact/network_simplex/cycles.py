"""Pushes around cycles of the graph: they change p but not D^T p, so only sum gam |p| of the dual objective."""

import numpy as np

from difftv.solvers._compiler import kernel, part_of_kernel
from difftv.solvers.exact.network_simplex.dual_problem import ceiling, floor, settled


@kernel
def purify(problem, sequence):
    """Make the edges of odd state a forest: one by one, each joins two trees or closes a cycle, which is then pushed.

    Args:
        sequence: the edges, local ones first, so that their cycles are short.
    """
    graph, y, lam, gam, p, state, _, _, parent, up, _, _, _, weight, _, _, counters, mark, cycle = problem
    tail, head, _, _ = graph
    none = np.uint32(tail.shape[0])
    for k in range(y.shape[0]):
        up[k] = none
        parent[k] = k
        weight[k] = 1
    for e in sequence:
        if not state[e] & 1:
            continue
        one, other = _find(parent, tail[e]), _find(parent, head[e])
        if one == other:
            length, turn = trace(e, tail, head, up, mark, cycle, counters)
            sign = 1.0 if _saving(e, length, turn, head, gam, state, up, cycle) >= 0.0 else -1.0
            push(e, sign, length, turn, tail, head, lam, p, state, up, cycle)
            continue
        k = head[e]
        if weight[one] < weight[other]:
            k, one, other = tail[e], other, one
        parent[other] = one
        weight[one] += weight[other]
        _hang(tail, head, up, k, e, none)


@kernel
def _find(parent, k):
    """The root of a set of pixels; every second pixel on the way is moved up."""
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@kernel
def _hang(tail, head, up, k, e, last):
    """Hang pixel k on edge e, and turn round the path from k up to the edge `last`, which is given up."""
    edge = np.uint32(e)
    while True:
        above = up[k]
        up[k] = edge
        if above == last:
            return
        k = tail[above] + head[above] - k
        edge = above


@kernel
def trace(e, tail, head, up, mark, cycle, counters):
    """The forest's path from the head of `e` back to its tail, as the pixels below its edges.

    Returns:
        How many there are in `cycle`, and how many of these are on the head's side.
    """
    none = np.uintp(tail.shape[0])
    counters[2] += 1
    stamp = counters[2]
    left, right = np.uintp(head[e]), np.uintp(tail[e])
    mark[left] = mark[right] = stamp
    # Both ends climb in turn, until one of them comes to where the other has been.
    while True:
        f = np.uintp(up[left])
        if f != none:
            left = np.uintp(tail[f] + head[f] - left)
            if mark[left] == stamp:
                meeting = left
                break
            mark[left] = stamp
        f = np.uintp(up[right])
        if f != none:
            right = np.uintp(tail[f] + head[f] - right)
            if mark[right] == stamp:
                meeting = right
                break
            mark[right] = stamp
    length = 0
    k = np.uintp(head[e])
    while k != meeting:
        cycle[length] = k
        length += 1
        k = np.uintp(tail[up[k]] + head[up[k]] - k)
    turn = length
    k = np.uintp(tail[e])
    while k != meeting:
        cycle[length] = k
        length += 1
        k = np.uintp(tail[up[k]] + head[up[k]] - k)
    return length, turn


@kernel
def _saving(e, length, turn, head, gam, state, up, cycle):
    """By how much Du of the edge exceeds its slope, which is what a push in its direction saves per unit."""
    around = -state[e] * gam[e]
    for position in range(length):
        k = cycle[position]
        f = np.uintp(up[k])
        slope = state[f] * gam[f]
        around += slope if (head[f] == k) == (position < turn) else -slope
    return around


@kernel
def push(e, sign, length, turn, tail, head, lam, p, state, up, cycle):
    """Push along `e` in the direction of `sign` until it, or an edge of its cycle, meets an end of its interval.

    Returns:
        Whether `e` has taken another edge's place in the forest; otherwise it is on an end itself.
    """
    lower, upper = floor(state[e], lam[e]), ceiling(state[e], lam[e])
    slack = upper - p[e] if sign > 0.0 else p[e] - lower
    leaving = length
    for position in range(length):
        f = np.uintp(up[cycle[position]])
        if _along(head[f] == cycle[position], position < turn) * sign > 0.0:
            own = ceiling(state[f], lam[f]) - p[f]
        else:
            own = p[f] - floor(state[f], lam[f])
        if own < slack:
            slack, leaving = own, position
    for position in range(length):
        f = np.uintp(up[cycle[position]])
        move = _along(head[f] == cycle[position], position < turn) * sign * slack
        p[f] = min(max(p[f] + move, floor(state[f], lam[f])), ceiling(state[f], lam[f]))
    if leaving == length:
        p[e] = upper if sign > 0.0 else lower
        state[e] = settled(p[e])
        return False
    p[e] = min(max(p[e] + sign * slack, lower), upper)
    bottom = cycle[leaving]
    f = np.uintp(up[bottom])
    rises = _along(head[f] == bottom, leaving < turn) * sign > 0.0
    p[f] = ceiling(state[f], lam[f]) if rises else floor(state[f], lam[f])
    state[f] = settled(p[f])
    # What hung on f now hangs on e: turn the path from e's end up to f round.
    _hang(tail, head, up, head[e] if leaving < turn else tail[e], e, up[bottom])
    return True


@part_of_kernel
def _along(is_head, climbs):
    """+1 where the flow around the cycle, through `e` from tail to head, runs along the edge below a pixel; else -1."""
    return -1.0 if is_head == climbs else 1.0
