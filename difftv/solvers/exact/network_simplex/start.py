"""A nearly right dual to start from: a few dozen steps of accelerated projected gradient.

    p+ = clip(soft(z + tau D (y - D^T z), tau gam), -lam, lam),      z+ = p+ + k/(k+3) (p+ - p)

(Beck and Teboulle 2009; momentum as in Chambolle and Dossal 2015, restarted where it points uphill, O'Donoghue and
Candes 2015, gradient scheme). What counts is which edges lie exactly on 0 or on a bound, a decision of the
proximal step and not a comparison of floats; single precision is enough for that, and twice as fast.
"""

import numpy as np

from difftv.solvers._compiler import kernel
from difftv.solvers.exact.network_simplex.dual_problem import BOUND, FREE, LEVEL, RISE

STEPS_PER_CHECK = 20
"""Steps between two checks of the gap."""

PROGRESS = 0.9
"""What the gap has to fall to, over its least so far, for steps to count as progress."""


@kernel
def descend(y, lam, gam, tails, heads, p, switch_gap, max_steps, patience):
    """Accelerated proximal gradient steps on the dual, from p = 0.

    Args:
        y: (pixels,) float32.
        lam, gam: (directions, pixels) float32, lam = 0 where a pixel lacks that edge.
        tails, heads: (directions,) offsets from a pixel to the two ends of its edge, 0 <= tail < head.
        p: (directions, pad + pixels) float32, the dual, where the first `pad` >= max(heads) entries are 0.
        switch_gap: gap over 1/2 ||y - mean||^2 to stop at.
        max_steps: where to stop anyway.
        patience: steps without progress after which to stop as well, where rounding keeps the gap above `switch_gap`.

    Returns:
        Steps taken.
    """
    count, size = lam.shape
    pad = p.shape[1] - size
    z = np.zeros_like(p)
    u = np.zeros(size + pad, np.float32)
    tau = np.float32(0.25 / count)
    mean = y.sum() / size
    enough = switch_gap * 0.5 * np.square(y - mean).sum()
    age = last = 0
    best = np.inf
    for step in range(1, max_steps + 1):
        _residual(y, z, tails, heads, u)
        momentum = np.float32(age / (age + 3.0))
        uphill = 0.0
        for k in range(count):
            uphill += _advance(u, lam[k], gam[k], tails[k], heads[k], tau, momentum, z[k, pad:], p[k, pad:])
        age = 0 if uphill > 0.0 else age + 1
        if step % STEPS_PER_CHECK == 0 or step == max_steps:
            _residual(y, p, tails, heads, u)
            gap = 0.0
            for k in range(count):
                gap += _gap(u, lam[k], gam[k], tails[k], heads[k], p[k, pad:])
            if gap <= enough:
                return step
            if gap < PROGRESS * best:
                best, last = gap, step
            elif step - last >= patience:
                return step
    return max_steps


@kernel
def _residual(y, p, tails, heads, u):
    """u = y - D^T p."""
    size = y.shape[0]
    pad = p.shape[1] - size
    for k in range(tails.shape[0]):
        out, into = p[k, pad - tails[k] :], p[k, pad - heads[k] :]
        if k == 0:
            for i in range(size):
                u[i] = y[i] + (out[i] - into[i])
        else:
            for i in range(size):
                u[i] += out[i] - into[i]


def _advance(u, lam, gam, tail, head, tau, momentum, z, p):
    """One direction's step; returns <z - p+, p+ - p>: above zero, the momentum pointed uphill."""
    here, there = u[tail:], u[head:]
    uphill = np.float32(0.0)
    for i in range(lam.shape[0]):
        old = z[i]
        moved = old + tau * (there[i] - here[i])
        threshold = tau * gam[i]
        shrunk = moved if moved < threshold else threshold
        shrunk = shrunk if shrunk > -threshold else -threshold
        moved -= shrunk
        bound = lam[i]
        moved = moved if moved < bound else bound
        moved = moved if moved > -bound else -bound
        change = moved - p[i]
        uphill += (old - moved) * change
        p[i] = moved
        z[i] = moved + momentum * change
    return uphill


# Sums may be taken in any order, that is what makes them fast: all they decide is when the momentum starts again.
_advance = kernel(_advance, fastmath={"reassoc"})


def _gap(u, lam, gam, tail, head, p):
    """What one direction adds to the duality gap at u = y - D^T p."""
    here, there = u[tail:], u[head:]
    gap = np.float32(0.0)
    for i in range(lam.shape[0]):
        difference = there[i] - here[i]
        over = abs(difference) - gam[i]
        over = over if over > 0 else np.float32(0.0)
        gap += lam[i] * over + gam[i] * abs(p[i]) - p[i] * difference
    return gap


_gap = kernel(_gap, fastmath={"reassoc"})


@kernel
def write_states(start, narrow, lam, gam, p, state):
    """States, and a dual in double precision: what lies on an end in the start lies on it exactly.

    Args:
        start, narrow: (edges,) float32, the dual and its bounds.
        lam, gam: (edges,) float64.
        p, state: (edges,), written.
    """
    for e in range(lam.shape[0]):
        now = start[e]
        if lam[e] == 0.0 or (now == 0.0 and gam[e] > 0.0):
            p[e] = 0.0
            state[e] = FREE
        elif abs(now) >= narrow[e]:
            p[e] = lam[e] if now > 0.0 else -lam[e]
            state[e] = BOUND if now > 0.0 else -BOUND
        else:
            p[e] = min(max(np.float64(now), -lam[e]), lam[e])
            state[e] = LEVEL if gam[e] == 0.0 else RISE if now > 0.0 else -RISE
