"""Stein's risk estimate: degrees of freedom against the trace of the Jacobian, the estimate against the error."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from difftv import denoise_tv, tv_denoise
from difftv.noise import add_noise
from difftv.regularizers import AnisotropicTV, EightNeighbourTV, HuberTV, IsotropicTV, Regularizer, TVpwL
from difftv.solvers import Admm, Exact, Solver
from difftv.sure import choose_weight, constant_maps, divergence, is_sure, std_per_pixel


def image(height: int = 6, width: int = 5, seed: int = 0) -> Tensor:
    return torch.rand(1, 1, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def numbers(*values: float, like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, -1, 1, 1).expand(1, -1, *like.shape[2:])


def trace(solver: Solver, noisy: Tensor, maps: Tensor) -> float:
    jacobian = torch.autograd.functional.jacobian(lambda y: solver(y, maps).denoised, noisy)
    return float(jacobian.reshape(noisy.numel(), noisy.numel()).trace())


def differences(solver: Solver, noisy: Tensor, maps: Tensor, step: float = 1e-6) -> float:
    """The trace by central differences of the solution itself, without any derivative of a solver."""
    total = 0.0
    for index in range(noisy.numel()):
        unit = torch.zeros_like(noisy).reshape(-1)
        unit[index] = step
        unit = unit.reshape(noisy.shape)
        change = solver(noisy + unit, maps).denoised - solver(noisy - unit, maps).denoised
        total += float(change.reshape(-1)[index]) / (2 * step)
    return total


EXACT = [
    (AnisotropicTV(), (0.1,)),
    (AnisotropicTV(2), (0.05, 0.2)),
    (AnisotropicTV(2), (0.0, 0.2)),
    (AnisotropicTV(bounds=(0.3, 0.7)), (0.1,)),
    (AnisotropicTV(), (1e-9,)),
    (AnisotropicTV(), (5.0,)),
    (TVpwL(), (0.1, 0.05)),
    (EightNeighbourTV(), (0.05,)),
]


@pytest.mark.parametrize(("regularizer", "lam"), EXACT, ids=lambda part: str(getattr(part, "name", part)))
@pytest.mark.parametrize("seed", [0, 1])
def test_components_are_the_trace_of_the_jacobian(regularizer: Regularizer, lam: tuple[float, ...], seed: int) -> None:
    noisy, solver = image(seed=seed), Exact(regularizer)
    maps = numbers(*lam, like=noisy)
    _, found = divergence(solver, noisy, maps, torch.ones_like(noisy))
    assert float(found) == pytest.approx(trace(solver, noisy, maps), abs=1e-9)
    assert float(found) == pytest.approx(differences(solver, noisy, maps), abs=1e-4)


def test_noise_that_differs_between_the_pixels_weighs_the_diagonal() -> None:
    noisy, solver = image(), Exact(AnisotropicTV())
    maps, variance = numbers(0.1, like=noisy), image(seed=4)
    jacobian = torch.autograd.functional.jacobian(lambda y: solver(y, maps).denoised, noisy).reshape(30, 30)
    _, found = divergence(solver, noisy, maps, variance)
    assert float(found) == pytest.approx(float((jacobian.diagonal() * variance.flatten()).sum()), abs=1e-9)


@pytest.mark.parametrize("regularizer", [HuberTV(), IsotropicTV()], ids=lambda part: part.name)
def test_the_mean_over_probes_is_the_trace(regularizer: Regularizer) -> None:
    noisy = image(9, 8)
    solver = Admm(regularizer, tol=1e-8, max_iter=20000, dtype=torch.float64)
    maps = constant_maps(regularizer, torch.tensor([0.1]), noisy)
    probes = (
        torch.stack(
            [divergence(solver, noisy, maps, torch.full_like(noisy, 1e-4), seed=seed)[1] for seed in range(16)]
        ).flatten()
        / 1e-4
    )
    error = 4 * float(probes.std()) / math.sqrt(len(probes))
    assert abs(float(probes.mean()) - trace(solver, noisy, maps)) < error + 0.3
    again = divergence(solver, noisy, maps, torch.full_like(noisy, 1e-4), seed=3)[1]
    assert torch.equal(again / 1e-4, probes[3:4])


def test_missing_pixels_are_neither_read_nor_counted(photographs: tuple[Tensor, Tensor]) -> None:
    noisy = photographs[1][:1].clone()
    known = torch.rand(noisy.shape, generator=torch.Generator().manual_seed(1)) > 0.2
    weight = known.double()
    first = choose_weight(noisy, AnisotropicTV(), 0.03, weight)
    second = choose_weight(torch.where(known, noisy, torch.nan), AnisotropicTV(), 0.03, weight)
    assert torch.equal(first.lam, second.lam)
    assert 0.005 < float(first.lam) < 0.06


@pytest.mark.parametrize("sigma", [10, 25, 60])
def test_the_risk_is_the_error_and_the_weight_close_to_the_best(sigma: int) -> None:
    from skimage.data import camera

    clean = torch.from_numpy(camera()[150:310, 150:310] / 255.0)[None, None]
    noisy = add_noise(clean, sigma, seed=0)
    solver = Exact(AnisotropicTV())
    found = choose_weight(noisy, solver.regularizer, sigma / 255)

    def error(lam: float) -> float:
        return float((solver(noisy, numbers(lam, like=noisy)).denoised - clean).square().mean())

    reached = error(float(found.lam))
    assert float(found.risk) == pytest.approx(reached, rel=0.15)
    best = min(error(factor * sigma / 255) for factor in np.geomspace(0.25, 2.5, 24))
    assert 10 * math.log10(reached / best) < 0.05


def test_a_batch_is_its_images_one_by_one_and_a_weight_far_from_the_start_is_found() -> None:
    flat = 0.5 + torch.zeros(1, 1, 40, 48, dtype=torch.float64)
    busy = image(40, 48, seed=3)
    noisy = torch.cat([add_noise(flat, 25, seed=1), busy + 0.02 * (image(40, 48, seed=5) - 0.5)])
    std = torch.tensor([25 / 255, 0.02 / 12**0.5], dtype=torch.float64)
    both = choose_weight(noisy, AnisotropicTV(), std)
    for index in range(2):
        alone = choose_weight(noisy[index : index + 1], AnisotropicTV(), float(std[index]))
        assert float(both.lam[index]) == pytest.approx(float(alone.lam), rel=0.1)
    assert float(both.lam[0]) > 0.9 * float(std[0])
    assert float(both.lam[1]) < 0.7 * float(std[1])


def test_tv_denoise_chooses_for_images_channels_and_units(photographs: tuple[Tensor, Tensor]) -> None:
    clean, noisy = photographs
    found = tv_denoise(noisy, "sure", noise_std=0.03)
    lam = choose_weight(noisy, AnisotropicTV(), 0.03).lam
    torch.testing.assert_close(found, tv_denoise(noisy, lam.reshape(-1, 1, 1, 1)))
    assert (found - clean).square().mean() < (noisy - clean).square().mean()
    colour = torch.cat([noisy, noisy + 0.02], dim=1)
    one_by_one = tv_denoise(colour, "sure", channels="independent", noise_std=torch.tensor([0.03, 0.03]))
    torch.testing.assert_close(one_by_one[:, :1], found)
    counts = tv_denoise(1000 * noisy, "sure", noise_std=30.0)
    torch.testing.assert_close(counts, 1000 * found, rtol=1e-6, atol=1e-4)
    together = tv_denoise(colour[:1], "sure", channels="coupled", tol=1e-5, noise_std=0.03)
    assert (together[:, :1] - clean[:1]).square().mean() < (noisy[:1] - clean[:1]).square().mean()


def test_complex_images_and_a_gradient_with_the_weight_held(photographs: tuple[Tensor, Tensor]) -> None:
    clean, noisy = (torch.complex(part[:1], part[1:]) for part in photographs)
    found = tv_denoise(noisy, "sure", 1e-5, noise_std=0.03)
    assert (found - clean).abs().square().mean() < (noisy - clean).abs().square().mean()
    estimated = std_per_pixel(noisy)
    assert float(estimated.mean()) == pytest.approx(0.03, rel=0.35)
    real = photographs[1][:1].clone().requires_grad_()
    lam = choose_weight(real, AnisotropicTV(), 0.03).lam
    (chosen,) = torch.autograd.grad(tv_denoise(real, "sure", noise_std=0.03).square().sum(), real)
    (held,) = torch.autograd.grad(tv_denoise(real, float(lam)).square().sum(), real)
    torch.testing.assert_close(chosen, held)


def test_denoise_tv_says_which_weight_and_which_noise() -> None:
    from skimage.data import astronaut, camera

    clean = camera()[100:228, 180:308] / 255.0
    noisy = clean + 0.08 * np.random.default_rng(0).standard_normal(clean.shape)
    found = denoise_tv(noisy, "sure", tol=1e-5, return_solution=True)
    assert found.weight is not None
    assert found.noise_std is not None
    assert found.noise_std[0] == pytest.approx(0.08, rel=0.1)
    assert np.square(found.denoised - clean).mean() < 0.3 * np.square(noisy - clean).mean()
    np.testing.assert_allclose(found.denoised, denoise_tv(noisy, found.weight[0], tol=1e-5), atol=1e-6)
    rgb = astronaut()[60:124, 180:244] / 255.0
    rgb = rgb + 0.06 * np.random.default_rng(1).standard_normal(rgb.shape)
    each = denoise_tv(rgb, "sure", regularizer="anisotropic", channel_axis=-1, noise_std=0.06, return_solution=True)
    assert each.weight is not None
    assert len(each.weight) == 3
    whole = denoise_tv(rgb, "sure", channel_axis=-1, channels="coupled", tol=1e-5, noise_std=0.06, return_solution=True)
    assert whole.weight is not None
    assert len(whole.weight) == 1
    assert denoise_tv(noisy, 0.1, tol=1e-4, return_solution=True).weight is None


def test_what_cannot_be_chosen_is_refused() -> None:
    noisy = image(20, 20)
    with pytest.raises(ValueError, match=r'lam must be .* or "sure"'):
        is_sure("lam", "auto", None)
    with pytest.raises(ValueError, match="noise_std is for lam"):
        tv_denoise(noisy, 0.1, noise_std=0.1)
    for wrong in (0.0, -1.0, math.nan, torch.zeros(1)):
        with pytest.raises(ValueError, match="noise_std must be positive"):
            tv_denoise(noisy, "sure", noise_std=wrong)
    with pytest.raises(ValueError, match="noise_std must be a number, one per image"):
        tv_denoise(noisy, "sure", noise_std=torch.ones(3))
    with pytest.raises(ValueError, match="Give noise_std"):
        tv_denoise(image(), "sure")
    with pytest.raises(ValueError, match="no noise"):
        tv_denoise(torch.full((1, 1, 20, 20), 0.5), "sure")
    with pytest.raises(ValueError, match="data_weight differs"):
        tv_denoise(noisy, "sure", data_weight=image(20, 20, seed=2) + 0.5)
