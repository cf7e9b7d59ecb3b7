"""Flows within components: remainders carried along trees, augmenting paths, and minimum cuts."""

import numpy as np

from difftv.solvers._compiler import kernel, part_of_kernel
from difftv.solvers.exact.taut_strings.network import DOWN, LEFT, NONE, ONE, RIGHT, ROOT, UP, ZERO

TREES = 2
"""Spanning trees that carry remainders: most components need no more, and what they leave is rarely for a third."""

WORTH_IT = 0.95
"""Augmenting paths are looked for as long as they leave less than this share of the sources."""

REACHED, BEYOND, OPEN = 1, 2, 4  # by the last search, not by it, and with too little although reached
BOTH = REACHED | BEYOND


@kernel
def route(net, count):
    """Carry the remainders of the first `count` of `members` off, as far as may be.

    Returns:
        How many `members` are left, those of components in which it has not been done. `parent` then marks what the
        last search has reached: one side of a cut.
    """
    count = _unsettled(net, count)
    for turn in range(TREES):
        if count == 0:
            return 0
        _carry(net, count, turn)
        count = _unsettled(net, count)
    for strict in (True, False):  # first from where there is too much; then, for what still lacks, from everywhere
        sources = _sources(net, count, strict)
        found = send = sources > 0
        while send:
            before = sources
            found, sources = _search(net, sources, send)
            send = found and 0 < sources < WORTH_IT * before
        if sources > 0:
            break
        count = _unsettled(net, count)
        if count == 0:
            return 0
    if sources == 0:
        found, sources = True, _sources(net, count, False)
    if found:
        _search(net, sources, False)
    return count


@kernel
def _unsettled(net, count):
    """Keep those of the first `count` of `members` whose components have remainders above rounding.

    Those are within rounding of which the largest is no more than what the running sums along a row or column of the
    sweeps leave in every pixel (no subset of the component is then off by more than that), or which add up to no more
    than the rounding of their sum.

    Returns:
        How many these are.
    """
    rest, least, label, members, excess, size = net.rest, net.least, net.label, net.members, net.excess, net.shortage
    pixels = np.uintp(rest.shape[0])
    running = 8.0 + max(net.width, pixels // net.width) / 8.0
    for number in range(count):
        root = label[members[number]]
        excess[root] = size[root] = 0.0
        net.seen[root] = 0
    for number in range(count):
        k = np.uintp(members[number])
        size[label[k]] += 1.0
        if abs(rest[k]) > least[k]:
            excess[label[k]] += abs(rest[k])
            if abs(rest[k]) > running * least[k]:
                net.seen[label[k]] = 1
    kept = 0
    for number in range(count):
        k = np.uintp(members[number])
        root = label[k]
        if net.seen[root] == 1 and excess[root] > least[k] * np.sqrt(size[root]):
            members[kept] = k
            kept += 1
    return kept


@kernel
def _carry(net, count, turn):
    """Hand remainders on along spanning trees, from the leaves to the root: what does not fit stays where it is.

    Trees grow where a remainder is left, over edges with slack both ways, and in each `turn` to another side first.
    """
    width, _, w_right, w_down, q_right, q_down, sign_right, sign_down, _, _, rest, least_of = net[:12]
    parent, order, members = net.parent, net.order, net.members
    head = tail = 0
    for number in range(count):
        root = np.uintp(members[count - 1 - number if turn % 2 else number])
        least = least_of[root]
        if parent[root] != NONE or abs(rest[root]) <= least:
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


@kernel
def _sources(net, count, strict):
    """Those of `members` that have too much, unless `strict` by however little: the first of `fresh`.

    Returns:
        How many.
    """
    rest, least, members, fresh = net.rest, net.least, net.members, net.fresh
    sources = 0
    for number in range(count):
        k = np.uintp(members[number])
        if rest[k] > (least[k] if strict else 0.0):
            fresh[sources] = k
            sources += 1
    return sources


@kernel
def _search(net, sources, send):
    """Look for augmenting paths within components, from `sources` to pixels with too little, and `send` along them.

    Returns:
        Whether one was found, and how many sources are left. Where nothing is sent, the pixels that were reached keep
        their `parent`: one side of a cut, which is a minimum cut if no path was found.
    """
    width, _, w_right, w_down, q_right, q_down, _, _, label, _, rest, least_of = net[:12]
    parent, order, fresh = net.parent, net.order, net.fresh
    for number in range(sources):
        order[number] = fresh[number]
        parent[fresh[number]] = ROOT
    head, tail = 0, sources
    found = False
    while head < tail:
        k = np.uintp(order[head])
        head += 1
        here, least = label[k], least_of[k]
        found |= rest[k] < -least
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
    left = 0  # no pixel gets too much by that
    for number in range(sources):
        if rest[fresh[number]] > least_of[fresh[number]]:
            fresh[left] = fresh[number]
            left += 1
    return True, left


@part_of_kernel
def _send(width, w_right, w_down, q_right, q_down, rest, parent, k):
    """Move the remainder of pixel k, or what it lacks, to its parent as far as the capacity of the edge allows."""
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
def split(net, count):
    """Separate what the last search has reached from the rest of its component, the lower part, where it has to be.

    `members` are then the pixels of all components that are not settled: those that have been split, and those in which
    an augmenting path is left.

    Returns:
        How many these are.
    """
    width, _, w_right, w_down, q_right, q_down, sign_right, sign_down, label, _, rest, least = net[:12]
    parent, members, excess, shortage, seen = net.parent, net.members, net.excess, net.shortage, net.seen
    for number in range(count):
        root = label[members[number]]
        excess[root] = shortage[root] = 0.0
        seen[root] = 0
    for number in range(count):
        k = np.uintp(members[number])
        root = label[k]
        if parent[k] == NONE:
            seen[root] |= BEYOND
            shortage[root] -= rest[k] + 2.0 * least[k]
        else:
            seen[root] |= REACHED | OPEN if rest[k] < -least[k] else REACHED
            excess[root] += rest[k] - 2.0 * least[k]
    kept = 0
    for number in range(count):
        k = np.uintp(members[number])
        root = label[k]
        apart = seen[root] & BOTH == BOTH and (excess[root] > 0.0 or shortage[root] > 0.0)
        if not apart and seen[root] & OPEN == 0:
            parent[k] = NONE
            continue
        members[kept] = k
        kept += 1
        if apart:
            _part(q_right, w_right, sign_right, label, parent, k, k + ONE)
            _part(q_down, w_down, sign_down, label, parent, k, k + width)
    return kept


@part_of_kernel
def _part(q, weight, sign, label, parent, k, m):
    if m < np.uintp(label.shape[0]) and label[k] == label[m]:
        here = parent[k] != NONE
        there = parent[m] != NONE
        if here != there:
            sign[k] = 1 if here else -1
            q[k] = sign[k] * weight[k]
        elif abs(q[k]) < weight[k]:
            sign[k] = 0
