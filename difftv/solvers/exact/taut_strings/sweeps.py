"""Half sweeps: exact minimisation over one of the two dual blocks, for a range of columns or rows.

The dual problem is  min 1/2 ||y - a - b||^2,  a = D_v^T p_v with |p_v| <= lam_v,  b = D_h^T p_h with |p_h| <= lam_h.
Over a alone it falls into one 1-D problem per column, over b alone into one per row: a = residual of the 1-D solve of
y - b, b = residual of that of y - a (Chambolle and Pock 2015, "A remark on accelerated block coordinate descent").

The point that a half sweep starts from is c = b + momentum * (b - b_before), formed on the fly.
"""

from typing import NamedTuple

import numpy as np

from difftv.solvers._compiler import Array, kernel
from difftv.solvers.exact.taut_strings.chain import OVERRUN, solve_chain

STRIP = 32
"""Columns copied at a time into a transposed scratch: four cache lines of each image row, and it fits the cache."""

_PADDING = 8  # keeps the scratch rows of an image of power-of-two height out of the same cache sets


class Chains(NamedTuple):
    """What stays the same from sweep to sweep."""

    y: Array  # height, width
    w_columns: Array  # width, height: transposed, finite, 0 past the border
    w_rows: Array  # height, width: finite, 0 past the border
    level: float  # taken off the data before they are summed up: it keeps the sums small, and cancels
    reciprocal: Array  # 1 / (k + 1) at position k


@kernel
def minimise_columns(chains, b, b_before, momentum, a, sign_columns, start, stop):
    """a = argmin over the column block, for columns start <= j < stop; `sign_columns` is transposed."""
    y, w_columns, _, level, reciprocal = chains
    height = y.shape[0]
    S = np.empty((STRIP, height + 1 + _PADDING))
    u = np.empty((STRIP, height + OVERRUN + _PADDING))
    S[:, 0] = 0.0
    for first in range(start, stop, STRIP):
        count = min(STRIP, stop - first)
        for i in range(height):
            for j in range(count):
                now = b[i, first + j]
                c = now + momentum * (now - b_before[i, first + j])
                S[j, i + 1] = S[j, i] + (y[i, first + j] - level - c)
        for j in range(count):
            solve_chain(S[j], w_columns[first + j], reciprocal, u[j], sign_columns[first + j])
        for i in range(height):
            for j in range(count):
                a[i, first + j] = S[j, i + 1] - S[j, i] - u[j, i]


@kernel
def minimise_rows(chains, a, b, b_before, momentum, sign_rows, ascent, start, stop):
    """Next b = argmin over the row block, for rows start <= i < stop; it takes the place of `b_before`.

    `ascent[i]` becomes row i's part of <c - b_next, b_next - b>; a positive sum says that the momentum points uphill.
    """
    y, _, w_rows, level, reciprocal = chains
    width = y.shape[1]
    S = np.empty(width + 1)
    u = np.empty(width + OVERRUN)
    S[0] = 0.0
    for i in range(start, stop):
        for j in range(width):
            S[j + 1] = S[j] + (y[i, j] - level - a[i, j])
        solve_chain(S, w_rows[i], reciprocal, u, sign_rows[i])
        part = 0.0
        for j in range(width):
            now = b[i, j]
            next_b = S[j + 1] - S[j] - u[j]
            step = next_b - now
            part += (momentum * (now - b_before[i, j]) - step) * step
            b_before[i, j] = next_b
        ascent[i] = part
