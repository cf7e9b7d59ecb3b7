"""The last steps of the taut-string solver: from any components to the right ones."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from difftv.problem import relative_gap
from difftv.regularizers import AnisotropicTV
from difftv.solvers.exact.merge_split import flow_problem, refine
from difftv.solvers.exact.solver import TautString
from difftv.solvers.exact.taut_strings import image
from tests.solvers.taut_string_problems import problem, problems, solve


def from_nothing(y, lam):
    """`refine` without a single sweep: one component, and no flow at all."""
    data = y[0, 0].numpy().copy()
    w = np.stack([lam[0, -1].numpy(), lam[0, 0].numpy()])
    sign = np.zeros(w.shape, np.int8)
    sign[0, :, -1] = sign[1, -1] = 1
    w[0, :, -1] = w[1, -1] = 0.0
    u = np.empty_like(data)
    problem = flow_problem(data, w, np.zeros_like(w), sign, np.empty(data.shape, np.uint32), u)
    gap = refine(problem, 1000)
    return gap, u, problem.q.reshape(w.shape)[::-1].copy()


@given(problems())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_it_gets_there_from_nothing(case):
    y, lam = case
    scale = 0.5 * max(float((y - y.mean()).square().sum()), 1e-12)
    gap, u, flow = from_nothing(y, lam)
    assert gap <= 1e-26 * scale
    expected = solve(y, lam).denoised[0, 0].numpy()
    np.testing.assert_allclose(u, expected, rtol=0, atol=1e-12 * math.sqrt(scale))
    regularizer = AnisotropicTV(lam.shape[1])
    certified = relative_gap(regularizer, torch.from_numpy(u)[None, None], torch.from_numpy(-flow)[None], y, lam)
    assert float(certified) <= 1e-12


def test_it_gets_there_from_nothing_on_an_image():
    y, lam = problem(3, 40, 50, 2, strength=0.15)
    gap, u, _ = from_nothing(y, lam)
    assert gap <= 1e-26
    np.testing.assert_allclose(u, solve(y, lam).denoised[0, 0].numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("levels", [None, 4])
@pytest.mark.parametrize("strength", [0.02, 0.1, 1.0])
def test_it_ends_where_sweeps_lead(monkeypatch, strength, levels):
    y, lam = problem(4, 24, 31, 2, strength=strength, levels=levels)
    lam[:, :, ::5] = 0.0
    lam[:, :, :, 7] = math.inf
    finished = solve(y, lam)
    monkeypatch.setattr(image, "refine", lambda problem, limit: math.inf)
    swept = solve(y, lam, tol=1e-9)
    assert bool(swept.converged)
    assert int(swept.iterations) > int(finished.iterations)
    size = float(y.std())
    torch.testing.assert_close(swept.denoised, finished.denoised, rtol=0, atol=1e-2 * size)
    assert float((swept.denoised - finished.denoised).square().mean().sqrt()) < 1e-4 * size


def test_a_solve_that_ran_out_of_sweeps_says_so(monkeypatch):
    monkeypatch.setattr(image, "refine", lambda problem, limit: math.inf)
    y, lam = problem(8, 30, 30, 1, strength=0.5)
    solution = TautString(AnisotropicTV(), max_iter=3)(y, lam)
    assert not bool(solution.converged.any())
    assert solution.iterations.tolist() == [3]
    assert float(solution.gap) > 1e-12
    assert bool(solution.denoised.isfinite().all())


def test_only_a_loose_tolerance_lets_sweeps_alone_end_a_solve(monkeypatch):
    monkeypatch.setattr(image, "refine", lambda problem, limit: math.inf)
    y, lam = problem(9, 12, 12, 1)
    loose = solve(y, lam, tol=1e-9)
    assert bool(loose.converged)
    assert 1e-16 < float(loose.gap) <= 1e-9
    default = TautString(AnisotropicTV(), max_iter=2 * int(loose.iterations) + 200)(y, lam)
    assert float(default.gap) < 1e-10
    assert not bool(default.converged)


def test_the_gradient_of_an_answer_that_sweeps_have_found(monkeypatch):
    def gradients(y, lam, tol):
        y, lam = y.clone().requires_grad_(), lam.clone().requires_grad_()
        solve(y, lam, tol).denoised.pow(3).sum().backward()
        return y.grad, lam.grad

    y, lam = problem(4, 24, 31, 2, batch=3)
    finished = gradients(y, lam, 1e-10)
    monkeypatch.setattr(image, "refine", lambda problem, limit: math.inf)
    swept = gradients(y, lam, 1.1e-10)
    for one, other in zip(swept, finished, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
