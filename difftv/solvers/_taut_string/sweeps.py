"""Half sweeps: exact minimisation over one of the two dual blocks, for a range of columns or rows.

The dual problem is  min 1/2 ||y - a - b||^2,  a = D_v^T p_v with |p_v| <= lam_v,  b = D_h^T p_h with |p_h| <= lam_h.
Over a alone it falls into one 1-D problem per column, over b alone into one per row: a = residual of `solve_chain`
at y - b, b = residual at y - a (Chambolle and Pock 2015, "A remark on accelerated block coordinate descent", section 4).

The point that a half sweep starts from is c = b + momentum * (b - b_before), formed on the fly.
"""

import numpy as np

from difftv.solvers._taut_string.chain import solve_chain
from difftv.solvers._taut_string.compiler import kernel

STRIP = 16
"""Columns copied at a time into a transposed scratch: two cache lines of each image row."""

_PADDING = 8  # keeps the scratch rows of a power-of-two height out of the same cache sets


@kernel
def minimise_columns(y, b, b_before, momentum, w_columns, reciprocal, a, sign_columns, start, stop):
    """a = argmin over the column block, for columns start <= j < stop; `w_columns`, `sign_columns` are transposed."""
    height = y.shape[0]
    z = np.empty((STRIP, height + _PADDING))
    residual = np.empty((STRIP, height + _PADDING))
    for first in range(start, stop, STRIP):
        count = min(STRIP, stop - first)
        for i in range(height):
            for j in range(count):
                now = b[i, first + j]
                z[j, i] = y[i, first + j] - (now + momentum * (now - b_before[i, first + j]))
        for j in range(count):
            solve_chain(z[j, :height], w_columns[first + j], reciprocal, residual[j], sign_columns[first + j])
        for i in range(height):
            for j in range(count):
                a[i, first + j] = residual[j, i]


@kernel
def minimise_rows(y, a, b, b_before, momentum, w_rows, reciprocal, sign_rows, ascent, start, stop):
    """Next b = argmin over the row block, for rows start <= i < stop; it takes the place of `b_before`.

    `ascent[i]` becomes row i's share of <c - b_next, b_next - b>: where the sum is positive, the momentum points uphill.
    """
    width = y.shape[1]
    z = np.empty(width)
    residual = np.empty(width)
    for i in range(start, stop):
        for j in range(width):
            z[j] = y[i, j] - a[i, j]
        solve_chain(z, w_rows[i], reciprocal, residual, sign_rows[i])
        share = 0.0
        for j in range(width):
            now = b[i, j]
            step = residual[j] - now
            share += (momentum * (now - b_before[i, j]) - step) * step
            b_before[i, j] = residual[j]
        ascent[i] = share
