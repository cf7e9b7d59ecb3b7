"""The taut-string solver: certificates, exact cases, agreement with a cone solver."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from difftv.problem import relative_gap
from difftv.regularizers import AnisotropicTV
from difftv.solvers.exact.solver import TautString
from tests.solvers.taut_string_problems import TIGHT, problem, problems, solve


def certificate(y, lam, u):
    """How far y - u = K^T p, |p| <= lam, p = lam sign(D u) is from being satisfiable in p, by linear programming."""
    from scipy.optimize import linprog

    regularizer = AnisotropicTV(lam.shape[1])
    height, width = y.shape[-2:]
    count = 2 * height * width
    adjoint = np.stack(
        [regularizer.adjoint(e.reshape(1, 2, height, width)).flatten().numpy() for e in torch.eye(count).double()],
        axis=1,
    )
    bound = lam.expand(1, 2, height, width).flatten().numpy()
    difference = regularizer.analysis(u).flatten().numpy()
    lower = np.where(difference > 1e-9, bound, -bound)
    upper = np.where(difference < -1e-9, -bound, bound)
    target = (y - u).flatten().numpy()
    ones = np.ones((target.size, 1))
    answer = linprog(
        np.r_[np.zeros(count), 1.0],
        A_ub=np.block([[adjoint, -ones], [-adjoint, -ones]]),
        b_ub=np.r_[target, -target],
        bounds=[*zip(lower, upper, strict=True), (0, None)],
    )
    return answer.fun


@given(problems())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_the_answer_is_optimal_by_its_own_certificate(case):
    y, lam = case
    solution = solve(y, lam)
    assert bool(solution.converged.all())
    assert float(solution.gap.max()) <= TIGHT
    energy = (y - y.mean()).square().sum()
    slack = 10 * float((TIGHT * energy).sqrt()) + 1e-12
    assert (solution.denoised.mean() - y.mean()).abs() <= slack
    assert solution.denoised.min() >= y.min() - slack
    assert solution.denoised.max() <= y.max() + slack


@given(problems())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_dual_exists_that_proves_the_answer(case):
    y, lam = case
    assert certificate(y, lam, solve(y, lam).denoised) <= 1e-7 * float(y.abs().max() + 1)


def test_the_gap_is_the_one_of_the_contract():
    from difftv.solvers.exact.taut_strings.chain import OVERRUN
    from difftv.solvers.exact.taut_strings.components import duality_gap
    from difftv.solvers.exact.taut_strings.sweeps import Chains, minimise_columns, minimise_rows

    height, width = 20, 37
    y, lam = problem(5, height, width, 2)
    lam[:, 0, -1], lam[:, 1, :, -1] = 0.0, 0.0
    image = y[0, 0].numpy()
    state = Chains(image, lam[0, 0].numpy().T.copy(), lam[0, 1].numpy(), 0.1, 1.0 / np.arange(1, width + 1))
    a, b, zero = (np.zeros((height, width)) for _ in range(3))
    sign_columns = np.empty((width, height + OVERRUN), np.int8)
    sign_rows = np.empty((height, width + OVERRUN), np.int8)
    gaps = []
    for half_sweep in range(4):
        if half_sweep % 2 == 0:
            minimise_columns(state, b, zero, 0.0, a, sign_columns, 0, width)
        else:
            minimise_rows(state, a, zero, b, 0.0, sign_rows, np.empty(height), 0, height)
        u = image - a - b
        p = -np.stack([a.cumsum(axis=0), b.cumsum(axis=1)])
        expected = relative_gap(AnisotropicTV(2), torch.from_numpy(u)[None, None], torch.from_numpy(p)[None], y, lam)
        energy = 0.5 * np.square(image - image.mean()).sum()
        gaps.append(duality_gap(state, a, b, u) / energy)
        assert gaps[-1] == pytest.approx(float(expected), rel=1e-9)
        # Any other image has a gap as well, larger by the distance between the two.
        other = image.copy()
        expected = relative_gap(AnisotropicTV(2), y, torch.from_numpy(p)[None], y, lam)
        assert duality_gap(state, a, b, other) / energy == pytest.approx(float(expected), rel=1e-9)
    assert min(gaps) > 1e-6


@pytest.mark.parametrize("num_maps", [1, 2])
def test_zero_weights_return_the_noisy_image(num_maps):
    y, lam = problem(0, 8, 11, num_maps)
    assert torch.equal(solve(y, 0 * lam).denoised, y)


def test_a_wall_of_zero_weights_cuts_the_image_in_two():
    y, lam = problem(1, 10, 9, 2)
    lam[:, 1, :, 4] = 0.0
    left, right = (solve(y[..., part].clone(), lam[..., part].clone()).denoised for part in (slice(0, 5), slice(5, 9)))
    torch.testing.assert_close(solve(y, lam).denoised, torch.cat([left, right], dim=-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("weight", [5.0, 1e6, 1e300, float("inf")])
def test_large_weights_give_the_mean(weight):
    y, lam = problem(2, 12, 13, 1)
    solution = solve(y, torch.full_like(lam, weight))
    torch.testing.assert_close(solution.denoised, y.mean().expand_as(y), rtol=0, atol=1e-13)
    assert float(solution.gap) <= TIGHT


def test_infinite_weights_in_places_tie_those_neighbours_only():
    y, lam = problem(4, 9, 9, 2)
    lam[:, 0, 2:4, 3] = float("inf")
    solution = solve(y, lam)
    column = solution.denoised[0, 0, :, 3]
    assert column[2] == column[3] == column[4]
    finite = torch.where(lam.isinf(), 1e4, lam)
    torch.testing.assert_close(solution.denoised, solve(y, finite).denoised, rtol=0, atol=1e-12)
    assert len(solution.denoised.unique()) > 5


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (6, 5)])
@pytest.mark.parametrize("weight", [0.0, 0.3, float("inf")])
def test_constant_images_come_back(shape, weight):
    y = torch.full((2, 1, *shape), 0.3, dtype=torch.float64)
    solution = solve(y, torch.full_like(y, weight))
    torch.testing.assert_close(solution.denoised, y, rtol=0, atol=1e-15)
    assert float(solution.gap.abs().max()) <= TIGHT


def test_a_batch_is_a_loop_and_every_image_stops_on_its_own_gap():
    y, lam = problem(7, 16, 15, 1, batch=4)
    lam[1] *= 20.0
    together = solve(y, lam)
    alone = [solve(y[i : i + 1], lam[i : i + 1]) for i in range(4)]
    assert torch.equal(together.denoised, torch.cat([one.denoised for one in alone]))
    assert torch.equal(together.iterations, torch.cat([one.iterations for one in alone]))
    assert len(together.iterations.unique()) > 1


@pytest.mark.parametrize(
    ("tol", "max_iter", "word"), [(0.0, 10, "tol"), (float("nan"), 10, "tol"), (1e-6, 0, "max_iter")]
)
def test_numbers_that_make_no_sense_are_refused(tol, max_iter, word):
    with pytest.raises(ValueError, match=word):
        TautString(AnisotropicTV(), tol=tol, max_iter=max_iter)
