"""Flows within components: remainders carried along trees, ways to where something lacks, and minimum cuts."""

import numpy as np

from difftv.solvers._compiler import kernel, part_of_kernel
from difftv.solvers._taut_string.network import DOWN, LEFT, NONE, ONE, RIGHT, ROOT, UP, ZERO, half_square

TREES = 2
"""Spanning trees that carry remainders: most components need no more, and what they leave is rarely for a third."""

WORTH_IT = 0.95
"""Ways from too much to too little are looked for as long as they leave less than this share of the sources."""

MARK = 8
"""Added to a pixel's parent."""


@kernel
def route(net, count, enough, least):
    """Carry the remainders of the first `count` of `members` off until 1/2 the sum of their squares is `enough`.

    Returns:
        That sum. Where it is not enough, `parent` marks what the last search has reached: one side of a cut.
    """
    left = half_square(net.rest, net.members, count)
    for turn in range(TREES):
        if left <= enough:
            return left
        left = _carry(net, count, turn, least)
    if left <= enough:
        return left
    sources, send = _sources(net, count, least), True
    while send:
        before = sources
        found, sources = _search(net, sources, least, send)
        send = found and sources < WORTH_IT * before
    if found:
        _search(net, sources, least, send)
    return half_square(net.rest, net.members, count)


@kernel
def _carry(net, count, turn, least):
    """Hand remainders on along spanning trees, from the leaves to the root: what does not fit stays where it is.

    Trees grow where a remainder of `least` or more is left, over edges with room both ways, and in each `turn` to
    another side first.

    Returns:
        1/2 the sum of the squared remainders of `members`.
    """
    width, _, w_right, w_down, q_right, q_down, sign_right, sign_down, _, _, rest, parent, order, members, _ = net
    head = tail = 0
    for number in range(count):
        root = np.uintp(members[count - 1 - number if turn % 2 else number])
        if parent[root] != NONE or abs(rest[root]) < least:
            continue
        parent[root] = ROOT
        order[tail] = root
        tail += 1
        while head < tail:
            k = np.uintp(order[head])
            head += 1
            for side in range(4):
                direction = (side + turn) & 3
                m = k
                if direction == RIGHT:
                    if sign_right[k] == 0 and abs(q_right[k]) < w_right[k] - least:
                        m = k + ONE
                elif direction == DOWN:
                    if sign_down[k] == 0 and abs(q_down[k]) < w_down[k] - least:
                        m = k + width
                elif direction == LEFT:
                    if k > ZERO and sign_right[k - ONE] == 0 and abs(q_right[k - ONE]) < w_right[k - ONE] - least:
                        m = k - ONE
                elif k >= width:
                    edge = k - width
                    if sign_down[edge] == 0 and abs(q_down[edge]) < w_down[edge] - least:
                        m = edge
                if parent[m] == NONE:
                    parent[m] = (direction + 2) & 3
                    order[tail] = m
                    tail += 1
    for position in range(tail - 1, -1, -1):
        k = np.uintp(order[position])
        _send(width, w_right, w_down, q_right, q_down, rest, parent, k)
        parent[k] = NONE
    return half_square(rest, members, count)


@kernel
def _sources(net, count, least):
    """Those of `members` that have too much: the first of `fresh`. Returns how many."""
    rest, members, fresh = net.rest, net.members, net.fresh
    sources = 0
    for number in range(count):
        k = members[number]
        if rest[k] > least:
            fresh[sources] = k
            sources += 1
    return sources


