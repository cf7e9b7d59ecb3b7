"""At its default the taut-string solver is exact: image and gradient, at any weight, size, contrast and unit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import camera

from difftv.functional import tv_denoise
from difftv.regularizers import AnisotropicTV
from difftv.solvers.exact.solver import TautString
from tests.solvers.taut_string_problems import problem

ROUNDING = 1e-24
"""Relative duality gap of an answer that is right but for rounding: an image that is off by 1e-12 of its contrast."""


def photograph(size, sigma, seed):
    clean = torch.from_numpy(camera()[100 : 100 + size, 150 : 150 + size] / 255.0)[None, None]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return clean + sigma / 255 * noise


def slope(y, lam, direction):
    """d/dlam of <direction, u*>: by the gradient, and by a difference over which u* is affine."""
    weight = torch.tensor(lam, dtype=torch.float64, requires_grad=True)
    (tv_denoise(y, weight) * direction).sum().backward()
    step = 1e-10  # thousands of edges: a longer step would cross a kink
    above, below = (tv_denoise(y, lam + move) for move in (step, -step))
    return float(weight.grad), float(((above - below) * direction).sum() / (2 * step))


@pytest.mark.parametrize(("size", "sigma", "seed"), [(64, 15, 2), (64, 15, 3), (64, 15, 9), (128, 25, 4), (128, 25, 8)])
def test_small_weights_on_photographs(size, sigma, seed):
    y = photograph(size, sigma, seed)
    solution = TautString(AnisotropicTV())(y, torch.full_like(y, 0.005))
    assert bool(solution.converged)
    assert float(solution.gap) < ROUNDING
    direction = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    gradient, difference = slope(y, 0.005, direction)
    assert gradient == pytest.approx(difference, abs=1e-3 * size)


@pytest.mark.parametrize("size", [16, 97])
@pytest.mark.parametrize("sigma", [0, 5, 100])
@pytest.mark.parametrize("lam", [1e-4, 1e-3, 1e-2, 0.1, 1.0])
def test_the_certificate_is_zero_to_rounding(size, sigma, lam):
    ramp = torch.linspace(0, 0.5, size, dtype=torch.float64)
    steps = torch.from_numpy(np.add.outer(np.arange(size) * 4 // size, np.arange(size) * 3 // size) % 3 / 2.0)
    noise = torch.randn((size, size), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    clean = torch.stack([photograph(size, 0, 0)[0, 0], ramp[:, None] + ramp, steps, torch.full_like(steps, 0.3)])
    y = (clean + sigma / 255 * noise)[:, None]
    solution = TautString(AnisotropicTV())(y, torch.full_like(y, lam))
    assert bool(solution.converged.all())
    assert float(solution.gap.max()) < ROUNDING


@given(st.integers(0, 10**6), st.sampled_from([1e-6, 1e-3, 1.0]), st.sampled_from([None, 4]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_components_of_little_energy_beside_a_large_step(seed, contrast, levels, two):
    """Each half is solved as if it were alone: its share of the energy of the image says nothing."""
    y, lam = problem(seed, 12, 9, 2 if two else 1, levels=levels)
    lam[:, 0, -1] = 0.0  # where the two halves meet
    strong = 1e3 + y
    both = torch.cat([contrast * y, strong], dim=2)
    solution = TautString(AnisotropicTV(lam.shape[1]))(both, torch.cat([contrast * lam, lam], dim=2))
    assert bool(solution.converged.all())
    alone = TautString(AnisotropicTV(lam.shape[1]))(y, lam)
    torch.testing.assert_close(solution.denoised[:, :, :12] / contrast, alone.denoised, rtol=0, atol=1e-12)


@pytest.mark.parametrize("outlier", [1e4, 1e8])
def test_one_hot_pixel_does_not_coarsen_the_rest(outlier):
    y, lam = problem(1, 20, 20, 1)
    lam[0, 0, :, 9], lam[0, 0, 9, :] = 0.0, 0.0
    expected = tv_denoise(y, lam)
    hot = y.clone()
    hot[0, 0, 9, 9] = outlier
    found = tv_denoise(hot, lam)
    found[0, 0, 9, 9] = expected[0, 0, 9, 9]
    torch.testing.assert_close(found[..., :9, :9], expected[..., :9, :9], rtol=0, atol=1e-13)


def test_a_tighter_tolerance_than_the_default_changes_nothing():
    y, lam = problem(9, 48, 48, 1, strength=0.01)
    usual, tightest = (TautString(AnisotropicTV(), tol=tol)(y, lam) for tol in (1e-10, 1e-16))
    assert torch.equal(usual.denoised, tightest.denoised)
    assert usual.iterations.tolist() == tightest.iterations.tolist()
