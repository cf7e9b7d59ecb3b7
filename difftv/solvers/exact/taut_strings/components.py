"""The duality gap of an iterate."""

import numpy as np

from difftv.solvers._compiler import kernel


@kernel
def duality_gap(chains, a, b, u):
    """P(u) - D(p), written as a sum of terms >= 0 so that nothing cancels; q = cumulative sums of a and b = -p.

    P(u) - D(p) = 1/2 ||u - (y - a - b)||^2 + sum_e lam_e |u_i - u_j| - q_e (u_i - u_j)
    """
    y, w_columns, w_rows, _, _ = chains
    height, width = u.shape
    q_columns = np.zeros(width)
    gap = 0.0
    for i in range(height):
        q_row = 0.0
        row_gap = 0.0
        for j in range(width):
            here = u[i, j]
            distance = here - (y[i, j] - a[i, j] - b[i, j])
            row_gap += 0.5 * distance * distance
            q_row += b[i, j]
            q_columns[j] += a[i, j]
            if j + 1 < width:
                step = here - u[i, j + 1]
                row_gap += w_rows[i, j] * abs(step) - q_row * step
            if i + 1 < height:
                step = here - u[i + 1, j]
                row_gap += w_columns[j, i] * abs(step) - q_columns[j] * step
        gap += row_gap
    return gap
