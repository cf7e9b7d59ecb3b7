"""Poisson-Gaussian noise: its draws, its estimate from an image, and the transform that makes it white."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from difftv import Admm, Denoiser, GaussianNoise, PoissonGaussian, estimate_noise
from difftv.errors import NoiseLevelWarning
from difftv.noise import Anscombe, CorrelatedGaussian, Noise, NoiseRange, Poisson, SignalDependent, joined, of_image

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


def test_the_gain_is_right_to_a_tenth_and_its_error_is_honest() -> None:
    """Of a normal error two thirds are within one standard error, 95 % within two."""
    names = ["camera", "astronaut", "cat", "retina", "moon", "coins", "rocket", "immunohistochemistry"]
    errors, scores = [], []
    for name in names:
        for noise in KINDS:
            found = estimate_noise(noise.corrupt(photograph(name), seed=1))
            errors.append(found.gain / noise.gain - 1)
            scores.append(abs(found.gain - noise.gain) / found.gain_error)
    assert np.square(errors).mean() ** 0.5 < 0.1
    assert np.abs(errors).max() < 0.25
    assert 0.5 < np.mean(np.less(scores, 1)) < 0.9
    assert np.mean(np.less(scores, 2)) > 0.9


def test_fine_texture_is_no_noise() -> None:
    """Waves of 6 px on half of the image: a smoothed image is flat on their crests, yet they are not flat."""
    rows, columns = np.mgrid[:256, :256]
    waves = 0.06 * np.sin(2 * np.pi * rows / 6) * np.sin(2 * np.pi * columns / 6) * (columns > 100)
    clean = torch.from_numpy(0.2 + 0.6 * rows / 256 + waves)[None, None]
    found = estimate_noise(PoissonGaussian(0.005, 2).corrupt(clean, seed=0))
    assert found.gain == pytest.approx(0.005, rel=0.15)


def test_single_photons_do_not_choose_the_pixels() -> None:
    """Half a photon per pixel on average: pixels that none has met look flat."""
    clean = torch.from_numpy(np.linspace(0.0, 0.08, 256)[:, None].repeat(256, axis=1))[None, None]
    assert estimate_noise(PoissonGaussian(0.08, 1).corrupt(clean, seed=0)).gain == pytest.approx(0.08, rel=0.12)


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
    errors = [
        float((image - clean).square().mean()) for image in (noisy, as_white.detach(), solution.denoised.detach())
    ]
    assert errors[2] < 0.9 * errors[1] < errors[0]
    assert float(solution.denoised.detach().mean()) == pytest.approx(float(clean.mean()), abs=0.01)


def test_a_known_standard_deviation_per_pixel_is_told_and_a_data_weight() -> None:
    denoiser = Denoiser.pretrained("gray-small")
    noisy = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    sigma = torch.full_like(noisy, 20.0)
    sigma[..., :10] = 40
    noise = GaussianNoise(sigma)
    weight = noise.data_weight(noisy)
    maps = denoiser.predictor(noisy, sigma)
    slopes = [name.startswith("gam") for name in denoiser.map_names]
    scaled = torch.cat([maps[:, [i]] * (1 if slope else weight) for i, slope in enumerate(slopes)], dim=1)
    found = denoiser.denoise(noisy, noise)
    assert torch.equal(found.lam, scaled)
    assert torch.equal(found.denoised, Admm(denoiser.solver.regularizer)(noisy, scaled, weight).denoised)


def test_noise_that_is_the_same_everywhere_needs_no_weight_whatever_the_way_it_is_written() -> None:
    denoiser = Denoiser.pretrained("gray-small")
    noisy = torch.rand(2, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    by_number, by_pixel = denoiser.denoise(noisy, 20.0), denoiser.denoise(noisy, torch.full_like(noisy, 20.0))
    torch.testing.assert_close(by_pixel.denoised, by_number.denoised, rtol=0, atol=2e-3)


KNOWN_KINDS = [GaussianNoise(20), *KINDS, Poisson(0.03), CorrelatedGaussian(20, 0.8)]


@pytest.mark.parametrize("noise", KNOWN_KINDS, ids=str)
def test_contract_of_every_kind(noise: Noise) -> None:
    """Mean, variance, seed, dtype, global state; the weight is the inverse variance with the mean variance 1."""
    clean = torch.linspace(0.2, 0.8, 7, dtype=torch.float64).reshape(1, 1, 7, 1).repeat(1, 1, 1, 40_000)
    before = torch.get_rng_state()
    noisy = noise.corrupt(clean, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(noisy, noise.corrupt(clean, seed=3))
    assert not torch.equal(noisy, noise.corrupt(clean, seed=4))
    std = noise.std(clean).expand(clean.shape)[..., 0]
    rows = (noisy - clean)[0, 0]
    bound = 4 * (1 + 40 * isinstance(noise, CorrelatedGaussian)) ** 0.5 / 200
    assert float((rows.mean(dim=1) / std.flatten()).abs().max()) < bound
    torch.testing.assert_close(rows.std(dim=1), std.flatten(), rtol=0.03, atol=0)
    weight = noise.data_weight(clean)
    assert (weight is None) == (not isinstance(noise, SignalDependent))
    if weight is not None:
        variance = noise.std(clean).square()
        torch.testing.assert_close(weight * variance, variance.mean().expand(clean.shape))
    single = noise.corrupt(clean[..., :50].float(), seed=3, clip=True)
    assert single.dtype == torch.float32
    assert 0 <= float(single.min()) <= float(single.max()) <= 1


@pytest.mark.parametrize(
    "pair",
    [
        (GaussianNoise(20.0), GaussianNoise(40.0)),
        (PoissonGaussian(0.02, 2), PoissonGaussian(0.04, 8)),
        (Poisson(0.02), Poisson(0.04)),
        (CorrelatedGaussian(20.0, 0.6), CorrelatedGaussian(40.0, 0.9)),
    ],
    ids=lambda pair: type(pair[0]).__name__,
)
def test_a_batch_of_every_kind_draws_the_noise_of_each_image(pair: tuple[Noise, Noise]) -> None:
    clean = torch.full((2, 1, 200, 200), 0.5)
    both = joined(pair)
    drawn = both.corrupt(clean, seed=0) - clean
    for index, noise in enumerate(pair):
        own = clean[index : index + 1]
        alone = noise.corrupt(own, seed=0) - own
        torch.testing.assert_close(both.std(clean).expand(clean.shape)[index], noise.std(own).expand(own.shape)[0])
        assert float(drawn[index].std()) == pytest.approx(float(alone.std()), rel=0.03)
        shared = [float((image[..., 1:] * image[..., :-1]).mean()) for image in (drawn[index], alone[0])]
        assert shared[0] == pytest.approx(shared[1], abs=0.05 * float(alone.square().mean()))


def test_correlated_noise_has_the_correlation_that_is_said() -> None:
    noise = CorrelatedGaussian(25, 1.5).corrupt(torch.zeros(1, 1, 400, 400), seed=0)[0, 0]
    assert float((noise[:, 1:] * noise[:, :-1]).mean() / noise.square().mean()) == pytest.approx(
        math.exp(-1 / (4 * 1.5**2)), abs=0.02
    )


def test_a_batch_has_the_noise_of_each_image_both_ways() -> None:
    singles = [PoissonGaussian(0.01, 5), PoissonGaussian(0.04, 2)]
    both = joined(singles)
    second = of_image(both, 1)
    assert (second.gain, second.sigma) == pytest.approx((0.04, 2))
    clean = torch.stack([photograph("camera")[0, :, 100:140, 100:140], photograph("moon")[0, :, :40, :40]]).float()
    noisy = torch.cat([noise.corrupt(clean[i : i + 1], seed=i) for i, noise in enumerate(singles)])
    torch.testing.assert_close(both.std(clean)[1:], singles[1].std(clean[1:]))
    for stabilise in (True, False):
        denoiser = Denoiser.pretrained("gray-small")
        denoiser.stabilise = stabilise
        batch = denoiser.denoise(noisy, both).denoised.detach()
        for index, noise in enumerate(singles):
            alone = denoiser.denoise(noisy[index : index + 1], noise).denoised.detach()
            torch.testing.assert_close(batch[index : index + 1], alone, rtol=0, atol=3e-3)


def test_both_ways_are_far_better_than_one_number_for_the_noise() -> None:
    clean = photograph("camera")[..., 150:250, 150:250].float()
    noise = PoissonGaussian(0.03, 3)
    noisy = noise.corrupt(clean, seed=0)
    denoiser = Denoiser.pretrained("gray-small")
    white = denoiser.denoise(noisy, 255 * float(noise.std_per_image(clean))).denoised.detach()
    for stabilise in (True, False):
        way = Denoiser(denoiser.predictor, denoiser.solver, denoiser.sigma_range, stabilise)
        error = (way.denoise(noisy, noise).denoised.detach() - clean).square().mean()
        assert float(error) < 0.92 * float((white - clean).square().mean())


def test_the_inverse_of_the_transform_has_its_derivative() -> None:
    transform = Anscombe(PoissonGaussian(0.02, 4))
    for start in (3.0, 9.0, 35.0):
        at = torch.tensor([start], dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(transform.inverse(at), at)
        step = 1e-3
        ahead, behind = (float(transform.inverse(torch.tensor([start + s]).double())) for s in (step, -step))
        assert float(slope) == pytest.approx((ahead - behind) / (2 * step), rel=0.02)


def test_ranges_draw_within_their_bounds_and_say_what_they_are() -> None:
    found = NoiseRange.of([0, 10], PoissonGaussian, {"gain": [0.01, 0.05]})
    words = [int(word) for word in np.random.default_rng(0).integers(0, 2**63, 60, dtype=np.uint64)]
    drawn = [found.draw(2 * one, [2 * other]) for one, other in zip(words[::2], words[1::2], strict=True)]
    assert all(0.01 <= noise.gain <= 0.05 and 0 <= noise.sigma <= 10 for noise in drawn)
    assert max(noise.gain for noise in drawn) > 0.045
    assert np.corrcoef([noise.gain for noise in drawn], [noise.sigma for noise in drawn])[0, 1] < 0.6
    assert (found.middle.gain, found.middle.sigma) == pytest.approx((0.03, 5))
    assert (found.several, found.varies, found.told, found.white, found.words) == (True, True, True, False, 1)
    assert str(found) == "Poisson-Gaussian noise, gain 0.01 to 0.05, sigma 0 to 10"
    assert str(NoiseRange.of(25)) == "sigma 25"
    assert not NoiseRange.of(25).told
    assert NoiseRange.of(0, Poisson, {"gain": 0.02}).told
    for sigma, kind, arguments, message in (
        (5, Poisson, {"gain": 0.02}, "sigma must be 0, got 5: Poisson noise has no Gaussian part"),
        (5, PoissonGaussian, {"gain": [0.05, 0.01]}, "gain must be one number or a range from low to high"),
        (5, PoissonGaussian, {"gain": -1}, "gain must be a positive finite number"),
        (0, GaussianNoise, {}, "sigma must be a positive number"),
    ):
        with pytest.raises(ValueError, match=message):
            NoiseRange.of(sigma, kind, arguments)
