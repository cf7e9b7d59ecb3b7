"""The 1-D problem, solved exactly: weighted total variation of one row.

    min_u  1/2 sum_k (u_k - z_k)^2 + sum_k w_k |u_k - u_{k+1}|

Let S_k = z_0 + ... + z_{k-1}. The minimiser is the slope u_k = T_{k+1} - T_k of the taut string T, the shortest path
from (0, S_0) to (n, S_n) inside the tube |T_{k+1} - S_{k+1}| <= w_k (Davies and Kovac 2001). S - T is the dual
variable: where the string bends around the lower wall it is +w and u steps down, around the upper wall it is -w and
u steps up. The routines take S, and w with w[n-1] = 0, for there the tube ends in a point.

They write u and, per edge k (between the pixels k and k+1), `sign`: 0 where the two pixels are in one straight segment,
else the sign of u_k - u_{k+1}. It follows from the wall and not from the values, so it is right also where two segments
have equal slopes: joining is a decision of the algorithm, not a comparison of floats. Across an edge of weight
zero nothing is ever joined. Both write up to `OVERRUN` entries past the end.
"""

import numpy as np

from difftv.solvers._compiler import kernel

SCAN_LIMIT = 8
"""Scan steps per pixel after which `scan` gives up; natural images take 1.2 to 2."""

OVERRUN = 3
"""Segments are written four entries at a time: most are shorter, and a loop of unpredictable length costs more."""

# Positions are unsigned: on a signed one, Numba tests every array access for "negative, so count from the end" (+40 %).
_0, _1, _2, _3, _4 = (np.uintp(number) for number in range(5))


@kernel
def solve_chain(S, w, reciprocal, u, sign):
    """Solve one row: by the fast scan, or by the linear-time funnel where the data make the scan go back too often.

    Args:
        S: (n + 1,), cumulative sums of the data, up to a linear term that then is missing from u.
        w: (n,), weights >= 0, finite, the last one 0.
        reciprocal: 1 / (k + 1) at position k.
        u, sign: outputs, (n + OVERRUN,).
    """
    if not scan(S, w, reciprocal, u, sign, np.uintp(SCAN_LIMIT * w.shape[0])):
        funnel(S, w, u, sign)


@kernel
def scan(S, w, reciprocal, u, sign, budget):
    """Condat's direct algorithm (2013, "A direct algorithm for 1D total variation denoising"), one weight per edge.

    From the last bend, `low` and `high` are the slopes of the lowest and the highest straight line that has stayed
    in the tube so far. When a wall rules out one of them, the string bends where it touched the other wall last, and
    the scan goes on from there.

    Returns:
        False, with the output unfinished, after more than `budget` steps (the worst case is quadratic).
    """
    n = np.uintp(w.shape[0])
    start = _0
    height = S[_0]  # of the string at `start`
    value = 0.0
    while True:
        limit = w[start]
        rise = S[start + _1] - height
        low = rise - limit
        high = rise + limit
        low_end = high_end = k = start
        bend = 0
        while limit > 0.0:
            k += _1
            limit = w[k]
            rise = S[k + _1] - height
            to_lower = (rise - limit) * reciprocal[k - start]
            to_upper = (rise + limit) * reciprocal[k - start]
            if to_lower > high:
                bend = -1
                break
            if to_upper < low:
                bend = 1
                break
            if to_lower >= low:
                low = to_lower
                low_end = k
            if to_upper <= high:
                high = to_upper
                high_end = k
        before = value
        if bend == 1:
            end = low_end
            value = low
            height = S[end + _1] - w[end]
        elif bend == -1:
            end = high_end
            value = high
            height = S[end + _1] + w[end]
        else:  # an edge of weight zero: the tube is a point
            end = k
            value = low
            height = S[end + _1]
        if start > _0 and w[start - _1] == 0.0:
            sign[start - _1] = 1 if before > value else -1
        i = start
        while i <= end:
            u[i] = u[i + _1] = u[i + _2] = u[i + _3] = value
            sign[i] = sign[i + _1] = sign[i + _2] = sign[i + _3] = 0
            i += _4
        sign[end] = bend
        if end + _1 == n:
            return True
        if k - start > budget:
            return False
        budget -= k - start
        start = end + _1


@kernel
def funnel(S, w, u, sign):
    """The taut string in linear time whatever the data (Davies and Kovac 2001; Barbero and Sra 2018, section 2).

    The tube ahead of the last bend is summed up by two chains of straight pieces: the greatest convex minorant of
    the upper wall and the least concave majorant of the lower wall. A wall point enters and leaves its chain once.
    """
    n = w.shape[0]
    chain = np.empty(
        (2, 3, n + 1)
    )  # lower, upper; of every vertex: position, height, slope of the piece that ends there
    first = np.zeros(2, np.int64)
    stop = np.zeros(2, np.int64)
    start = 0
    height = S[0]
    for k in range(1, n + 1):
        for wall in range(2):
            up = 2 * wall - 1  # -1 for the lower wall, +1 for the upper one
            mine = chain[wall]
            other = chain[1 - wall]
            here = S[k] + up * w[k - 1]
            slope = (here - height) / (k - start)
            while stop[wall] > first[wall]:
                top = stop[wall] - 1
                slope = (here - mine[1, top]) / (k - mine[0, top])
                if up * (slope - mine[2, top]) > 0:
                    break
                stop[wall] = top
                slope = (here - height) / (k - start)
            if stop[wall] == first[wall]:
                # Straight to the new point, unless the other wall is in the way: then the string follows that wall.
                while stop[1 - wall] > first[1 - wall] and up * (other[2, first[1 - wall]] - slope) > 0:
                    vertex = first[1 - wall]
                    end = int(other[0, vertex])
                    _write(u, sign, start, end, other[2, vertex], up)
                    start = end
                    height = other[1, vertex]
                    first[1 - wall] += 1
                    slope = (here - height) / (k - start)
                first[wall] = stop[wall] = 0
            mine[0, stop[wall]] = k
            mine[1, stop[wall]] = here
            mine[2, stop[wall]] = slope
            stop[wall] += 1
        if w[k - 1] == 0.0:
            # Both walls meet in a point, so the chains are one straight piece; nothing is joined across it.
            value = (S[k] - height) / (k - start)
            _write(u, sign, start, k, value, 0)
            start = k
            height = S[k]
            first[:] = 0
            stop[:] = 0
    for k in range(n - 1):
        if w[k] == 0.0:
            sign[k] = 1 if u[k] > u[k + 1] else -1


@kernel
def _write(u, sign, start, end, value, bend):
    u[start:end] = value
    sign[start:end] = 0
    sign[end - 1] = bend
