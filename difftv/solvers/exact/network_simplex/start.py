"""A nearly right dual to start from: a few dozen steps of accelerated projected gradient.

    p+ = clip(soft(z + tau D (y - D^T z), tau gam), -lam, lam),      z+ = p+ + k/(k+3) (p+ - p)

(Beck and Teboulle 2009; momentum as in Chambolle and Dossal 2015, restarted where it points uphill, O'Donoghue and
Candes 2015, gradient scheme). What counts is which edges lie exactly on 0 or on a bound, a decision of the
proximal step and not a comparison of floats; single precision is enough for that, and twice as fast.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import kernel
from difftv.solvers.exact.network_simplex.dual_problem import BOUND, FREE, LEVEL, RISE

Narrow = NDArray[np.float32]

STEPS_PER_CHECK = 20
"""Steps between two checks of the gap."""

PROGRESS = 0.9
"""What the gap has to fall to, over its least so far, for steps to count as progress."""


class Descent:
    """Accelerated proximal gradient steps on the dual, from p = 0.

    Args:
        y: (pixels,) float32.
        lam: (directions, pixels) float32, lam = 0 where a pixel lacks that edge.
        gam: slopes, likewise; None = 0 everywhere.
        tails, heads: (directions,) offsets from a pixel to the two ends of its edge, 0 <= tail < head.
        switch_gap: gap over 1/2 ||y - mean||^2 to stop at.
        max_steps: where to stop anyway.
        patience: steps without progress after which to stop as well, where rounding keeps the gap above `switch_gap`.
    """

    def __init__(
        self,
        y: Narrow,
        lam: Narrow,
        gam: Narrow | None,
        tails: NDArray[np.int64],
        heads: NDArray[np.int64],
        *,
        switch_gap: float,
        max_steps: int,
        patience: int,
    ) -> None:
        directions, size = lam.shape
        self.steps = 0
        self._padded = np.zeros((directions, int(heads.max()) + size), np.float32)
        self._ahead = np.zeros_like(self._padded)
        self._arrays = y, lam, gam, tails, heads, self._padded, self._ahead
        self._memory = np.array([0.0, 0.0, np.inf])
        self._first = math.nan
        self._enough, self._max_steps, self._patience = switch_gap * _energy(y), max_steps, patience

    @property
    def dual(self) -> Narrow:
        """p, (directions, pixels)."""
        return self._padded[:, -self._arrays[1].shape[1] :]

    def run(self, report: Callable[[float], object] | None = None) -> None:
        """Take the steps; where `report` is given, a few at a time, and it is called with the share that is done."""
        done = False
        while not done:
            stop = self._max_steps if report is None else min(self.steps + STEPS_PER_CHECK, self._max_steps)
            self.steps, gap, done = _descend(
                *self._arrays, self._memory, self._enough, self.steps, stop, self._max_steps, self._patience
            )
            if report is not None:
                report(self._share(gap))

    def _share(self, gap: float) -> float:
        """Logarithm of the least gap so far, over that from the first to the last."""
        if math.isnan(self._first):
            self._first = max(gap, 2 * self._enough)
        if self._enough <= 0.0:
            return self.steps / self._max_steps
        least = max(min(gap, self._memory[2]), self._enough)
        return math.log(max(self._first / least, 1.0)) / math.log(self._first / self._enough)


@kernel
def _energy(y):
    """1/2 ||y - mean||^2."""
    mean = y.sum() / y.shape[0]
    return 0.5 * np.square(y - mean).sum()


@kernel
def _descend(y, lam, gam, tails, heads, p, z, memory, enough, first, stop, max_steps, patience):
    """Steps `first` + 1 to `stop` of a descent.

    Args:
        p, z: (directions, pad + pixels) float32, the dual and the point ahead of it, where the first pad >= max(heads)
            entries are 0.
        memory: (3,), what goes on from call to call: steps since the last restart, the last step that made progress,
            and the least gap.

    Returns:
        The last step taken, the gap after it (infinity where that was not computed), and whether it was the last one of
        the descent.
    """
    count, size = lam.shape
    pad = p.shape[1] - size
    u = np.zeros(size + pad, np.float32)
    tau = np.float32(0.25 / count)
    age, last, best = memory
    gap = np.inf
    step = first
    done = False
    while step < stop and not done:
        step += 1
        _residual(y, z, tails, heads, u)
        momentum = np.float32(age / (age + 3.0))
        uphill = 0.0
        for k in range(count):
            slopes = None if gam is None else gam[k]
            uphill += _advance(u, lam[k], slopes, tails[k], heads[k], tau, momentum, z[k, pad:], p[k, pad:])
        age = 0 if uphill > 0.0 else age + 1
        if step % STEPS_PER_CHECK == 0 or step == max_steps:
            _residual(y, p, tails, heads, u)
            gap = 0.0
            for k in range(count):
                slopes = None if gam is None else gam[k]
                gap += _gap(u, lam[k], slopes, tails[k], heads[k], p[k, pad:])
            if gap < PROGRESS * best:
                best, last = gap, step
            done = gap <= enough or step - last >= patience or step == max_steps
    memory[0], memory[1], memory[2] = age, last, best
    return step, gap, done


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
        if gam is not None:
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
        if gam is None:
            gap += lam[i] * abs(difference) - p[i] * difference
        else:
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
