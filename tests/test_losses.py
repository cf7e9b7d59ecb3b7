"""Losses: what they value, and that their gradients point at the clean image."""

import pytest
import torch
from torch import nn

from difftv.lab.losses import Mse, MseGradient, MseSsim, Psnr, PsnrGradient
from difftv.metrics import psnr, ssim

LOSSES = [Mse(), Psnr(), MseGradient(), PsnrGradient(), MseSsim(), MseSsim(alpha=0.0), MseSsim(alpha=1.0)]


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(3, 1, 16, 20, generator=generator)
    return (clean + 0.1 * torch.randn(clean.shape, generator=generator)).requires_grad_(), clean


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_a_step_against_the_gradient_helps(loss: nn.Module) -> None:
    denoised, clean = pair()
    value = loss(denoised, clean)
    (gradient,) = torch.autograd.grad(value, denoised)
    assert loss(denoised - 1e-3 * gradient / gradient.norm(), clean) < value


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_the_gradient_is_finite_at_the_clean_image(loss: nn.Module) -> None:
    _, clean = pair()
    denoised = clean.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(denoised, clean), denoised)
    assert gradient.isfinite().all()


def test_psnr_is_minus_the_metric() -> None:
    denoised, clean = pair()
    # The rounding error that is added, 1.3e-6, moves 20 dB (1e-2) by 5e-4 dB.
    torch.testing.assert_close(Psnr()(denoised, clean), -psnr(denoised, clean).mean(), atol=1e-3, rtol=0)


def test_psnr_weighs_flat_and_textured_images_alike_where_mse_does_not() -> None:
    denoised, clean = pair()
    error = (denoised - clean).detach() * torch.tensor([1.0, 0.3, 0.1]).view(3, 1, 1, 1)
    for loss, alike in ((Psnr(), True), (Mse(), False)):
        inputs = (clean + error).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(inputs, clean), inputs)
        # What shrinking an image's error by one per cent is worth.
        worth = (gradient * error).sum(dim=(1, 2, 3))
        assert (worth.max() / worth.min() < 1.05) == alike, worth


def test_mse_ssim_is_the_stated_mixture() -> None:
    denoised, clean = pair()
    expected = 0.8 * Mse()(denoised, clean) + 0.2 * (1 - ssim(denoised, clean).mean())
    torch.testing.assert_close(MseSsim()(denoised, clean), expected)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, True, "half", float("nan")])
@pytest.mark.usefixtures("jaxtyping_off")
def test_alpha_outside_its_range_is_refused(alpha: object) -> None:
    with pytest.raises(ValueError, match=r"alpha must be a number in \[0, 1\]"):
        MseSsim(alpha=alpha)  # type: ignore[arg-type]


def test_a_plateau_costs_the_slope_that_it_hides() -> None:
    ramp = torch.arange(12.0).mul(0.01).expand(1, 1, 5, 12)
    stairs = (ramp / 0.03).round() * 0.03
    shifted = ramp + (stairs - ramp).square().mean().sqrt()  # as large a squared error, and every slope right
    loss = MseGradient(weight=0.5)
    assert float(loss(shifted, ramp)) == pytest.approx(float(Mse()(shifted, ramp)), rel=1e-4)
    slopes = (stairs - ramp).diff(dim=3).abs().sum() / (5 * 12)
    assert float(loss(stairs, ramp)) == pytest.approx(float(Mse()(stairs, ramp) + 0.5 * slopes), rel=1e-4)


def test_the_psnr_and_the_slopes_in_decibels() -> None:
    denoised, clean = pair()
    error = (denoised - clean).detach()
    slopes = (error.diff(dim=2).abs().sum(dim=(1, 2, 3)) + error.diff(dim=3).abs().sum(dim=(1, 2, 3))) / (16 * 20)
    expected = Psnr()(denoised, clean) + 0.3 * 10 * slopes.log10().mean()
    torch.testing.assert_close(PsnrGradient(weight=0.3)(denoised, clean), expected, atol=1e-2, rtol=0)
    # A tenth of the error is worth as many decibels at every level of noise: 20 of the image, 0.3 * 10 of its slopes.
    gained = PsnrGradient(weight=0.3)(clean + error, clean) - PsnrGradient(weight=0.3)(clean + error / 10, clean)
    assert float(gained) == pytest.approx(23.0, abs=0.3)


@pytest.mark.parametrize("loss", [MseGradient, PsnrGradient])
def test_a_negative_weight_is_refused(loss: type[MseGradient | PsnrGradient]) -> None:
    with pytest.raises(ValueError, match="weight must be a finite number >= 0, got -1"):
        loss(weight=-1)
