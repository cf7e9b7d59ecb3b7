"""Poisson-Gaussian noise: its draws, its estimate from an image, and the transform that makes it white."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from difftv import Denoiser, GaussianNoise, PoissonGaussian, estimate_noise
from difftv.errors import NoiseLevelWarning
from difftv.noise import Anscombe

KINDS = [PoissonGaussian(0.01, 5), PoissonGaussian(0.02, 10), PoissonGaussian(0.05, 5), PoissonGaussian(0.005, 2)]


def photograph(name: str) -> torch.Tensor:
    pixels = getattr(data, name)().astype(np.float64) / 255
    return torch.from_numpy(pixels.mean(axis=-1) if pixels.ndim == 3 else pixels)[None, None, :512, :512]


@pytest.mark.parametrize("noise", [*KINDS, PoissonGaussian(0.05)], ids=str)
@pytest.mark.parametrize("level", [0.0, 0.1, 0.8])
def test_draws_have_their_mean_and_standard_deviation(noise: PoissonGaussian, level: float) -> None:
    clean = torch.full((1, 1, 300, 300), level, dtype=torch.float64)
    before = torch.get_rng_state()
    noisy = noise.corrupt(clean, seed=0)
    std = float(noise.std(clean)[0, 0, 0, 0])
    assert std == pytest.approx((noise.gain * level + (noise.sigma / 255) ** 2) ** 0.5)
    assert float(noisy.mean()) == pytest.approx(level, abs=5 * std / 300)
    assert float(noisy.std()) == pytest.approx(std, rel=0.02)
    assert torch.equal(noise.corrupt(clean, seed=0), noisy)
    assert not torch.equal(noise.corrupt(clean, seed=1), noisy) or std == 0
    assert torch.equal(torch.get_rng_state(), before)
    assert noise.corrupt(clean.float(), seed=0).dtype == torch.float32


def test_the_weight_is_the_inverse_variance_and_finite_without_photons() -> None:
    images = torch.tensor([0.0, 0.2, 0.8], dtype=torch.float64).reshape(1, 1, 1, 3)
    weight = PoissonGaussian(0.02).data_weight(images)
    assert weight.isfinite().all()
    assert float(weight[..., 1] / weight[..., 2]) == pytest.approx(4)
    assert float((1 / weight).mean()) == pytest.approx(1)


@pytest.mark.parametrize(("gain", "sigma"), [(0, 5), (-1, 5), (float("nan"), 5), (0.1, -1), (0.1, float("inf"))])
def test_what_is_no_such_noise_is_refused(gain: float, sigma: float) -> None:
    with pytest.raises(ValueError, match=r"^(gain|sigma) must be"):
        PoissonGaussian(gain, sigma)


@pytest.mark.parametrize("noise", KINDS, ids=str)
@pytest.mark.parametrize("name", ["camera", "astronaut", "cat", "retina"])
def test_gain_and_sigma_are_found_in_photographs(name: str, noise: PoissonGaussian) -> None:
    found = estimate_noise(noise.corrupt(photograph(name), seed=0))
    assert found.signal_dependent
    assert found.noise is not None
    assert found.gain == pytest.approx(noise.gain, rel=0.15)
    assert abs(found.gain - noise.gain) < 2 * found.gain_error
    assert abs(found.variance - (noise.sigma / 255) ** 2) < 2 * found.variance_error
    assert abs(found.correlation) < 0.05


@pytest.mark.parametrize("name", ["camera", "moon", "brick", "coins"])
def test_white_noise_has_no_gain(name: str) -> None:
    found = estimate_noise(GaussianNoise(25).corrupt(photograph(name), seed=0))
    assert not found.signal_dependent
    assert abs(found.gain) < 3 * found.gain_error
    assert abs(found.variance - (25 / 255) ** 2) < 3 * found.variance_error < 0.3 * (25 / 255) ** 2


def test_correlated_noise_is_said_by_number() -> None:
    noise = gaussian_filter(np.random.default_rng(0).standard_normal((512, 512)), 0.6)
    noisy = photograph("camera") + torch.from_numpy(noise / noise.std())[None, None] * 25 / 255
    with pytest.warns(NoiseLevelWarning, match=r"correlated \(0\.\d\d, white noise has 0\)"):
        assert estimate_noise(noisy).correlation > 0.15


@pytest.mark.usefixtures("jaxtyping_off")
def test_what_has_no_estimate_is_refused() -> None:
    for image, message in (
        (torch.rand(1, 1, 40, 80), "64 pixels a side or more"),
        (torch.rand(2, 1, 80, 80), "one gray image"),
        (torch.ones(1, 1, 80, 80), "too few unclipped pixels"),
        (torch.full((1, 1, 80, 80), torch.nan), "not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            estimate_noise(image)


@pytest.mark.parametrize("noise", [*KINDS, PoissonGaussian(0.05)], ids=str)
def test_the_inverse_of_the_transform_is_unbiased(noise: PoissonGaussian) -> None:
    transform = Anscombe(noise)
    for level in (0.0, 0.01, 0.1, 0.5, 1.0, 3.0):
        noisy = noise.corrupt(torch.full((1, 1, 500, 500), level, dtype=torch.float64), seed=0)
        mean = transform.apply(noisy).mean().reshape(1)
        assert float(transform.inverse(mean)) == pytest.approx(level, abs=4 * float(noisy.std()) / 500 + 1e-9)


@pytest.mark.parametrize("noise", KINDS, ids=str)
def test_the_transform_makes_noise_white(noise: PoissonGaussian) -> None:
    for photons in (5, 20, 300):
        clean = torch.full((1, 1, 300, 300), photons * noise.gain, dtype=torch.float64)
        assert float(Anscombe(noise).apply(noise.corrupt(clean, seed=0)).std()) == pytest.approx(1, abs=0.03)


def test_the_inverse_has_no_step_where_the_series_begins() -> None:
    transform = Anscombe(PoissonGaussian(1.0, 255 * 2.0))
    values = torch.linspace(27, 30, 3000, dtype=torch.float64)
    steps = transform.inverse(values).diff() / values.diff()
    torch.testing.assert_close(steps, (values[1:] + values[:-1]) / 4, rtol=2e-3, atol=0)


def test_a_model_of_white_noise_takes_photons_through_the_transform() -> None:
    denoiser = Denoiser.pretrained("gray-small")
    clean = photograph("camera")[..., 150:250, 150:250].float()
    noise = PoissonGaussian(0.03, 3)
    noisy = noise.corrupt(clean, seed=0)
    as_white = denoiser.denoise(noisy, 255 * float(noise.std_per_image(clean))).denoised
    solution = denoiser.denoise(noisy, noise)
    errors = [float((image - clean).square().mean()) for image in (noisy, as_white.detach(), solution.denoised)]
    assert errors[2] < 0.9 * errors[1] < errors[0]
    assert float(solution.denoised.mean()) == pytest.approx(float(clean.mean()), abs=0.01)


def test_a_known_standard_deviation_per_pixel_is_a_data_weight() -> None:
    denoiser = Denoiser.pretrained("gray-small")
    noisy = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    sigma = torch.full_like(noisy, 20.0)
    sigma[..., :10] = 40
    noise = GaussianNoise(sigma)
    found = denoiser.denoise(noisy, noise)
    expected = denoiser(noisy, 255 * noise.std_per_image(noisy), noise.data_weight(noisy))
    assert torch.equal(found.denoised, expected.denoised)
