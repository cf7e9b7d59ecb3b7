"""The closed-form gradient of the active-set solver in y, lam and gam."""

import numpy as np
import pytest

from tests.solvers.active_set_problems import GraphProblem, differences, drawn, gradients, image_like, solve


def loss(problem, weight):
    return float((solve(problem).u * weight).sum())


@pytest.mark.parametrize(("height", "width", "directions"), [(6, 7, 2), (7, 5, 4), (1, 12, 2), (9, 1, 2)])
def test_it_is_the_central_difference_away_from_kinks(height, width, directions):
    random = np.random.default_rng(height)
    problem = image_like(height, height, width, directions, lam=0.1, gam=0.03)
    weight = random.normal(size=problem.y.shape)
    grads = gradients(problem, weight)
    step, middle = 1e-6, loss(problem, weight)
    for index, grad in enumerate(grads):
        smooth = 0
        for entry in np.ndindex(*grad.shape):
            values = []
            for move in (step, -step):
                moved = [array.copy() for array in problem]
                moved[index][entry] += move
                values.append(loss(GraphProblem(*moved), weight))
            if abs(values[0] - 2 * middle + values[1]) < 1e-12:
                smooth += 1
                assert grad[entry] == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6, abs=2e-8)
        assert smooth > 0.95 * grad.size
        assert np.abs(grad).max() > 1e-2


@pytest.mark.parametrize("directions", [2, 4])
@pytest.mark.parametrize("gam", [0.015, 0.001])
def test_along_a_direction_on_an_image(directions, gam):
    problem = image_like(3, 48, 50, directions, gam=gam)
    random = np.random.default_rng(5)
    weight = random.normal(size=problem.y.shape)
    grads = gradients(problem, weight)
    for index, scale in enumerate((1.0, problem.lam, problem.gam)):
        direction = scale * random.normal(size=problem[index].shape)
        errors = []
        for step in (1e-6, 1e-7, 1e-8):
            there, back = (
                loss(problem._replace(**{problem._fields[index]: problem[index] + move * direction}), weight)
                for move in (step, -step)
            )
            errors.append(abs((there - back) / (2 * step) - float((grads[index] * direction).sum())))
        assert min(errors) <= 1e-6 * np.linalg.norm(grads[index] * direction)


def test_euler_and_the_mean_on_drawn_problems():
    """u(t y, t lam, t gam) = t u(y, lam, gam), so <dL/dy, y> + <dL/dlam, lam> + <dL/dgam, gam> = L for L = <w, u>.

    The states do not change along that ray, so this holds on kinks and ties too.
    """
    for seed in range(3000):
        problem = drawn(seed)
        if not all(np.isfinite(array).all() for array in problem):
            continue
        weight = np.random.default_rng(seed).normal(size=problem.y.shape)
        grads = gradients(problem, weight, max_steps=20)
        terms = [float((grad * array).sum()) for grad, array in zip(grads, problem, strict=True)]
        expected = loss(problem, weight)
        size = np.abs(weight).sum() * np.abs(problem.y).max()
        assert abs(sum(terms) - expected) <= 1e-10 * size, seed
        assert grads.y.sum() == pytest.approx(weight.sum(), abs=1e-10 * np.abs(weight).sum()), seed


def test_lam_and_gam_share_the_edges():
    problem = image_like(4)
    grads = gradients(problem, np.random.default_rng(0).normal(size=problem.y.shape))
    slopes = np.abs(differences(solve(problem).u, 2))
    assert np.all((grads.lam == 0.0) | (slopes > problem.gam - 1e-12))
    assert np.all((grads.gam == 0.0) | (np.abs(slopes - problem.gam) < 1e-12))
    assert not np.any((grads.lam != 0.0) & (grads.gam != 0.0))
    assert (grads.lam != 0.0).mean() > 0.1
    assert (grads.gam != 0.0).mean() > 0.1


@pytest.mark.parametrize("name", ["lam", "gam"])
def test_at_zero_it_is_the_derivative_to_the_right(name):
    problem = image_like(5, 9, 8)
    array = getattr(problem, name)
    array[:, ::2, ::2] = 0.0
    random = np.random.default_rng(1)
    weight = random.normal(size=problem.y.shape)
    direction = np.where(array == 0.0, random.random(array.shape), 0.0)
    grad = getattr(gradients(problem, weight), name)
    step = 1e-7
    slope = (loss(problem._replace(**{name: array + step * direction}), weight) - loss(problem, weight)) / step
    assert abs(slope) > 1e-2
    assert float((grad * direction).sum()) == pytest.approx(slope, rel=1e-5)


def test_where_nothing_can_change_there_is_no_gradient():
    problem = image_like(6)
    weight = np.ones_like(problem.y)
    beyond = gradients(problem._replace(gam=np.full_like(problem.gam, np.inf)), weight)
    assert not beyond.lam.any()
    assert not beyond.gam.any()
    flat = gradients(problem._replace(lam=np.full_like(problem.lam, np.inf), gam=0 * problem.gam), weight)
    assert not flat.lam.any()
    np.testing.assert_allclose(flat.y, 1.0, rtol=1e-14)


def test_a_constant_image_is_one_component_without_slopes_and_none_with_them():
    y, weight = np.full((5, 6), 0.3), np.random.default_rng(0).normal(size=(5, 6))
    lam = np.full((2, 5, 6), 0.1)
    joined = gradients(GraphProblem(y, lam, 0 * lam), weight)
    np.testing.assert_allclose(joined.y, weight.mean(), rtol=0, atol=1e-15)
    assert np.array_equal(gradients(GraphProblem(y, lam, lam), weight).y, weight)
