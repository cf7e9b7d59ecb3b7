"""The pixels of an image as a graph: four or eight neighbours."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import kernel
from difftv.solvers.exact.network_simplex.network import ONE, Graph

ENDS = {
    2: (((0, 0), (1, 0)), ((0, 0), (0, 1))),
    4: (((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 0), (1, 1)), ((0, 1), (1, 0))),
}
"""Rows and columns from a pixel to the two ends of its edges, by the number of directions: vertical, horizontal, the
diagonal downwards to the right, and the diagonal of the same four pixels downwards to the left."""


class Grid(NamedTuple):
    """A graph whose edge k * pixels + i belongs to pixel i and direction k; past the border it does not exist."""

    graph: Graph
    tails: NDArray[np.int64]  # (directions,): from a pixel to the ends of its edge
    heads: NDArray[np.int64]
    exists: NDArray[np.bool_]  # (directions, height, width)
    sequence: NDArray[np.uint32]  # the edges, those within blocks of 2x2 pixels first, then of 4x4, ...


KEPT_UP_TO = 512 * 512
"""Pixels of an image whose graph is kept: some 100 bytes each. It is worth it where many images have one size."""


def grid(directions: int, height: int, width: int) -> Grid:
    """The graph of an image; the arrays may be shared between calls and are read only."""
    return (_kept if height * width <= KEPT_UP_TO else _grid)(directions, height, width)


def _grid(directions: int, height: int, width: int) -> Grid:
    size = height * width
    pixel = np.arange(size)
    exists = np.zeros((directions, height, width), np.bool_)
    for k, ends in enumerate(ENDS[directions]):
        down, right = np.max(ends, axis=0)
        exists[k, : max(height - down, 0), : max(width - right, 0)] = True
    tails, heads = (np.array([ends[i][0] * width + ends[i][1] for ends in ENDS[directions]]) for i in (0, 1))
    tail, head = (
        np.where(exists.reshape(directions, size), pixel + ends[:, None], 0).ravel() for ends in (tails, heads)
    )
    (row, column), (other_row, other_column) = np.divmod(tail, width), np.divmod(head, width)
    block = np.frexp(((row ^ other_row) | (column ^ other_column)).astype(np.float64))[1]
    sequence = np.argsort(block, kind="stable").astype(np.uint32)
    return Grid(graph_of(tail, head, exists.ravel(), size), *_frozen(tails, heads, exists, sequence))


_kept = lru_cache(maxsize=4)(_grid)


def graph_of(tail: NDArray[np.int64], head: NDArray[np.int64], exists: NDArray[np.bool_], size: int) -> Graph:
    """Any graph of `size` pixels, tail < head for each edge that exists."""
    tail, head = tail.astype(np.uint32), head.astype(np.uint32)
    return Graph(*_frozen(tail, head, *_link(tail, head, exists, size)))


def _frozen(*arrays: NDArray) -> tuple[NDArray, ...]:
    for array in arrays:
        array.flags.writeable = False
    return arrays


@kernel
def _link(tail, head, exists, size):
    """The edges of each pixel: `first` and `links` of a `Graph`."""
    first = np.zeros(size + 1, np.uint32)
    for e in range(tail.shape[0]):
        if exists[e]:
            first[tail[e] + ONE] += 1
            first[head[e] + ONE] += 1
    for i in range(size):
        first[i + 1] += first[i]
    links = np.empty((first[size], 2), np.uint32)
    at = first[:size].copy()
    for e in range(tail.shape[0]):
        if exists[e]:
            for here, there in ((tail[e], head[e]), (head[e], tail[e])):
                links[at[here], 0] = e
                links[at[here], 1] = there
                at[here] += 1
    return first, links
