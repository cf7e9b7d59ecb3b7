"""The graph of edges, the state of each, and what the pivots work on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import Array, part_of_kernel

ZERO, ONE = np.uintp(0), np.uintp(1)  # positions are unsigned, see taut_strings/chain.py

FREE, RISE, BOUND, LEVEL, FLAT = 0, 1, 2, 3, 5
"""States of an edge. FREE: p = 0. RISE and -RISE: p from 0 to +-lam, Du = +-gam. BOUND and -BOUND: p = +-lam. LEVEL:
p from -lam to lam, Du = gam = 0. The odd ones make the forest. In an answer, and there only, LEVEL has the sign of p,
and is FLAT where p = 0; and an edge with lam = 0 is +-BOUND where |Du| > gam."""


class Graph(NamedTuple):
    """Edges from `tail` to `head`, tail < head, so (Du)_e = u[head] - u[tail]; and the same edges pixel by pixel."""

    tail: NDArray[np.uint32]
    head: NDArray[np.uint32]
    first: NDArray[np.uint32]  # pixels + 1: where each pixel's links begin
    links: NDArray[np.uint32]  # (2 * edges, 2): the edge and the pixel at its other end


class DualProblem(NamedTuple):
    """A problem and its dual. Units: the contrast of the data is between 1 and 2."""

    graph: Graph
    y: Array
    lam: Array  # finite; an edge with lam = 0 is FREE and stays so
    gam: Array
    p: Array
    state: NDArray[np.int8]
    tol: float  # by how much Du and p may be wrong: rounding
    u: Array
    label: NDArray[np.uint32]  # the index of one of the component's pixels
    up: NDArray[np.uint32]  # the edge to the parent in the forest; the number of edges at a root
    offset: Array  # u less the root's u
    excess: Array  # of a subtree
    order: NDArray[np.uint32]
    roots: NDArray[np.uint32]  # stack: one pixel of each component that waits for its values
    queue: NDArray[np.uint32]  # ring: edges that violate their state
    queued: NDArray[np.bool_]
    counters: NDArray[np.int64]  # (3,): where the ring is read and written, and how often `mark` has been used
    mark: NDArray[np.int64]  # of pixels, by the count of the path that last went up there
    cycle: NDArray[np.uint32]


ROUNDING = 2.0**-43
"""Relative error that values and duals are allowed."""


def dual_problem(graph: Graph, y: Array, lam: Array, gam: Array, p: Array, state: NDArray[np.int8]) -> DualProblem:
    """The problem around a dual variable within its bounds, in the states that it implies; p and state are changed."""
    size, edges = len(y), len(lam)
    tol = ROUNDING * max(1.0, float(np.abs(p).max(initial=0.0)))
    label, up, order, roots, cycle = np.empty((5, size), np.uint32)
    return DualProblem(
        graph, y, lam, gam, p, state, tol,
        u=np.empty(size), label=label, up=up, offset=np.empty(size), excess=np.empty(size), order=order, roots=roots,
        queue=np.empty(edges + 1, np.uint32), queued=np.zeros(edges, np.bool_),
        counters=np.zeros(3, np.int64), mark=np.zeros(size, np.int64), cycle=cycle,
    )  # fmt: skip


# What follows takes numbers and not the problem: to hand that on counts references to all its arrays, for every edge.


@part_of_kernel
def floor(state, lam):
    """The smallest p that the state of a forest edge allows."""
    return 0.0 if state == RISE else -lam


@part_of_kernel
def ceiling(state, lam):
    return 0.0 if state == -RISE else lam


@part_of_kernel
def settled(value):
    """The state of an edge on one of its ends, -lam, 0 or lam."""
    return FREE if value == 0.0 else BOUND if value > 0.0 else -BOUND


@part_of_kernel
def violation(state, lam, gam, difference):
    """How far Du of an edge outside the forest is from what its state allows."""
    if lam == 0.0:
        return 0.0
    return abs(difference) - gam if state == FREE else gam - difference * (state // BOUND)


@part_of_kernel
def enqueue(e, queue, queued, counters):
    """Write an edge that is not queued into the ring."""
    queued[e] = True
    queue[counters[1]] = e
    counters[1] = (counters[1] + 1) % queue.shape[0]
