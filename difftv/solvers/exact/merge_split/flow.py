"""Flows within components: remainders carried along trees, augmenting paths, and minimum cuts."""

import numpy as np

from difftv.solvers._compiler import kernel, part_of_kernel
from difftv.solvers.exact.merge_split.blocking import exhaust
from difftv.solvers.exact.merge_split.flow_problem import NONE, ROOT

TREES = 2
"""Spanning trees that carry remainders: most components need no more, and what they leave is rarely for a third."""

MIN_PROGRESS = 0.95
"""Largest fraction of the sources that a round of augmenting paths may leave for another to be worth it."""

REACHED, BEYOND, OPEN = 1, 2, 4  # by the last search, not by it, and with too little although reached
BOTH = REACHED | BEYOND


@kernel
def route(problem, count):
    """Carry the remainders of the first `count` of `active` off, as far as may be.

    Returns:
        How many `active` are left, those of components in which it has not been done. `parent` then marks what the
        last search has reached: one side of a cut.
    """
    count = _unsettled(problem, count)
    for turn in range(TREES):
        if count == 0:
            return 0
        _carry(problem, count, turn)
        count = _unsettled(problem, count)
    if len(problem.strides) == 3:
        exhaust(problem, count)
    for strict in (True, False):  # first from where there is too much; then, for what still lacks, from everywhere
        sources = _sources(problem, count, strict)
        found = send = sources > 0
        while send:
            before = sources
            found, sources = _search(problem, sources, send)
            send = found and 0 < sources < MIN_PROGRESS * before
        if sources > 0:
            break
        count = _unsettled(problem, count)
        if count == 0:
            return 0
    if sources == 0:
        found, sources = True, _sources(problem, count, False)
    if found:
        _search(problem, sources, False)
    return count


@kernel
def _unsettled(problem, count):
    """Keep those of the first `count` of `active` whose components have remainders above rounding.

    Those are within rounding of which the largest is no more than what the running sums along a row or column of the
    sweeps leave in every pixel (no subset of the component is then off by more than that), or which add up to no more
    than the rounding of their sum.

    Returns:
        How many these are.
    """
    excess, rounding, label, active, surplus, size = (
        problem.excess,
        problem.rounding,
        problem.label,
        problem.active,
        problem.surplus,
        problem.shortage,
    )
    running = 8.0 + problem.side / 8.0
    for index in range(count):
        root = label[active[index]]
        surplus[root] = size[root] = 0.0
        problem.flags[root] = 0
    for index in range(count):
        k = np.uintp(active[index])
        size[label[k]] += 1.0
        if abs(excess[k]) > rounding[k]:
            surplus[label[k]] += abs(excess[k])
            if abs(excess[k]) > running * rounding[k]:
                problem.flags[label[k]] = 1
    remaining = 0
    for index in range(count):
        k = np.uintp(active[index])
        root = label[k]
        if problem.flags[root] == 1 and surplus[root] > rounding[k] * np.sqrt(size[root]):
            active[remaining] = k
            remaining += 1
    return remaining


@kernel
def _carry(problem, count, turn):
    """Hand remainders on along spanning trees, from the leaves to the root: what does not fit stays where it is.

    Trees grow where a remainder is left, over edges with slack both ways, and in each `turn` to another side first.
    """
    strides, w, q, sign, excess = problem.strides, problem.w, problem.q, problem.sign, problem.excess
    parent, order, active = problem.parent, problem.order, problem.active
    axes = len(strides)
    head = tail = 0
    for index in range(count):
        root = np.uintp(active[count - 1 - index if turn % 2 else index])
        rounding = problem.rounding[root]
        if parent[root] != NONE or abs(excess[root]) <= rounding:
            continue
        parent[root] = ROOT
        order[tail] = root
        tail += 1
        while head < tail:
            k = np.uintp(order[head])
            head += 1
            for side in range(2 * axes):
                direction = (side + turn) % (2 * axes)
                m = k
                if direction < axes:
                    if sign[direction, k] == 0 and abs(q[direction, k]) < w[direction, k] - rounding:
                        m = k + strides[direction]
                else:
                    d = direction - axes
                    if k >= strides[d]:
                        edge = k - strides[d]
                        if sign[d, edge] == 0 and abs(q[d, edge]) < w[d, edge] - rounding:
                            m = edge
                if parent[m] == NONE:
                    parent[m] = (direction + axes) % (2 * axes)
                    order[tail] = m
                    tail += 1
    for position in range(tail - 1, -1, -1):
        k = np.uintp(order[position])
        _send(strides, w, q, excess, parent, k)
        parent[k] = NONE


