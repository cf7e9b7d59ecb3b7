"""The pixels of a signal, an image or a volume as a graph: neighbours along every axis, or eight in an image."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import kernel
from difftv.solvers.exact.network_simplex.dual_problem import ONE, Graph

_DIAGONALS = (((0, 0), (1, 1)), ((0, 1), (1, 0)))
"""Rows and columns from a pixel to the two ends of its diagonals: downwards to the right, and the one of the same four
pixels downwards to the left."""


class Grid(NamedTuple):
    """A graph whose edge k * pixels + i belongs to pixel i and direction k; past the border it does not exist."""

    graph: Graph
    tails: NDArray[np.int64]  # (directions,): from a pixel to the ends of its edge
    heads: NDArray[np.int64]
    exists: NDArray[np.bool_]  # (directions, *space)
    sequence: NDArray[np.uint32]  # the edges, those within blocks of 2x2 pixels first, then of 4x4, ...


CACHED_PIXELS = 512 * 512
"""Largest image whose graph is cached, some 100 bytes per pixel: worth it where many images have one size."""


def grid(directions: int, *space: int) -> Grid:
    """The graph of an image; the arrays may be shared between calls and are read only.

    Args:
        directions: edges per pixel: one along every axis, in their order, or, with two axes, 4: also both diagonals.
        space: sizes of one to three axes.

    Raises:
        ValueError: another number of axes or of directions.
    """
    return (_cached if math.prod(space) <= CACHED_PIXELS else _grid)(directions, *space)


def _ends(directions: int, axes: int) -> NDArray[np.int64]:
    """Steps along every axis from a pixel to the two ends of its edges, (directions, 2, axes)."""
    if not 1 <= axes <= 3 or directions not in ((axes, 4) if axes == 2 else (axes,)):
        raise ValueError(
            f"a grid has one to three axes, and one direction per axis or four of an image; got {directions} "
            f"directions of {axes} axes."
        )
    along = [(np.zeros(axes, np.int64), step) for step in np.eye(axes, dtype=np.int64)]
    return np.array([*along, *_DIAGONALS][:directions])


def _grid(directions: int, *space: int) -> Grid:
    ends = _ends(directions, len(space))
    size = math.prod(space)
    pixel = np.arange(size)
    exists = np.zeros((directions, *space), np.bool_)
    for k, extent in enumerate(ends.max(axis=1)):
        exists[k][tuple(slice(max(length - step, 0)) for length, step in zip(space, extent, strict=True))] = True
    strides = np.array([math.prod(space[axis + 1 :]) for axis in range(len(space))])
    tails, heads = (ends @ strides).T
    tail, head = (
        np.where(exists.reshape(directions, size), pixel + offsets[:, None], 0).ravel() for offsets in (tails, heads)
    )
    differ = np.zeros_like(tail)
    for here, there in zip(np.unravel_index(tail, space), np.unravel_index(head, space), strict=True):
        differ |= here ^ there
    block = np.frexp(differ.astype(np.float64))[1]
    sequence = np.argsort(block, kind="stable").astype(np.uint32)
    return Grid(graph_of(tail, head, exists.ravel(), size), *_read_only(tails, heads, exists, sequence))


_cached = lru_cache(maxsize=4)(_grid)


def graph_of(tail: NDArray[np.int64], head: NDArray[np.int64], exists: NDArray[np.bool_], size: int) -> Graph:
    """Any graph of `size` pixels, tail < head for each edge that exists."""
    tail, head = tail.astype(np.uint32), head.astype(np.uint32)
    return Graph(*_read_only(tail, head, *_link(tail, head, exists, size)))


def _read_only(*arrays: NDArray) -> tuple[NDArray, ...]:
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
