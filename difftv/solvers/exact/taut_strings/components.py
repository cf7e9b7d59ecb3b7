"""What is computed once the components are known: the duality gap, and the gradient."""

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


@kernel
def pull_back(grad, sign_columns, sign_rows, label, mean, grad_columns, grad_rows):
    """Gradient (equations 3 and 4 of `exact/solver.py`): `mean` = component means of `grad`, and that of both maps."""
    height, width = grad.shape
    size = np.zeros(label.size, np.int32)
    total = np.zeros(label.size)
    for i in range(height):
        for j in range(width):
            size[label[i, j]] += 1
            total[label[i, j]] += grad[i, j]
    for i in range(height):
        for j in range(width):
            mean[i, j] = total[label[i, j]] / size[label[i, j]]
    for i in range(height):
        for j in range(width):
            # Within a component the two means are the same number, so the product is an exact zero there.
            if j + 1 < width:
                grad_rows[i, j] -= sign_rows[i, j] * (mean[i, j] - mean[i, j + 1])
            if i + 1 < height:
                grad_columns[i, j] -= sign_columns[j, i] * (mean[i, j] - mean[i + 1, j])
