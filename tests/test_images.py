"""Entrances refuse what is no image in [0, 1], and say what to do."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian

import difftv
from difftv.errors import IntensityWarning
from difftv.noise import add_noise

DENOISER = difftv.Denoiser(difftv.Constant(), difftv.TautString(difftv.AnisotropicTV()))
IMAGES = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))

ENTRANCES: dict[str, Callable] = {"Denoiser": DENOISER, "estimate_sigma": difftv.estimate_sigma}


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (IMAGES.numpy(), TypeError, r"noisy must be a torch.Tensor, got numpy.ndarray. Convert"),
        ((255 * IMAGES).byte(), ValueError, r"got torch.uint8. Convert it with .float\(\) / 255"),
        ((4095 * IMAGES).to(torch.int16), ValueError, r"got torch.int16. Convert it with .float\(\) / its white level"),
        (IMAGES.to(torch.complex64), ValueError, r"noisy must be real, got torch.complex64"),
        (IMAGES[0], ValueError, r"noisy must have shape \(batch, channels, height, width\), got \(1, 20, 20\)"),
        (IMAGES[:, :, :0], ValueError, r"noisy must have at least one pixel per image, got shape \(1, 1, 0, 20\)"),
    ],
)
def test_what_is_no_image_is_refused(entrance: str, images, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ENTRANCES[entrance](images)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_a_network_works_in_its_own_precision_and_the_image_is_solved_in_its_own(dtype: torch.dtype) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        denoiser = difftv.Denoiser(difftv.Cnn(), difftv.TautString(difftv.AnisotropicTV()))
    images = IMAGES.to(dtype)
    solution = denoiser(images)
    maps = denoiser.predictor(images.float()).to(dtype)
    assert torch.equal(solution.denoised, denoiser.solver(images, maps).denoised)
    solution.denoised.sum().backward()
    assert all(weight.grad is not None for weight in denoiser.parameters())


def test_intensities_that_are_not_in_0_1_are_said() -> None:
    model = difftv.Denoiser.pretrained("gray-small")
    noisy = add_noise(IMAGES, 25, seed=0)
    for entrance in (lambda images: model(images, sigma=25), difftv.estimate_sigma):
        entrance(noisy)
        with pytest.warns(IntensityWarning, match=r"intensities in \[0, 1\], and these go from -?[\d.]+ to [23]\d\d"):
            entrance(255 * noisy)


def test_noise_of_any_trained_level_is_in_range() -> None:
    noisy = add_noise(IMAGES, 200, seed=0)
    difftv.estimate_sigma(noisy)  # a warning would be an error


@pytest.mark.parametrize("solver", [difftv.TautString(difftv.AnisotropicTV()), difftv.Admm(difftv.IsotropicTV())])
def test_a_batched_backward_is_refused_in_words(solver: difftv.Solver) -> None:
    maps = torch.full((1, 1, 4, 4), 0.1)
    with pytest.raises(NotImplementedError, match=r"one gradient at a time: jacobian\(..., vectorize=False\)"):
        jacobian(lambda noisy: solver(noisy, maps).denoised, IMAGES[:, :, :4, :4], vectorize=True)
    assert jacobian(lambda noisy: solver(noisy, maps).denoised, IMAGES[:, :, :4, :4]).shape == (1, 1, 4, 4) * 2


@pytest.mark.parametrize("scale", [1e5, 2e7 / 1.1])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32])
def test_wide_integers_that_do_not_use_their_range_are_refused(dtype: type, scale: float) -> None:
    image = (np.random.default_rng(0).random((12, 10)) * scale).astype(dtype)
    with pytest.raises(ValueError, match=r"would turn into an image of no contrast. Divide it by its white level"):
        difftv.denoise_tv(image, 0.1)


def test_the_advice_for_hounsfield_units_keeps_their_contrast() -> None:
    image = np.random.default_rng(0).integers(-1000, 3000, (12, 10))
    with pytest.raises(ValueError, match=r"keep its units with image.astype\(float\): weight is in these units then"):
        difftv.denoise_tv(image, 0.1)
    denoised = difftv.denoise_tv(image.astype(float), 100.0)
    assert 500 < np.ptp(denoised) < 4000


def test_wide_integers_of_full_scale_are_scaled() -> None:
    image = np.random.default_rng(0).random((12, 10))
    full = (image * np.iinfo(np.uint32).max).astype(np.uint32)
    np.testing.assert_allclose(difftv.denoise_tv(full, 0.1), difftv.denoise_tv(image, 0.1), atol=1e-6)


@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 1), (np.uint16, 255), (np.int16, 200)])
def test_narrow_integers_that_use_little_of_their_range_are_said(dtype: type, largest: int) -> None:
    image = np.random.default_rng(0).integers(0, largest + 1, (12, 10)).astype(dtype)
    with pytest.warns(IntensityWarning, match=rf"{np.dtype(dtype)} with values from 0 to {largest}, .*little contrast"):
        difftv.denoise_tv(image, 0.1)
    difftv.denoise_tv(np.full((12, 10), largest, dtype), 0.1)  # a constant image has none to lose


def test_twelve_bits_in_sixteen_are_taken_in_silence() -> None:
    difftv.denoise_tv((np.random.default_rng(0).random((12, 10)) * 4095).astype(np.uint16), 0.1)