@kernel
def _sources(problem, count, strict):
    """Those of `active` that have too much, unless `strict` by however little: the first of `frontier`.

    Returns:
        How many.
    """
    excess, rounding, active, frontier = problem.excess, problem.rounding, problem.active, problem.frontier
    sources = 0
    for index in range(count):
        k = np.uintp(active[index])
        if excess[k] > (rounding[k] if strict else 0.0):
            frontier[sources] = k
            sources += 1
    return sources


@kernel
def _search(problem, sources, send):
    """Look for augmenting paths within components, from `sources` to pixels with too little, and `send` along them.

    Returns:
        Whether one was found, and how many sources are left. Where nothing is sent, the pixels that were reached keep
        their `parent`: one side of a cut, which is a minimum cut if no path was found.
    """
    strides, w, q, label, excess = problem.strides, problem.w, problem.q, problem.label, problem.excess
    parent, order, frontier = problem.parent, problem.order, problem.frontier
    axes = len(strides)
    for index in range(sources):
        order[index] = frontier[index]
        parent[frontier[index]] = ROOT
    head, tail = 0, sources
    found = False
    while head < tail:
        k = np.uintp(order[head])
        head += 1
        here, rounding = label[k], problem.rounding[k]
        found |= excess[k] < -rounding
        for d in range(axes):
            if q[d, k] < w[d, k] - rounding:
                m = k + strides[d]
                if parent[m] == NONE and label[m] == here:
                    parent[m] = d + axes
                    order[tail] = m
                    tail += 1
        for d in range(axes):
            if k >= strides[d]:
                m = k - strides[d]
                if q[d, m] > rounding - w[d, m] and parent[m] == NONE and label[m] == here:
                    parent[m] = d
                    order[tail] = m
                    tail += 1
    if not (found and send):
        return found, sources
    for position in range(tail - 1, -1, -1):
        k = np.uintp(order[position])
        if excess[k] < 0.0:
            _send(strides, w, q, excess, parent, k)
        parent[k] = NONE
    remaining = 0  # no pixel gets too much by that
    for index in range(sources):
        if excess[frontier[index]] > problem.rounding[frontier[index]]:
            frontier[remaining] = frontier[index]
            remaining += 1
    return True, remaining


@part_of_kernel
def _send(strides, w, q, excess, parent, k):
    """Move the remainder of pixel k, or what it lacks, to its parent as far as the capacity of the edge allows."""
    way = parent[k]
    axes = len(strides)
    for d in range(axes):
        if way == d:
            _push(q[d], w[d], excess, k, k, k + strides[d], 1.0)
        elif way == d + axes:
            _push(q[d], w[d], excess, k - strides[d], k, k - strides[d], -1.0)


@part_of_kernel
def _push(q, weight, excess, edge, k, m, way):
    before = q[edge]
    after = min(max(before + way * excess[k], -weight[edge]), weight[edge])
    q[edge] = after
    sent = way * (after - before)
    excess[k] -= sent
    excess[m] += sent


@kernel
def split(problem, count):
    """Separate what the last search has reached from the others of its component, the lower part, where it has to be.

    `active` are then the pixels of all components that are not settled: those that have been split, and those in which
    an augmenting path is left.

    Returns:
        How many these are.
    """
    label, excess, rounding, parent = problem.label, problem.excess, problem.rounding, problem.parent
    active, surplus, shortage, flags = problem.active, problem.surplus, problem.shortage, problem.flags
    for index in range(count):
        root = label[active[index]]
        surplus[root] = shortage[root] = 0.0
        flags[root] = 0
    for index in range(count):
        k = np.uintp(active[index])
        root = label[k]
        if parent[k] == NONE:
            flags[root] |= BEYOND
            shortage[root] -= excess[k] + 2.0 * rounding[k]
        else:
            flags[root] |= REACHED | OPEN if excess[k] < -rounding[k] else REACHED
            surplus[root] += excess[k] - 2.0 * rounding[k]
    remaining = 0
    for index in range(count):
        k = np.uintp(active[index])
        root = label[k]
        separate = flags[root] & BOTH == BOTH and (surplus[root] > 0.0 or shortage[root] > 0.0)
        if not separate and flags[root] & OPEN == 0:
            parent[k] = NONE
            continue
        active[remaining] = k
        remaining += 1
        if separate:
            for d in range(len(problem.strides)):
                _separate(problem.q[d], problem.w[d], problem.sign[d], label, parent, k, k + problem.strides[d])
    return remaining


@part_of_kernel
def _separate(q, weight, sign, label, parent, k, m):
    if m < np.uintp(label.shape[0]) and label[k] == label[m]:
        here = parent[k] != NONE
        there = parent[m] != NONE
        if here != there:
            sign[k] = 1 if here else -1
            q[k] = sign[k] * weight[k]
        elif abs(q[k]) < weight[k]:
            sign[k] = 0
