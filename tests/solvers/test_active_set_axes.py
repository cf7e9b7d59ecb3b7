"""The active-set solver on signals and volumes: against a cone solve, its own gradient, and the same data reshaped."""

import cvxpy as cp
import numpy as np
import pytest

from difftv.solvers.exact.network_simplex.grid import grid
from tests.solvers.active_set_problems import GraphProblem, gradients, solve

SPACES = [(23,), (1,), (6, 5), (5, 4, 6), (1, 4, 3), (3, 2, 1)]


def differences(space):
    """Forward differences along every axis as a matrix, (axes * pixels, pixels), zero past the border."""
    blocks = []
    for axis in range(len(space)):
        one = np.eye(space[axis], k=1) - np.eye(space[axis])
        one[-1] = 0.0
        block = np.ones((1, 1))
        for other, length in enumerate(space):
            block = np.kron(block, one if other == axis else np.eye(length))
        blocks.append(block)
    return np.concatenate(blocks)


def problem_of(space, seed=0):
    random = np.random.default_rng(seed)
    shape = (len(space), *space)
    return GraphProblem(random.normal(size=space), 0.6 * random.random(shape), 0.4 * random.random(shape))


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("slopes", [0.0, 1.0])
def test_agreement_with_a_tight_cone_solve(space, slopes):
    problem = problem_of(space)
    problem.gam[:] *= slopes
    u, matrix = cp.Variable(problem.y.size), differences(space)
    over = cp.pos(cp.abs(matrix @ u) - problem.gam.ravel())
    objective = 0.5 * cp.sum_squares(u - problem.y.ravel()) + problem.lam.ravel() @ over
    cp.Problem(cp.Minimize(objective)).solve(solver=cp.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13)
    solved = solve(problem)
    assert solved.gap <= 1e-12
    np.testing.assert_allclose(solved.u.ravel(), u.value, rtol=0, atol=3e-6)


@pytest.mark.parametrize("space", [(11,), (4, 3, 5)], ids=str)
def test_the_gradient_is_that_of_central_differences(space):
    problem, weight, step = problem_of(space, 3), np.random.default_rng(4).normal(size=space), 1e-6
    slopes = differences(space)
    for name, gradient in zip(GraphProblem._fields, gradients(problem, weight), strict=True):
        values = getattr(problem, name)
        numeric = np.zeros_like(values)
        for index in np.ndindex(values.shape):
            ends = []
            for sign in (1, -1):
                moved = values.copy()
                moved[index] += sign * step
                ends.append((weight * solve(problem._replace(**{name: moved})).u).sum())
            numeric[index] = (ends[0] - ends[1]) / (2 * step)
        if name != "y":
            inside = np.abs(slopes).sum(axis=1).reshape(values.shape) > 0
            assert not numeric[~inside].any()
            assert not gradient[~inside].any()
        assert np.abs(numeric).max() > 0.1
        np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-7)


def test_permuted_axes_permute_the_answer():
    problem, order = problem_of((5, 4, 6), 7), (2, 0, 1)
    maps = [np.ascontiguousarray(part[list(order)].transpose(0, *(1 + axis for axis in order))) for part in problem[1:]]
    turned = GraphProblem(np.ascontiguousarray(problem.y.transpose(order)), *maps)
    np.testing.assert_allclose(solve(turned).u, solve(problem).u.transpose(order), rtol=0, atol=1e-12)


def test_axes_of_length_one_change_nothing():
    problem = problem_of((6, 5), 9)
    volume = GraphProblem(problem.y[None], *(np.concatenate([part[:1], part])[:, None] for part in problem[1:]))
    np.testing.assert_allclose(solve(volume).u[0], solve(problem).u, rtol=0, atol=1e-13)


def test_an_infinite_weight_gives_the_mean_of_a_volume():
    problem = problem_of((4, 3, 5), 5)
    problem.lam[:], problem.gam[:] = np.inf, 0.0
    np.testing.assert_allclose(solve(problem).u, problem.y.mean(), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("directions", "space"), [(2, (9,)), (4, (3, 4, 5)), (3, (4, 5)), (4, (2, 2, 2, 2)), (0, ())])
def test_other_numbers_of_axes_or_directions_are_refused(directions, space):
    with pytest.raises(ValueError, match="one to three axes, and one direction per axis or four of an image"):
        grid(directions, *space)
