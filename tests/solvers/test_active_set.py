"""The active-set solver: certificates on thousands of drawn problems, exact cases, agreement with cone solvers."""

import cvxpy as cp
import numpy as np
import pytest

from difftv.solvers.exact.network_simplex import image
from difftv.solvers.exact.network_simplex.certificate import duality_gap
from difftv.solvers.exact.network_simplex.dual_problem import BOUND, FREE, LEVEL, RISE, dual_problem
from difftv.solvers.exact.network_simplex.grid import graph_of, grid
from difftv.solvers.exact.network_simplex.pivots import refine
from difftv.solvers.exact.taut_strings import solve_image as solve_by_taut_strings
from tests.solvers.active_set_problems import GraphProblem, differences, drawn, image_like, objective, solve

EXACT = 1e-12


def contrast(problem):
    return float(problem.y.max() - problem.y.min())


@pytest.mark.parametrize("batch", range(4))
def test_the_gap_closes_on_every_drawn_problem_from_any_start(batch):
    for seed in range(1500 * batch, 1500 * (batch + 1)):
        problem = drawn(seed)
        solved = solve(problem, max_steps=(1, 20, 2000)[seed % 3])
        assert 0.0 <= solved.gap <= EXACT, seed
        slack = 1e-12 * (np.abs(problem.y).max() + contrast(problem))
        assert solved.u.min() >= problem.y.min() - slack, seed
        assert solved.u.max() <= problem.y.max() + slack, seed
        assert abs(solved.u.mean() - problem.y.mean()) <= slack, seed


@pytest.mark.parametrize("directions", [2, 4])
@pytest.mark.parametrize(("height", "width"), [(7, 6), (5, 9), (1, 12), (11, 1), (2, 2)])
@pytest.mark.parametrize("levels", [None, 4])
def test_agreement_with_a_tight_cone_solve(directions, height, width, levels):
    random = np.random.default_rng(height + width)
    shape = (directions, height, width)
    problem = GraphProblem(random.normal(size=(height, width)), 0.6 * random.random(shape), 0.4 * random.random(shape))
    if levels:
        problem = GraphProblem(*(np.round(array * levels) / levels for array in problem))
    problem.gam[:, ::2] = 0.0
    problem.lam[:, 0, 0] = 0.0
    u = cp.Variable((height, width))
    terms = [0.5 * cp.sum_squares(u - problem.y)]
    # The differences as a matrix, row by row, from the definition.
    units = np.eye(height * width).reshape(-1, height, width)
    matrix = np.stack([differences(unit, directions).ravel() for unit in units], axis=1)
    terms.append(problem.lam.ravel() @ cp.pos(cp.abs(matrix @ cp.vec(u, order="C")) - problem.gam.ravel()))
    cp.Problem(cp.Minimize(sum(terms))).solve(solver=cp.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13)
    solved = solve(problem)
    assert objective(problem, solved.u) <= objective(problem, u.value) + 1e-13
    np.testing.assert_allclose(solved.u, u.value, rtol=0, atol=3e-6)


@pytest.mark.parametrize("seed", range(40))
def test_any_graph_is_solved_from_any_dual_within_its_bounds(seed):
    random = np.random.default_rng(seed)
    size, edges = 30, random.integers(1, 150)
    ends = np.sort(np.stack([random.integers(0, size, edges), random.integers(0, size, edges)]), axis=0)
    exists = ends[0] < ends[1]
    graph = graph_of(*ends, exists, size)
    y = random.uniform(-1, 1, size)
    lam, gam = (scale * random.random(edges) * (random.random(edges) < 0.8) for scale in (0.4, 0.3))
    lam[~exists] = 0.0
    p = lam * random.choice([-1.0, 0.0, 1.0, -0.5, 0.3], edges)
    odd = np.where(gam == 0.0, LEVEL, RISE * np.sign(p))
    state = np.where(np.abs(p) == lam, BOUND * np.sign(p), odd)
    state[(lam == 0.0) | ((p == 0.0) & (gam > 0.0))] = FREE
    dual = dual_problem(graph, y, lam, gam, p, state.astype(np.int8))
    refine(dual, np.arange(edges, dtype=np.uint32), 1000)
    assert duality_gap(dual) <= 1e-14
    assert np.all(np.abs(dual.p) <= dual.lam)
    flow = np.zeros(size)
    np.add.at(flow, ends[1], dual.p)
    np.add.at(flow, ends[0], -dual.p)
    np.testing.assert_allclose(dual.u, y - flow, rtol=0, atol=1e-13)


@pytest.mark.parametrize("lam", [0.02, 0.1, 0.5, 5.0])
def test_without_slopes_it_is_the_taut_string_solver(lam):
    problem = image_like(1, gam=0.0, lam=lam)
    expected = np.empty_like(problem.y)
    solve_by_taut_strings(problem.y, *problem.lam, expected, 1e-14, 2000, None, 1)
    np.testing.assert_allclose(solve(problem).u, expected, rtol=0, atol=1e-13)


def test_slopes_of_zero_in_places_are_those_of_next_to_nothing():
    problem = image_like(2)
    problem.gam[:, ::3] = 0.0
    nearly = problem._replace(gam=np.maximum(problem.gam, 1e-11))
    np.testing.assert_allclose(solve(problem).u, solve(nearly).u, rtol=0, atol=1e-8)


