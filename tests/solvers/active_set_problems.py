"""Drawn problems for the active-set solver, and its answers as plain arrays."""

from typing import NamedTuple

import numpy as np

from difftv.solvers.exact.network_simplex import gradient, solve_image

ENDS = [((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 0), (1, 1)), ((0, 1), (1, 0))]


class GraphProblem(NamedTuple):
    y: np.ndarray
    lam: np.ndarray
    gam: np.ndarray


class Solved(NamedTuple):
    u: np.ndarray
    gap: float
    pivots: int
    state: np.ndarray


def solve(problem, max_steps=2000):
    u = np.empty_like(problem.y)
    answer = solve_image(*problem, u, max_steps)
    return Solved(u, answer.gap, answer.pivots, answer.state)


def gradients(problem, weight, max_steps=2000):
    """Gradient of <weight, u>."""
    answer = solve_image(*problem, np.empty_like(problem.y), max_steps)
    grads = GraphProblem(np.empty_like(problem.y), np.zeros_like(problem.lam), np.zeros_like(problem.gam))
    gradient(weight, answer, *grads)
    return grads


def differences(u, directions):
    """(directions, height, width): Du, zero past the border."""
    height, width = u.shape
    found = np.zeros((directions, height, width))
    for k, ((a, b), (c, d)) in enumerate(ENDS[:directions]):
        rows, columns = max(height - c, 0), max(width - max(b, d), 0)
        found[k, :rows, :columns] = u[c : c + rows, d : d + columns] - u[a : a + rows, b : b + columns]
    return found


def objective(problem, u):
    slopes = np.abs(differences(u, len(problem.lam)))
    return 0.5 * np.square(u - problem.y).sum() + (problem.lam * np.maximum(slopes - problem.gam, 0.0)).sum()


def drawn(seed, longest=11):
    """Any sort of problem: sizes, strengths, ties, zeros, infinities, units, from the seed alone."""
    random = np.random.default_rng(seed)
    height, width = random.integers(1, longest + 1, 2)
    shape = (random.choice([2, 4]), height, width)
    y = random.normal(size=(height, width))
    strength, slope = random.choice([0.01, 0.1, 1.0, 10.0]), random.choice([0.0, 1e-6, 0.01, 0.1, 1.0, 5.0])
    lam, gam = 2 * strength * random.random(shape), 2 * slope * random.random(shape)
    if random.random() < 0.2:
        lam[:], gam[:] = strength, slope
    levels = random.choice([0, 2, 4, 8])
    if levels:
        y, lam, gam = (np.round(array * levels) / levels for array in (y, lam, gam))
    if random.random() < 0.3:
        gam[random.random(shape) < 0.5] = 0.0
    if random.random() < 0.3:
        lam[random.random(shape) < 0.3] = 0.0
    if random.random() < 0.2:
        lam[random.random(shape) < 0.2] = np.inf
    if random.random() < 0.1:
        gam[random.random(shape) < 0.2] = np.inf
    unit = random.choice([1.0, 1e-9, 1e9, 1e-150, 1e150])
    y += random.choice([0.0, 0.0, 100.0])
    return GraphProblem(y * unit, lam * unit, gam * unit)


def image_like(seed, height=40, width=37, directions=2, lam=0.09, gam=0.015, spread=0.5):
    """Ramps, an edge and noise; maps that vary from pixel to pixel."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    clean = 0.5 * rows + 0.2 * np.sin(6 * columns) + 0.3 * (rows + columns > 0.8)
    shape = (directions, height, width)
    return GraphProblem(
        clean + 0.1 * random.normal(size=(height, width)),
        lam * np.exp(spread * random.normal(size=shape)),
        gam * np.exp(spread * random.normal(size=shape)),
    )
