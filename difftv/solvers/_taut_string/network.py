"""An image as a network: the pixels in one row, the edges between neighbours, components, and a flow."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import Array, kernel
from difftv.solvers._taut_string.sweeps import Problem

ZERO, ONE = np.uintp(0), np.uintp(1)  # positions are unsigned, see chain.py
NONE, RIGHT, DOWN, LEFT, UP, ROOT = -1, 0, 1, 2, 3, 4  # where a pixel's parent is


class Network(NamedTuple):
    """The pixels in one row, and the edges from each to the right and down; past the border their weight is 0."""

    width: np.uintp
    y: Array
    w_right: Array
    w_down: Array
    q_right: Array  # the flow: the dual variable -p
    q_down: Array
    sign_right: NDArray[np.int8]  # of u here less u there, 0 within a component
    sign_down: NDArray[np.int8]
    label: NDArray[np.uint32]  # the index of one of the component's pixels
    value: Array
    rest: Array  # the remainder, y - u - divergence of the flow; over a component it sums to zero
    parent: NDArray[np.int8]
    order: NDArray[np.uint32]
    members: NDArray[np.uint32]  # pixels of the components that have changed; only these are looked at again
    fresh: NDArray[np.uint32]


def network(
    problem: Problem,
    a: Array,
    b: Array,
    sign_columns: NDArray[np.int8],
    sign_rows: NDArray[np.int8],
    label: NDArray[np.uint32],
    u: Array,
) -> Network:
    """What `finish` works on: label and u are written to, everything else is a copy."""
    height, width = u.shape
    q_down, q_right = np.cumsum(a, axis=0), np.cumsum(b, axis=1)
    q_down[-1] = q_right[:, -1] = 0.0  # but for rounding they are
    sign_right = sign_rows[:, :width].copy()
    sign_right[:, -1] = 1
    sign_down = np.ascontiguousarray(sign_columns[:, :height].T)
    sign_down[-1] = 1
    w_down = np.ascontiguousarray(problem.w_columns.T)
    pixels = np.arange(u.size, dtype=np.uint32)
    return Network(
        width=np.uintp(width),
        y=problem.y.reshape(-1),
        w_right=problem.w_rows.reshape(-1),
        w_down=w_down.reshape(-1),
        q_right=q_right.reshape(-1),
        q_down=q_down.reshape(-1),
        sign_right=sign_right.reshape(-1),
        sign_down=sign_down.reshape(-1),
        label=label.reshape(-1),
        value=u.reshape(-1),
        rest=np.empty(u.size),
        parent=np.full(u.size, NONE, np.int8),
        order=np.empty_like(pixels),
        members=pixels,
        fresh=np.empty_like(pixels),
    )


def take_over(
    net: Network,
    sign_columns: NDArray[np.int8],
    sign_rows: NDArray[np.int8],
) -> None:
    """Write the signs that `finish` has ended with."""
    height, width = len(sign_rows), len(sign_columns)
    sign_rows[:, :width] = net.sign_right.reshape(height, width)
    sign_columns[:, :height] = net.sign_down.reshape(height, width).T


@kernel
def half_square(rest, members, count):
    total = 0.0
    for number in range(count):
        total += rest[members[number]] * rest[members[number]]
    return 0.5 * total
