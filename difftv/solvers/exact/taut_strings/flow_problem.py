"""An image as a flow problem: the pixels in one row, the edges between neighbours, components, and a flow."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import Array, kernel
from difftv.solvers.exact.taut_strings.sweeps import Chains

ZERO, ONE = np.uintp(0), np.uintp(1)  # positions are unsigned, see chain.py
NONE, RIGHT, DOWN, LEFT, UP, ROOT = -1, 0, 1, 2, 3, 4  # where a pixel's parent is


class FlowProblem(NamedTuple):
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
    excess: Array  # at a pixel: y - u - divergence of the flow; over a component it sums to zero
    rounding: Array  # largest excess that is rounding, of the numbers in the pixel's component
    surplus: Array  # of the reached part of a component, at the pixel that its label names
    shortage: Array  # of the other part
    flags: NDArray[np.uint8]  # what there is in a component: REACHED, BEYOND, OPEN
    parent: NDArray[np.int8]
    order: NDArray[np.uint32]
    active: NDArray[np.uint32]  # pixels of the components that have changed; only these are visited again
    frontier: NDArray[np.uint32]  # pixels that a merge or a search begins with


def flow_problem(
    chains: Chains,
    a: Array,
    b: Array,
    sign_columns: NDArray[np.int8],
    sign_rows: NDArray[np.int8],
    label: NDArray[np.uint32],
    u: Array,
) -> FlowProblem:
    """What `refine` works on: label and u are written to, everything else is a copy."""
    height, width = u.shape
    sign_right = sign_rows[:, :width].copy()
    sign_right[:, -1] = 1
    sign_down = np.ascontiguousarray(sign_columns[:, :height].T)
    sign_down[-1] = 1
    w_right, w_down = chains.w_rows, np.ascontiguousarray(chains.w_columns.T)
    q_right, q_down = np.cumsum(b, axis=1), np.cumsum(a, axis=0)
    _bound(q_right, w_right, sign_right)
    _bound(q_down, w_down, sign_down)
    pixels = np.arange(u.size, dtype=np.uint32)
    return FlowProblem(
        width=np.uintp(width),
        y=chains.y.reshape(-1),
        w_right=w_right.reshape(-1),
        w_down=w_down.reshape(-1),
        q_right=q_right.reshape(-1),
        q_down=q_down.reshape(-1),
        sign_right=sign_right.reshape(-1),
        sign_down=sign_down.reshape(-1),
        label=label.reshape(-1),
        value=u.reshape(-1),
        excess=np.empty(u.size),
        rounding=np.empty(u.size),
        surplus=np.empty(u.size),
        shortage=np.empty(u.size),
        flags=np.empty(u.size, np.uint8),
        parent=np.full(u.size, NONE, np.int8),
        order=np.empty_like(pixels),
        active=pixels,
        frontier=np.empty_like(pixels),
    )


def write_signs(
    problem: FlowProblem,
    sign_columns: NDArray[np.int8],
    sign_rows: NDArray[np.int8],
) -> None:
    """Write the signs that `refine` has ended with."""
    height, width = len(sign_rows), len(sign_columns)
    sign_rows[:, :width] = problem.sign_right.reshape(height, width)
    sign_columns[:, :height] = problem.sign_down.reshape(height, width).T


@kernel
def _bound(q, w, sign):
    """Take the rounding off a flow: within its bounds everywhere, at them where a sign says so."""
    for i in range(q.shape[0]):
        for j in range(q.shape[1]):
            if sign[i, j] == 0:
                q[i, j] = min(max(q[i, j], -w[i, j]), w[i, j])
            else:
                q[i, j] = sign[i, j] * w[i, j]


@kernel
def half_square(excess):
    total = 0.0
    for k in range(excess.shape[0]):
        total += excess[k] * excess[k]
    return 0.5 * total