@pytest.mark.parametrize("gam", [1e3, 1e300, np.inf])
def test_large_slopes_give_the_noisy_image_back(gam):
    problem = image_like(3)
    assert np.array_equal(solve(problem._replace(gam=np.full_like(problem.gam, gam))).u, problem.y)


def test_weights_of_zero_give_the_noisy_image_back():
    problem = image_like(3)
    assert np.array_equal(solve(problem._replace(lam=0 * problem.lam)).u, problem.y)


@pytest.mark.parametrize("lam", [1e3, 1e300, np.inf])
def test_large_weights_bound_the_slopes(lam):
    """Then it is the projection onto |Du| <= gam; without slopes, the mean."""
    problem = image_like(4)
    problem = problem._replace(lam=np.full_like(problem.lam, lam))
    solved = solve(problem)
    assert solved.gap <= EXACT
    assert np.all(np.abs(differences(solved.u, 2)) <= problem.gam + 1e-11)
    flat = solve(problem._replace(gam=0 * problem.gam)).u
    np.testing.assert_allclose(flat, problem.y.mean(), rtol=0, atol=1e-12)


def test_a_ramp_below_the_slope_is_left_alone():
    rows, columns = np.mgrid[:12, :15]
    ramp = 0.01 * rows + 0.02 * columns
    problem = GraphProblem(ramp, np.full((2, 12, 15), 0.1), np.full((2, 12, 15), 0.021))
    np.testing.assert_allclose(solve(problem).u, ramp, rtol=0, atol=1e-15)


def test_a_wall_of_zero_weights_cuts_the_image_in_two():
    problem = image_like(5, 10, 9)
    problem.lam[1, :, 4] = 0.0
    parts = [
        solve(GraphProblem(problem.y[:, part].copy(), problem.lam[..., part].copy(), problem.gam[..., part].copy())).u
        for part in (slice(0, 5), slice(5, 9))
    ]
    np.testing.assert_allclose(solve(problem).u, np.concatenate(parts, axis=1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (6, 5)])
@pytest.mark.parametrize("lam", [0.0, 0.3, np.inf])
@pytest.mark.parametrize("gam", [0.0, 0.1])
@pytest.mark.parametrize("value", [0.0, 0.3, -1e20])
def test_constant_images_come_back(shape, lam, gam, value):
    solved = solve(GraphProblem(np.full(shape, value), np.full((2, *shape), lam), np.full((2, *shape), gam)))
    assert np.all(solved.u == value)
    assert solved.gap == 0.0


@pytest.mark.parametrize("directions", [2, 4])
def test_a_power_of_two_as_the_unit_changes_no_digit(directions):
    problem = image_like(6, directions=directions)
    expected = solve(problem).u
    for exponent in (-500, -30, 30, 500):
        unit = 2.0**exponent
        assert np.array_equal(solve(GraphProblem(*(array * unit for array in problem))).u, expected * unit)


def test_other_units_offsets_and_signs():
    problem = image_like(7)
    expected = solve(problem).u
    for unit in (1e-9, 1e9):
        got = solve(GraphProblem(*(array * unit for array in problem))).u / unit
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(solve(problem._replace(y=problem.y + 100.0)).u - 100.0, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(-solve(problem._replace(y=-problem.y)).u, expected, rtol=0, atol=1e-13)


def test_transposition_transposes():
    problem = image_like(8)
    turned = GraphProblem(problem.y.T.copy(), *(a[::-1].transpose(0, 2, 1).copy() for a in (problem.lam, problem.gam)))
    np.testing.assert_allclose(solve(turned).u.T, solve(problem).u, rtol=0, atol=1e-13)


def test_diagonals_of_weight_zero_do_not_matter():
    problem = image_like(9, directions=4)
    problem.lam[2:] = 0.0
    axial = problem._replace(lam=problem.lam[:2].copy(), gam=problem.gam[:2].copy())
    np.testing.assert_allclose(solve(problem).u, solve(axial).u, rtol=0, atol=1e-13)


def test_two_calls_have_the_same_bits_and_leave_the_inputs_alone():
    problem = image_like(10)
    before = GraphProblem(*(array.copy() for array in problem))
    first, second = solve(problem), solve(problem)
    assert np.array_equal(first.u, second.u)
    assert np.array_equal(first.state, second.state)
    assert all(np.array_equal(*pair) for pair in zip(problem, before, strict=True))


def test_pivots_that_are_cut_short_are_confessed(monkeypatch):
    monkeypatch.setattr(image, "MAX_PASSES", 0)
    problem = image_like(11)
    stopped = solve(problem, max_steps=1)
    monkeypatch.undo()
    finished = solve(problem, max_steps=1)
    energy = 0.5 * np.square(problem.y - problem.y.mean()).sum()
    excess = (objective(problem, stopped.u) - objective(problem, finished.u)) / energy
    assert 1e-3 < excess <= stopped.gap + 1e-13
    assert finished.gap <= EXACT


def test_no_image_nearby_is_better():
    for seed in range(200):
        problem = image_like(seed, 8, 9)
        best = solve(problem, max_steps=1).u
        random = np.random.default_rng(seed)
        for size in (1e-1, 1e-3, 1e-5):
            other = best + size * random.normal(size=problem.y.shape)
            assert objective(problem, other) > objective(problem, best)


def test_the_graph_of_an_image_is_the_same_object_and_cannot_be_written():
    assert grid(2, 5, 6) is grid(2, 5, 6)
    with pytest.raises(ValueError, match="read-only"):
        grid(2, 5, 6).graph.links[0] = 0
