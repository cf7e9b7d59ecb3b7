"""From nearly right components to the exact minimiser, in finitely many steps.

Sweeps find most components within a dozen iterations and then level out what is left ever more slowly. Yet a set of
components, with the signs across their borders, is easily verified. It is right if and only if

  * the values that it implies (equation 2 of `exact/solver.py`) have those signs, and
  * within each component a dual variable |p_e| <= lam_e exists whose divergence is the data less the value: a flow
    that carries what some pixels have too much to those that have too little, on edges of capacity lam.

Where a sign is wrong, the two components are merged. Where no flow exists, a minimum cut shows it, and the component is
split along it. Repeated, this is the divide-and-conquer method for total variation by maximum flows (Hochbaum 2001;
Chambolle and Darbon 2009), except that it starts from the components and the flow of the sweeps, so that few steps do.

It ends when no border has a wrong sign and no component is to be split: then the components are right, whatever their
share of the energy of the image. All decisions are made component by component. A border is wrong when the two values
say so, by however little. A component is split when one side of the cut has an excess, or the other side a shortage,
of more than the rounding of the numbers in this component, pixel by pixel: below that the two pieces have equal values
to rounding. The flow is a certificate of all that: the duality gap of the result is that of rounding, about 1e-30.
"""

import numpy as np

from difftv.solvers._compiler import kernel, part_of_kernel
from difftv.solvers.exact.merge_split.flow import route, split
from difftv.solvers.exact.merge_split.flow_problem import NONE, ROOT, half_square

ROUNDING = 8 * np.finfo(np.float64).eps
"""Error of an excess, over the sum of the magnitudes of its terms."""


@kernel
def refine(problem, limit):
    """Merge and split components until they are right.

    The flow stays within its bounds, whatever happens.

    Args:
        problem: components and flow to begin with.
        limit: pixels visited, over those of the image, after which to stop.

    Returns:
        The duality gap, with `label`, `value` and signs the minimiser; infinity where the limit was reached.
    """
    size = problem.y.shape[0]
    count = size
    done = 0
    while done < limit * size:
        done += count
        count = refine_once(problem, count)
        if count == 0:
            return final_gap(problem)
    return np.inf


@kernel
def refine_once(problem, count):
    """One round for the components of the first `count` of `active`; returns how many pixels the next one is for."""
    count = _settle(problem, count)
    return split(problem, route(problem, count))


@kernel
def final_gap(problem):
    """The duality gap when no pixel is left for another round. Borders of weight zero get the sign of the values."""
    return _all_borders(problem) + half_square(problem.excess)


@kernel
def label_components(problem):
    """Connected components of the edges of sign 0: `label`, and `value` by the way."""
    _renew(problem, problem.active, problem.active.shape[0])


@kernel
def _settle(problem, count):
    """Values for the components of the first `count` of `active`, merged with neighbours until the signs agree.

    Returns:
        How many pixels these components have: the new `active`.
    """
    count = _renew(problem, problem.active, count)
    touched = _merge(problem, problem.active, count)
    if touched == 0:
        return count
    while touched > 0:
        touched = _merge(problem, problem.frontier, _renew(problem, problem.frontier, touched))
    # What has been merged with `active` belongs to them.
    return count if count == problem.y.shape[0] else _renew(problem, problem.active, count)


@kernel
def _renew(problem, pixels, count):
    """Label, value and remainders of all components of the first `count` pixels, whose pixels they become."""
    strides, y, w, q, sign, label, value, excess, rounding = problem[:9]
    parent, order = problem.parent, problem.order
    axes = len(strides)
    for index in range(count):
        parent[pixels[index]] = NONE
    tail = 0
    for index in range(count):
        root = np.uintp(pixels[index])
        if parent[root] != NONE:
            continue
        parent[root] = ROOT
        first = head = tail
        order[tail] = root
        tail += 1
        total = 0.0
        magnitude = 0.0
        while head < tail:
            k = np.uintp(order[head])
            head += 1
            label[k] = root
            outward = pull = 0.0
            own = abs(y[k])
            for d in range(axes):
                outward += q[d, k]
                own += abs(q[d, k])
                pull += w[d, k] * sign[d, k]
                if sign[d, k] == 0 and parent[k + strides[d]] == NONE:
                    parent[k + strides[d]] = ROOT
                    order[tail] = k + strides[d]
                    tail += 1
            magnitude += own
            for d in range(axes):
                if k >= strides[d]:
                    m = k - strides[d]
                    outward -= q[d, m]
                    magnitude += abs(q[d, m])
                    pull -= w[d, m] * sign[d, m]
                    if sign[d, m] == 0 and parent[m] == NONE:
                        parent[m] = ROOT
                        order[tail] = m
                        tail += 1
            total += y[k] - pull
            excess[k] = y[k] - outward
        mean = total / (tail - first)
        drift = 0.0  # the sum of many pixels is rounded more than the remainders are, which are small
        for position in range(first, tail):
            k = np.uintp(order[position])
            excess[k] -= mean
            drift += excess[k]
        drift /= tail - first
        mean += drift
        magnitude *= ROUNDING / (tail - first)
        for position in range(first, tail):
            k = np.uintp(order[position])
            value[k] = mean
            excess[k] -= drift
            rounding[k] = magnitude
    for index in range(tail):
        pixels[index] = order[index]
        parent[order[index]] = NONE
    return tail


@kernel
def _merge(problem, pixels, count):
    """Remove the wrong signs around the pixels.

    Returns:
        How many pixels are beside borders that are no more: these are `frontier`.
    """
    strides, w, sign, value, frontier = problem.strides, problem.w, problem.sign, problem.value, problem.frontier
    size = np.uintp(value.shape[0])
    found = 0
    for index in range(count):
        k = np.uintp(pixels[index])
        wrong = 0.0
        for d in range(len(strides)):
            if k < size - strides[d]:
                wrong += _wrong(sign[d], w[d], value, k, k + strides[d])
            if k >= strides[d]:
                wrong += _wrong(sign[d], w[d], value, k - strides[d], k)
        if wrong > 0.0:
            frontier[found] = k
            found += 1
    for index in range(found):
        k = np.uintp(frontier[index])
        for d in range(len(strides)):
            if k < size - strides[d] and _wrong(sign[d], w[d], value, k, k + strides[d]) > 0.0:
                sign[d, k] = 0
            if k >= strides[d] and _wrong(sign[d], w[d], value, k - strides[d], k) > 0.0:
                sign[d, k - strides[d]] = 0
    return found


@part_of_kernel
def _wrong(sign, weight, value, k, m):
    """What an edge adds to the duality gap, w |u_k - u_m| - q (u_k - u_m) with q = sign w: no branches, all is data."""
    return 2.0 * weight[k] * max(0.0, -sign[k] * (value[k] - value[m]))


@kernel
def _all_borders(problem):
    """What all borders add to the duality gap. Those of weight zero, never merged, get the sign of the values."""
    strides, w, sign, value = problem.strides, problem.w, problem.sign, problem.value
    size = np.uintp(value.shape[0])
    gap = 0.0
    for k in range(size):
        for d in range(len(strides)):
            if k + strides[d] < size:
                gap += _wrong(sign[d], w[d], value, k, k + strides[d])
                if w[d, k] == 0.0:
                    sign[d, k] = 1 if value[k] > value[k + strides[d]] else -1
    return gap