@kernel
def _search(net, sources, least, send):
    """Look from the `sources` for ways, within their components, to pixels with too little, and `send` through.

    Returns:
        Whether one was found, and how many sources are left. Where nothing is sent, the pixels that were reached keep
        their `parent`: one side of a cut, which is a minimum cut if no way was found.
    """
    width, _, w_right, w_down, q_right, q_down, _, _, label, _, rest, parent, order, _, fresh = net
    for number in range(sources):
        order[number] = fresh[number]
        parent[fresh[number]] = ROOT
    head, tail = 0, sources
    found = False
    while head < tail:
        k = np.uintp(order[head])
        head += 1
        found |= rest[k] < -least
        here = label[k]
        if q_right[k] < w_right[k] - least:
            m = k + ONE
            if parent[m] == NONE and label[m] == here:
                parent[m] = LEFT
                order[tail] = m
                tail += 1
        if q_down[k] < w_down[k] - least:
            m = k + width
            if parent[m] == NONE and label[m] == here:
                parent[m] = UP
                order[tail] = m
                tail += 1
        if k > ZERO:
            m = k - ONE
            if q_right[m] > least - w_right[m] and parent[m] == NONE and label[m] == here:
                parent[m] = RIGHT
                order[tail] = m
                tail += 1
        if k >= width:
            m = k - width
            if q_down[m] > least - w_down[m] and parent[m] == NONE and label[m] == here:
                parent[m] = DOWN
                order[tail] = m
                tail += 1
    if not (found and send):
        return found, sources
    for position in range(tail - 1, -1, -1):
        k = np.uintp(order[position])
        if rest[k] < 0.0:
            _send(width, w_right, w_down, q_right, q_down, rest, parent, k)
        parent[k] = NONE
    left = 0  # nobody gets too much by that
    for number in range(sources):
        if rest[fresh[number]] > least:
            fresh[left] = fresh[number]
            left += 1
    return True, left


@part_of_kernel
def _send(width, w_right, w_down, q_right, q_down, rest, parent, k):
    """Move the remainder of pixel k, or what it lacks, to its parent as far as the edge has room."""
    if parent[k] == RIGHT:
        _push(q_right, w_right, rest, k, k, k + ONE, 1.0)
    elif parent[k] == DOWN:
        _push(q_down, w_down, rest, k, k, k + width, 1.0)
    elif parent[k] == LEFT:
        _push(q_right, w_right, rest, k - ONE, k, k - ONE, -1.0)
    elif parent[k] == UP:
        _push(q_down, w_down, rest, k - width, k, k - width, -1.0)


@part_of_kernel
def _push(q, weight, rest, edge, k, m, way):
    before = q[edge]
    after = min(max(before + way * rest[k], -weight[edge]), weight[edge])
    q[edge] = after
    sent = way * (after - before)
    rest[k] -= sent
    rest[m] += sent


@kernel
def cut(net, count, least):
    """Separate the pixels that the last search has reached from the rest of their components, which lie lower.

    `members` are then the pixels of all components that have remainders.

    Returns:
        How many these are.
    """
    width, _, w_right, w_down, q_right, q_down, sign_right, sign_down, label, _, rest, parent, order, members, _ = net
    marks = 0  # a component is marked at the pixel that its label names
    for number in range(count):
        k = np.uintp(members[number])
        root = label[k]
        if abs(rest[k]) > least and parent[root] <= ROOT:
            parent[root] += MARK
            order[marks] = root
            marks += 1
    kept = 0
    for number in range(count):
        k = np.uintp(members[number])
        if parent[label[k]] <= ROOT:
            parent[k] = NONE
            continue
        members[kept] = k
        kept += 1
        _part(q_right, w_right, sign_right, label, parent, k, k + ONE)
        _part(q_down, w_down, sign_down, label, parent, k, k + width)
    for number in range(marks):
        parent[order[number]] -= MARK
    return kept


@part_of_kernel
def _part(q, weight, sign, label, parent, k, m):
    if m < np.uintp(label.shape[0]) and label[k] == label[m]:
        here = parent[k] != NONE and parent[k] != NONE + MARK
        there = parent[m] != NONE and parent[m] != NONE + MARK
        if here != there:
            sign[k] = 1 if here else -1
            q[k] = sign[k] * weight[k]
        elif abs(q[k]) < weight[k]:
            sign[k] = 0
