"""Maximum flows within components by blocking flows: for the remainders that trees and single paths leave in volumes.

A search from the pixels with too little, backward over edges with slack, gives every pixel that it reaches its distance
to the nearest one; flow then goes from the pixels with too much over edges that lead one step nearer, until every such
path has a full edge. In the next round the distances are larger. A round costs what it reaches: in a volume these are
the few pixels around what is left, where a search of the component would visit millions for every path.

Reference: Dinic 1970, "Algorithm for solution of a problem of maximum flow in a network with power estimation".
"""

import numpy as np

from difftv.solvers._compiler import kernel, part_of_kernel

UNSEEN, NEAREST = 0, 1
"""Distances as they are stored: not reached, or without a way on; and of a pixel that has too little itself."""

MARGIN = 4
"""Steps that a round goes on for after the first pixel with too much has been reached."""


@kernel
def exhaust(problem, count):
    """Send flow within the components of the first `count` of `active` until none goes from too much to too little."""
    excess, rounding, active, frontier = problem.excess, problem.rounding, problem.active, problem.frontier
    size = frontier.shape[0]
    sources = sinks = 0  # the former at the beginning of `frontier`, the latter at its end
    for index in range(count):
        k = np.uintp(active[index])
        if excess[k] > rounding[k]:
            frontier[sources] = k
            sources += 1
        elif excess[k] < -rounding[k]:
            sinks += 1
            frontier[size - sinks] = k
    path = np.empty(64, np.uint32)
    while sources > 0 and sinks > 0:
        seen, deepest, found = _distances(problem, sinks)
        if path.shape[0] < deepest:
            path = np.empty(2 * deepest, np.uint32)
        if found:
            for index in range(sources):
                k = np.uintp(frontier[index])
                if problem.distance[k] != UNSEEN:
                    _send_from(problem, k, path)
        for position in range(seen):
            problem.distance[problem.order[position]] = UNSEEN
        if not found:
            return
        remaining = 0
        for index in range(sources):
            k = frontier[index]
            if excess[k] > rounding[k]:
                frontier[remaining] = k
                remaining += 1
        sources, remaining = remaining, 0
        for index in range(sinks):
            k = frontier[size - 1 - index]
            if excess[k] < -rounding[k]:
                remaining += 1
                frontier[size - remaining] = k
        sinks = remaining


@kernel
def _distances(problem, sinks):
    """Write the distances to the sinks, as far as the nearest sources and a little beyond.

    Returns:
        How many pixels were reached (those of `order`), the largest distance, and whether a source is among them.
    """
    strides, w, q, label, excess, rounding = (
        problem.strides,
        problem.w,
        problem.q,
        problem.label,
        problem.excess,
        problem.rounding,
    )
    order, distance, frontier = problem.order, problem.distance, problem.frontier
    size = np.uintp(excess.shape[0])
    for index in range(sinks):
        m = frontier[size - np.uintp(1 + index)]
        order[index] = m
        distance[m] = NEAREST
    head, tail = 0, sinks
    found, limit = False, np.int64(2**31 - 1)
    deepest = NEAREST
    while head < tail:
        m = np.uintp(order[head])
        head += 1
        deepest = distance[m] + 1
        if deepest > limit:
            break
        here, slack = label[m], rounding[m]
        for d in range(len(strides)):
            if m >= strides[d]:
                k = m - strides[d]
                if distance[k] == UNSEEN and label[k] == here and q[d, k] < w[d, k] - slack:
                    distance[k] = deepest
                    order[tail] = k
                    tail += 1
                    if not found and excess[k] > slack:
                        found, limit = True, deepest + MARGIN
            k = m + strides[d]
            if k < size and distance[k] == UNSEEN and label[k] == here and q[d, m] > slack - w[d, m]:
                distance[k] = deepest
                order[tail] = k
                tail += 1
                if not found and excess[k] > slack:
                    found, limit = True, deepest + MARGIN
    return tail, deepest, found


@kernel
def _send_from(problem, source, path):
    """Send what `source` has too much along shortest paths, until it has none or has no path left."""
    strides, w, q = problem.strides, problem.w, problem.q
    label, excess, distance, slack = problem.label, problem.excess, problem.distance, problem.rounding[source]
    path[0] = source
    length = 1
    while length > 0 and excess[source] > slack:
        k = np.uintp(path[length - 1])
        if distance[k] == NEAREST and excess[k] < -slack:
            amount = min(excess[source], -excess[k])
            for position in range(1, length):
                amount = min(amount, _room(strides, w, q, path[position - 1], path[position]))
            full = length
            for position in range(length - 1, 0, -1):
                _move(strides, w, q, path[position - 1], path[position], amount)
                if _room(strides, w, q, path[position - 1], path[position]) <= slack:
                    full = position
            excess[source] -= amount
            excess[k] += amount
            length = min(full, length)
            continue
        step = _nearer(strides, w, q, label, distance, k, slack)
        if step == k:
            distance[k] = UNSEEN  # no way on from here
            length -= 1
        else:
            path[length] = step
            length += 1


@kernel
def _nearer(strides, w, q, label, distance, k, slack):
    """A neighbour one step nearer over an edge with slack; k itself where there is none."""
    size = np.uintp(distance.shape[0])
    here, wanted = label[k], distance[k] - 1
    if wanted < NEAREST:
        return k
    for d in range(len(strides)):
        m = k + strides[d]
        if m < size and distance[m] == wanted and label[m] == here and q[d, k] < w[d, k] - slack:
            return m
        if k >= strides[d]:
            m = k - strides[d]
            if distance[m] == wanted and label[m] == here and q[d, m] > slack - w[d, m]:
                return m
    return k


@part_of_kernel
def _room(strides, w, q, here, there):
    """How much more the edge between two neighbours takes from here to there."""
    k, m = np.uintp(here), np.uintp(there)
    room = 0.0
    for d in range(len(strides)):
        if m == k + strides[d]:
            room = w[d, k] - q[d, k]
        elif k == m + strides[d]:
            room = w[d, m] + q[d, m]
    return room


@part_of_kernel
def _move(strides, w, q, here, there, amount):
    k, m = np.uintp(here), np.uintp(there)
    for d in range(len(strides)):
        if m == k + strides[d]:
            q[d, k] = min(q[d, k] + amount, w[d, k])
        elif k == m + strides[d]:
            q[d, m] = max(q[d, m] - amount, -w[d, m])
