"""The 1-D problem, solved exactly: weighted total variation of one row.

    min_u  1/2 sum_k (u_k - z_k)^2 + sum_k w_k |u_k - u_{k+1}|

Let S_k = z_0 + ... + z_{k-1}. The derivative of the taut string, the shortest path from (0, S_0) to (n, S_n) inside the
tube |T_k - S_k| <= w_{k-1}, is the minimiser: u_k = T_{k+1} - T_k (Davies and Kovac 2001). S - T is the dual variable; where the
string touches the lower wall it is +w and u steps down, where it touches the upper wall it is -w and u steps up.

Both routines write the residual z - u and, per edge k (between pixel k and k+1), `sign`: 0 where the solver fused
the two pixels into one segment, else the sign of u_k - u_{k+1} (by the wall touched: it is right also where two
segments happen to have equal values). The fusion is a decision of the algorithm, no comparison of floats.

`w[n-1]`, past the border, must be 0: the end of the tube is a point.
"""

import numpy as np

from difftv.solvers._taut_string.compiler import kernel

PATIENCE = 8
"""Scan steps per pixel after which `scan` gives up; natural images take 1.2 to 2."""


@kernel
def solve_chain(z, w, reciprocal, residual, sign):
    """Solve one row: fast scan, or the linear-time funnel where the data make the scan go back too often."""
    if not scan(z, w, reciprocal, residual, sign, PATIENCE * z.shape[0]):
        funnel(z, w, reciprocal, residual, sign)


@kernel
def scan(z, w, reciprocal, residual, sign, budget):
    """Condat's direct algorithm with one weight per edge (Condat 2013, "A direct algorithm for 1D total variation denoising").

    From the last kink the two steepest straight lines that stay in the tube so far are followed, `low` and `high`; when
    a wall forbids one of them, the string bends where the other wall was touched last, and the scan restarts there.

    Returns:
        False, with the output unfinished, when more than `budget` scan steps were taken (worst case O(n^2)).
    """
    last = z.shape[0] - 1
    start = 0
    dual = 0.0  # S - T at the start of the segment
    while True:
        limit = w[start]
        low = z[start] - limit + dual
        high = z[start] + limit + dual
        above = -limit  # height of the line `low` over S at the current position
        below = limit  # the same for `high`
        low_end = start
        high_end = start
        bend = 0
        k = start
        while k < last:
            k += 1
            limit = w[k]
            above += low - z[k]
            below += high - z[k]
            if above > limit:
                bend = 1
                break
            if below < -limit:
                bend = -1
                break
            if above <= -limit:
                low += (-limit - above) * reciprocal[k - start + 1]
                above = -limit
                low_end = k
            if below >= limit:
                high += (limit - below) * reciprocal[k - start + 1]
                below = limit
                high_end = k
        if bend == 1:
            end, value, dual = low_end, low, w[low_end]
        elif bend == -1:
            end, value, dual = high_end, high, -w[high_end]
        else:
            end, value = last, low
        for i in range(start, end):
            residual[i] = z[i] - value
            sign[i] = 0
        residual[end] = z[end] - value
        sign[end] = bend
        if end == last:
            return True
        budget -= k - start
        if budget < 0:
            return False
        start = end + 1


@kernel
def funnel(z, w, reciprocal, residual, sign):
    """The taut string in linear time, whatever the data (Davies and Kovac 2001; Barbero and Sra 2018, section 2.2).

    The tube seen so far is summed up by two chains of straight pieces from the last kink: the greatest convex minorant of the upper
    wall and the least concave majorant of the lower wall. Each wall point enters and leaves a chain at most once.
    """
    n = z.shape[0]
    upper_at = np.empty(n + 1, np.int64)
    upper_height = np.empty(n + 1)
    upper_slope = np.empty(n + 1)
    lower_at = np.empty(n + 1, np.int64)
    lower_height = np.empty(n + 1)
    lower_slope = np.empty(n + 1)
    upper_first = upper_end = lower_first = lower_end = 0
    kink = 0
    height = 0.0  # of the string at the kink
    total = 0.0
    for k in range(1, n + 1):
        total += z[k - 1]
        wall = total + w[k - 1]
        slope = (wall - height) * reciprocal[k - kink]
        while upper_end > upper_first:
            top = upper_end - 1
            slope = (wall - upper_height[top]) * reciprocal[k - upper_at[top]]
            if slope > upper_slope[top]:
                break
            upper_end -= 1
            slope = (wall - height) * reciprocal[k - kink]
        if upper_end == upper_first:
            while lower_end > lower_first and slope < lower_slope[lower_first]:
                _emit(z, kink, lower_at[lower_first], lower_slope[lower_first], 1, residual, sign)
                kink = lower_at[lower_first]
                height = lower_height[lower_first]
                lower_first += 1
                slope = (wall - height) * reciprocal[k - kink]
            upper_first = upper_end = 0
        upper_at[upper_end] = k
        upper_height[upper_end] = wall
        upper_slope[upper_end] = slope
        upper_end += 1

        wall = total - w[k - 1]
        slope = (wall - height) * reciprocal[k - kink]
        while lower_end > lower_first:
            top = lower_end - 1
            slope = (wall - lower_height[top]) * reciprocal[k - lower_at[top]]
            if slope < lower_slope[top]:
                break
            lower_end -= 1
            slope = (wall - height) * reciprocal[k - kink]
        if lower_end == lower_first:
            while upper_end > upper_first and slope > upper_slope[upper_first]:
                _emit(z, kink, upper_at[upper_first], upper_slope[upper_first], -1, residual, sign)
                kink = upper_at[upper_first]
                height = upper_height[upper_first]
                upper_first += 1
                slope = (wall - height) * reciprocal[k - kink]
            lower_first = lower_end = 0
        lower_at[lower_end] = k
        lower_height[lower_end] = wall
        lower_slope[lower_end] = slope
        lower_end += 1
    # At the end both walls meet in one point, so the two chains are one straight piece from the kink.
    _emit(z, kink, n, (total - height) * reciprocal[n - kink], 0, residual, sign)


@kernel
def _emit(z, start, stop, value, bend, residual, sign):
    for i in range(start, stop):
        residual[i] = z[i] - value
        sign[i] = 0
    sign[stop - 1] = bend
