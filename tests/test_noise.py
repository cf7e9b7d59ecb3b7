import math

import numpy as np
import pytest
import torch

from difftv.missing import fill_missing
from difftv.noise import GaussianNoise, SigmaRange, add_noise, noise_std, noise_std_per_image


def test_sigma_is_in_8_bit_units() -> None:
    clean = torch.full((1, 1, 256, 256), 0.5)
    noise = add_noise(clean, 25, seed=0) - clean
    assert noise.std().item() == pytest.approx(25 / 255, rel=0.02)
    assert abs(noise.mean().item()) < 0.002


def test_the_draw_depends_on_the_seed_alone_and_scales_with_sigma() -> None:
    clean = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    before = torch.get_rng_state()
    small, large = add_noise(clean, 15, seed=3) - clean, add_noise(clean, 45, seed=3) - clean
    torch.testing.assert_close(3 * small, large, atol=1e-6, rtol=1e-4)
    assert not torch.equal(add_noise(clean, 15, seed=4) - clean, small)
    assert torch.equal(torch.get_rng_state(), before)


def test_noise_leaves_the_range_unless_clipped() -> None:
    clean = torch.zeros(1, 1, 16, 16)
    assert add_noise(clean, 25, seed=0).min() < 0
    clipped = add_noise(clean, 25, seed=0, clip=True)
    assert clipped.min() == 0
    assert clipped.max() > 0


@pytest.mark.parametrize("sigma", [0, -1, math.nan, math.inf, "25", True, None])
def test_a_sigma_that_is_no_noise_level_is_refused(sigma) -> None:
    with pytest.raises(Exception, match=r"sigma must be a positive number in 8-bit units|type"):
        noise_std(sigma)


def test_a_number_per_image_scales_the_same_draw() -> None:
    clean = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    noisy = GaussianNoise(torch.tensor([15.0, 25.0])).corrupt(clean, seed=3)
    for index, sigma in enumerate((15, 25)):
        torch.testing.assert_close(noisy[index], add_noise(clean, sigma, seed=3)[index])


def test_the_draw_of_a_number_is_bit_for_bit_that_of_earlier_versions() -> None:
    clean = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    normal = torch.randn(clean.shape, generator=torch.Generator().manual_seed(7))
    assert torch.equal(GaussianNoise(25).corrupt(clean, seed=7), clean + 25 / 255.0 * normal)


def test_white_noise_needs_no_weight_and_a_known_variance_is_one() -> None:
    images = torch.full((2, 1, 4, 5), 0.5, dtype=torch.float64)
    assert GaussianNoise(25).data_weight(images) is None
    assert GaussianNoise(torch.tensor([10.0, 20.0])).data_weight(images) is None
    sigma = torch.rand(2, 1, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1
    noise = GaussianNoise(sigma)
    weight = noise.data_weight(images)
    assert weight is not None
    variance = (sigma / 255).square()
    torch.testing.assert_close(weight * variance, variance.mean(dim=(1, 2, 3), keepdim=True).expand_as(variance))
    torch.testing.assert_close(noise.std_per_image(images), variance.mean(dim=(1, 2, 3)).sqrt())
    torch.testing.assert_close(noise_std_per_image(noise, images), variance.mean(dim=(1, 2, 3)).sqrt())


@pytest.mark.parametrize("sigma", [torch.tensor([25.0, -1.0]), torch.tensor([25.0, math.nan]), torch.ones(3, 4)])
def test_a_tensor_that_is_no_noise_level_is_refused(sigma: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"^sigma must be"):
        GaussianNoise(sigma)


def test_levels_of_another_batch_are_refused() -> None:
    with pytest.raises(ValueError, match=r"have one entry per image.* got shape \(3,\)"):
        noise_std_per_image(torch.tensor([5.0, 6.0, 7.0]), torch.rand(2, 1, 4, 4))


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize("sigma", [np.float32(25), np.int64(25), np.float64(25)])
def test_numbers_of_numpy_are_numbers(sigma) -> None:
    assert GaussianNoise(sigma) == GaussianNoise(25)
    assert type(GaussianNoise(sigma).sigma) in (int, float)
    assert SigmaRange.of([sigma, np.float32(50)]).pair == (25.0, 50.0)


def test_a_range_is_uniform_and_a_number_is_itself() -> None:
    levels = SigmaRange.of([5, 55])
    assert (levels.draw(0), levels.draw(2**63), levels.middle, str(levels)) == (5.0, 30.0, 30.0, "5 to 55")
    one = SigmaRange.of(25)
    assert (one.draw(2**63), one.middle, one.several, str(one)) == (25.0, 25, False, "25")


def test_missing_pixels_are_filled_from_known_ones_alone() -> None:
    images = torch.rand(2, 2, 7, 5, generator=torch.Generator().manual_seed(0))
    known = torch.rand(images.shape, generator=torch.Generator().manual_seed(1)) > 0.7
    known[1, 1] = False
    known[1, 1, 6, 4] = True
    hidden = torch.where(known, images, torch.nan)
    filled = fill_missing(hidden, known)
    assert torch.equal(filled[known], images[known])
    assert filled.isfinite().all()
    torch.testing.assert_close(filled[1, 1], images[1, 1, 6, 4].expand(7, 5))
    low, high = (torch.where(known, images, end).flatten(2) for end in (torch.inf, -torch.inf))
    assert ((filled.flatten(2) >= low.amin(2, True) - 1e-6) & (filled.flatten(2) <= high.amax(2, True) + 1e-6)).all()
    assert torch.equal(fill_missing(images, torch.ones_like(known)), images)


@pytest.mark.parametrize("space", [(9,), (5, 6, 7)])
def test_missing_values_of_signals_and_volumes_are_filled(space: tuple[int, ...]) -> None:
    images = torch.full((2, 1, *space), 0.7)
    known = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    known[..., 0] = True
    torch.testing.assert_close(fill_missing(torch.where(known, images, torch.nan), known), images)
    pairs = torch.zeros_like(images)
    pairs[..., 1] = 1.0  # beside the known 0 of the same pair
    known = torch.ones_like(known)
    known[..., 1] = False
    assert torch.equal(fill_missing(pairs, known), torch.zeros_like(pairs))
