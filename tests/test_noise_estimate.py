"""The estimate of the noise level: scikit-image's where nothing is clipped, better where something is."""

import math

import numpy as np
import pytest
import torch
from skimage import data
from skimage.restoration import estimate_sigma as reference

from difftv import estimate_sigma
from difftv.colour import _opponent, estimate_image_noise
from difftv.errors import NoiseLevelWarning
from difftv.noise import add_noise
from difftv.noise.estimate import CLIPPED, HIGH_PASS, estimate_white

NAMES = ("camera", "coins", "moon", "brick", "gravel", "grass", "page", "text")


def photograph(name: str) -> torch.Tensor:
    return torch.from_numpy(getattr(data, name)().astype(np.float32) / 255)[None, None]


def eight_bit(image: torch.Tensor) -> torch.Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


def test_the_wavelet_is_orthonormal_and_blind_to_ramps() -> None:
    taps = np.array(HIGH_PASS)
    low = taps[::-1] * [1, -1, 1, -1]
    products = [taps @ taps, taps.sum(), taps @ np.arange(4), taps[:2] @ taps[2:], taps @ low, taps[:2] @ low[2:]]
    assert products == pytest.approx([1, 0, 0, 0, 0, 0], abs=1e-12)


@pytest.mark.parametrize("sigma", [2, 5, 15, 25, 50, 100])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_that_of_scikit_image(name: str, sigma: float) -> None:
    noisy = add_noise(photograph(name), sigma, seed=0)
    expected = 255 * reference(noisy[0, 0].numpy())
    assert float(estimate_sigma(noisy)) == pytest.approx(expected, rel=0.04)


def test_pure_noise_is_measured() -> None:
    noise = add_noise(torch.full((1, 1, 256, 256), 0.5), 25, seed=1)
    assert float(estimate_sigma(noise)) == pytest.approx(25, rel=0.02)


def test_every_image_has_its_own_and_scale_goes_through() -> None:
    noisy = torch.cat([add_noise(photograph("moon"), sigma, seed=0) for sigma in (10, 40)])
    before = noisy.clone()
    found = estimate_sigma(noisy)
    assert found.shape == (2,)
    assert found.dtype == noisy.dtype
    assert torch.equal(found, torch.cat([estimate_sigma(image[None]) for image in noisy]))
    assert torch.equal(noisy, before)
    torch.testing.assert_close(estimate_sigma(0.5 * noisy + 0.1), 0.5 * found, rtol=1e-4, atol=0)
    assert torch.equal(estimate_sigma(noisy.transpose(2, 3)), found)


def test_no_gradient_goes_through() -> None:
    noisy = add_noise(photograph("moon"), 25, seed=0).requires_grad_()
    assert not estimate_sigma(noisy).requires_grad


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_an_image_without_anything_has_no_noise(level: float) -> None:
    found = estimate_white(torch.full((1, 1, 20, 30), level))
    assert float(found.sigma) == 0
    assert float(found.clipped) == (level in (0.0, 1.0))


def test_a_ramp_has_no_noise() -> None:
    ramp = torch.linspace(0.1, 0.9, 64).expand(1, 1, 64, 64) + torch.linspace(0, 0.1, 64)[:, None]
    assert float(estimate_sigma(ramp)) < 0.01


@pytest.mark.parametrize("sigma", [15, 25])
@pytest.mark.parametrize("name", ["astronaut", "retina"])
def test_clipped_pixels_do_not_pull_it_down(name: str, sigma: float) -> None:
    gray = torch.from_numpy(getattr(data, name)().mean(axis=-1).astype(np.float32) / 255)[None, None]
    noisy = eight_bit(add_noise(gray, sigma, seed=0))
    plain = 255 * reference(noisy[0, 0].numpy())
    assert float(estimate_white(noisy).sigma) == pytest.approx(sigma, rel=0.05)
    assert plain < 0.95 * sigma


def test_an_image_that_is_saturated_is_named() -> None:
    noisy = eight_bit(add_noise(0.5 + 0.5 * photograph("camera"), 50, seed=0))
    found = estimate_white(noisy)
    assert float(found.clipped) > CLIPPED
    assert float(found.sigma) < 50
    with pytest.warns(NoiseLevelWarning, match=r"\d+% of the pixels of an image are clipped .* is too low"):
        estimate_sigma(noisy)


def test_where_every_detail_is_clipped_all_of_them_are_taken() -> None:
    noisy = eight_bit(add_noise(torch.ones(1, 1, 64, 64), 25, seed=0))
    found = estimate_white(noisy)
    assert float(found.clipped) > 0.4
    assert 5 < float(found.sigma) < 25


@pytest.mark.parametrize("shape", [(1, 1, 15, 40), (1, 3, 40, 40), (1, 1, 40, 4)])
@pytest.mark.usefixtures("jaxtyping_off")
def test_what_has_no_estimate_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"with 16 pixels a side or more .*Give sigma"):
        estimate_sigma(torch.rand(shape))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    noisy = torch.rand(1, 1, 20, 20)
    noisy[0, 0, 3, 3] = value
    with pytest.raises(ValueError, match="not finite"):
        estimate_sigma(noisy)


def test_a_colour_image_has_the_noise_of_its_luma() -> None:
    clean = torch.from_numpy(data.chelsea().astype(np.float32) / 255).movedim(-1, 0)
    noisy = add_noise(clean[:, None], 25, seed=0)[:, 0]
    found = float(estimate_image_noise(noisy).sigma)
    matrix, _, _ = _opponent(noisy)
    luma = torch.einsum("ij,jhw->ihw", matrix, noisy)[:1, None]
    assert found == pytest.approx(float(estimate_sigma(luma)), rel=1e-4)
    assert found == pytest.approx(25, rel=0.05)


def test_three_equal_channels_are_gray() -> None:
    noisy = add_noise(photograph("moon"), 25, seed=0)[0]
    assert estimate_image_noise(noisy.expand(3, -1, -1)).sigma == estimate_image_noise(noisy).sigma


def test_a_pixel_is_clipped_where_a_colour_is() -> None:
    noisy = torch.full((3, 20, 20), 0.5)
    noisy[0, :10] = 1.0
    assert float(estimate_image_noise(noisy).clipped) == 0.5


def test_pixels_that_do_not_count_are_not_read() -> None:
    noisy = add_noise(photograph("moon"), 25, seed=0)[..., :200, :200]
    known = torch.ones_like(noisy, dtype=torch.bool)
    known[..., 50:180, 60:190] = False
    found = [estimate_white(torch.where(known, noisy, value), known=known) for value in (torch.nan, 0.0, 1.0)]
    assert len({(float(one.sigma), float(one.clipped)) for one in found}) == 1
    assert float(found[0].sigma) == pytest.approx(25, rel=0.05)
    assert float(found[0].clipped) < 0.1
    with pytest.raises(ValueError, match="too few known pixels"):
        estimate_white(noisy, known=torch.zeros_like(known))
