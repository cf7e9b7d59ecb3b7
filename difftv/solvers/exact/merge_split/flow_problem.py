"""A signal, an image or a volume as a flow problem: the pixels in one row, the edges between neighbours along every
axis, components, and a flow."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import Array, kernel

NONE, ROOT = -1, 100  # where a pixel's parent is: forward along a direction, or number of directions more for backward


class FlowProblem(NamedTuple):
    """The pixels in one row, and the edges from each to the next along every direction, the last axis first.

    An edge is named by its direction and by the pixel that it starts from; past the border its weight is 0 and its sign
    1.
    """

    strides: tuple[np.uintp, ...]  # from a pixel to the next, per direction; of a tuple the length is known to Numba
    y: Array
    w: Array  # (directions, pixels)
    q: Array  # (directions, pixels), the flow: the dual variable -p
    sign: NDArray[np.int8]  # (directions, pixels), of u here less u there, 0 within a component
    label: NDArray[np.uint32]  # the index of one of the component's pixels
    value: Array
    excess: Array  # at a pixel: y - u - divergence of the flow; over a component it sums to zero
    rounding: Array  # largest excess that is rounding, of the numbers in the pixel's component
    surplus: Array  # of the reached part of a component, at the pixel that its label names
    shortage: Array  # of the other part
    flags: NDArray[np.uint8]  # what there is in a component: REACHED, BEYOND, OPEN
    parent: NDArray[np.int8]
    order: NDArray[np.uint32]
    active: NDArray[np.uint32]  # pixels of the components that have changed; only these are visited again
    frontier: NDArray[np.uint32]  # pixels that a merge or a search begins with
    distance: NDArray[np.int32]  # of volumes: steps to a pixel with too little, see blocking.py
    side: float  # largest side


def flow_problem(
    y: Array, w: Array, q: Array, sign: NDArray[np.int8], label: NDArray[np.uint32], u: Array
) -> FlowProblem:
    """What `refine` works on: all arguments but y and w are written to.

    Args:
        y: (*space), contiguous like all arrays here.
        w: (directions, *space), finite, 0 past the border; the last axis first.
        q: (directions, *space), the flow, brought within its bounds, and to them where a sign says so.
        sign: (directions, *space), 1 past the border.
        label, u: (*space).
    """
    space = y.shape
    flat = len(space), y.size
    _bound(q.reshape(-1), w.reshape(-1), sign.reshape(-1))
    pixels = np.arange(y.size, dtype=np.uint32)
    return FlowProblem(
        strides=strides_of(space),
        y=y.reshape(-1),
        w=w.reshape(flat),
        q=q.reshape(flat),
        sign=sign.reshape(flat),
        label=label.reshape(-1),
        value=u.reshape(-1),
        excess=np.empty(y.size),
        rounding=np.empty(y.size),
        surplus=np.empty(y.size),
        shortage=np.empty(y.size),
        flags=np.empty(y.size, np.uint8),
        parent=np.full(y.size, NONE, np.int8),
        order=np.empty_like(pixels),
        active=pixels,
        frontier=np.empty_like(pixels),
        distance=np.zeros(y.size if len(space) == 3 else 0, np.int32),
        side=float(max(space)),
    )


def strides_of(space: tuple[int, ...]) -> tuple[np.uintp, ...]:
    """Steps from a pixel to the next along every axis, the last axis first."""
    return tuple(np.uintp(math.prod(space[axis + 1 :])) for axis in reversed(range(len(space))))


@kernel
def _bound(q, w, sign):
    """Take the rounding off a flow: within its bounds everywhere, at them where a sign says so."""
    for e in range(q.shape[0]):
        if sign[e] == 0:
            q[e] = min(max(q[e], -w[e]), w[e])
        else:
            q[e] = sign[e] * w[e]


@kernel
def half_square(excess):
    total = 0.0
    for k in range(excess.shape[0]):
        total += excess[k] * excess[k]
    return 0.5 * total
