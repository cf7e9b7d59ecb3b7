"""Colour by luma and chroma: an orthonormal change of channels around the gray denoiser."""

import pytest
import torch
from skimage import data

from difftv.colour import COLOUR, GRAY, OPPONENT, denoise_image
from difftv.denoiser import Denoiser
from difftv.errors import ProblemTooLargeError
from difftv.metrics import psnr
from difftv.noise import add_noise
from difftv.predictors import Cnn, Constant
from difftv.regularizers import AnisotropicTV, IsotropicTV
from difftv.solvers import Admm, Scs
from difftv.solvers.exact.solver import TautString

CLEAN = torch.from_numpy(data.chelsea()[60:156, 100:220].copy()).permute(2, 0, 1) / 255
NOISY = add_noise(CLEAN[:, None], 25, seed=0)[:, 0]


def constant(lam: float, maps: int = 1) -> Denoiser:
    return Denoiser(Constant(maps, initial_lam=lam), TautString(AnisotropicTV(maps), tol=1e-10))


def coupled(lam: float, channels: int = 3) -> Denoiser:
    solver = Admm(IsotropicTV(channels=channels), tol=1e-5)
    return Denoiser(Constant(initial_lam=lam, channels=channels), solver)


def fidelity(image: torch.Tensor) -> float:
    return float(psnr(image.reshape(1, 1, -1, CLEAN.shape[-1]), CLEAN.reshape(1, 1, -1, CLEAN.shape[-1])))


def test_a_gray_image_is_what_the_denoiser_gives() -> None:
    denoiser, done = constant(0.08), []
    found = denoise_image(denoiser, NOISY[:1], on_progress=done.append)
    with torch.no_grad():
        solution = denoiser(NOISY[None, :1])
    assert torch.equal(found.denoised, solution.denoised[0])
    assert tuple(found.lam) == GRAY
    assert done == [1]
    assert found.converged
    assert found.gap <= 1e-10


def test_equal_channels_are_one_gray_image() -> None:
    gray = denoise_image(constant(0.08), NOISY[:1])
    colour = denoise_image(constant(0.08), NOISY[:1].expand(3, -1, -1))
    assert tuple(colour.lam) == GRAY
    assert torch.equal(colour.denoised, gray.denoised.expand(3, -1, -1))


def test_without_smoothing_the_colours_come_back() -> None:
    found = denoise_image(constant(1e-7), NOISY)
    torch.testing.assert_close(found.denoised, NOISY, atol=2e-6, rtol=0)
    assert tuple(found.lam) == OPPONENT


def test_full_smoothing_leaves_the_mean_colour() -> None:
    found = denoise_image(constant(100.0), NOISY)
    mean = NOISY.mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(found.denoised, mean.expand_as(NOISY), atol=2e-6, rtol=0)


def test_the_noise_of_every_channel_is_the_one_the_network_knows() -> None:
    seen: list[torch.Tensor] = []
    denoiser = constant(0.08)
    denoiser.predictor.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    flat = torch.full((3, 200, 200), 0.5)
    denoise_image(denoiser, add_noise(flat[:, None], 25, seed=1)[:, 0])
    channels = torch.cat([channel.flatten()[None] for channel in seen])
    assert channels.std(dim=1).tolist() == pytest.approx([25 / 255] * 3, rel=0.02)
    assert channels.mean(dim=1).tolist() == pytest.approx([0.5] * 3, abs=0.002)
    assert torch.corrcoef(channels).triu(1).abs().max() < 0.02


@pytest.mark.parametrize(("sigma", "expected"), [(25, [3**0.5, 2**0.5, 4 / 6**0.5]), (7.5, [1.5, 2**0.5, 1.5])])
def test_a_network_that_knows_many_levels_sees_every_channel_in_its_own_range(sigma, expected) -> None:
    seen: list[tuple[torch.Tensor, float]] = []
    network = Constant(initial_lam=0.08, sigma_input=True)
    denoiser = Denoiser(network, TautString(AnisotropicTV()), sigma_range=(5.0, 55.0))
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    flat = torch.full((3, 200, 200), 0.5)
    found = denoise_image(denoiser, add_noise(flat[:, None], sigma, seed=1)[:, 0], sigma=sigma)
    assert [level for _, level in seen] == pytest.approx([sigma / scale for scale in expected])
    for images, level in seen:
        assert float(images.std()) * 255 == pytest.approx(level, rel=0.02)
        assert float(images.mean()) == pytest.approx(0.5, abs=0.002)
    # Maps are in the units of the channel, whatever the network was shown.
    assert [float(lam.mean()) for lam in found.lam.values()] == pytest.approx([0.08 * scale for scale in expected])
    assert float((found.denoised - 0.5).abs().max()) < 0.05


def test_extremes_of_every_channel_stay_within_what_the_network_expects() -> None:
    seen: list[torch.Tensor] = []
    network = Constant(initial_lam=1e-6, sigma_input=True)
    denoiser = Denoiser(network, TautString(AnisotropicTV()), sigma_range=(5.0, 55.0))
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    corners = torch.tensor([[r, g, b] for r in (0.0, 1.0) for g in (0.0, 1.0) for b in (0.0, 1.0)]).T.reshape(3, 2, 4)
    found = denoise_image(denoiser, corners, sigma=25)
    for images in seen:
        assert (float(images.min()), float(images.max())) == pytest.approx((0.0, 1.0), abs=1e-6)
    torch.testing.assert_close(found.denoised, corners, atol=1e-5, rtol=0)


def test_luma_and_chroma_score_better_than_red_green_and_blue() -> None:
    by_luma = max(fidelity(denoise_image(constant(lam), NOISY).denoised) for lam in (0.05, 0.08, 0.12))
    by_colour = max(
        fidelity(torch.cat([denoise_image(constant(lam), colour[None]).denoised for colour in NOISY]))
        for lam in (0.05, 0.08, 0.12)
    )
    assert by_luma > by_colour + 0.5 > fidelity(NOISY) + 5


def test_a_denoiser_of_colour_images_takes_the_colours_together() -> None:
    denoiser = coupled(0.1)
    found = denoise_image(denoiser, NOISY)
    with torch.no_grad():
        assert torch.equal(found.denoised, denoiser(NOISY[None]).denoised[0])
    assert tuple(found.lam) == COLOUR
    assert found.lam["colour"].shape == (1, *NOISY.shape[1:])
    each = max(
        fidelity(torch.cat([denoise_image(coupled(lam, 1), colour[None]).denoised for colour in NOISY]))
        for lam in (0.08, 0.12)
    )
    assert max(fidelity(denoise_image(coupled(lam), NOISY).denoised) for lam in (0.12, 0.16)) > each + 0.3


def test_a_gray_image_goes_into_a_denoiser_of_colour_images_as_three_equal_channels() -> None:
    gray = denoise_image(coupled(0.1), NOISY[:1])
    assert gray.denoised.shape == NOISY[:1].shape
    equal = denoise_image(coupled(0.1), NOISY[:1].expand(3, -1, -1))
    torch.testing.assert_close(equal.denoised, gray.denoised.expand(3, -1, -1), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="2 channels, which are neither gray nor RGB"):
        denoise_image(coupled(0.1, 2), NOISY)


def test_two_maps_come_out_as_two() -> None:
    lam = denoise_image(constant(0.08, maps=2), NOISY).lam
    assert tuple(lam) == OPPONENT
    assert {tuple(channel.shape) for channel in lam.values()} == {(2, *NOISY.shape[1:])}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 1)])
def test_any_size(height: int, width: int) -> None:
    denoiser = Denoiser(Cnn(), TautString(AnisotropicTV()))
    for count in (1, 3):
        found = denoise_image(denoiser, torch.rand(count, height, width, generator=torch.Generator().manual_seed(0)))
        assert found.denoised.shape == (count, height, width)
        assert not found.denoised.requires_grad


def test_a_solve_that_stops_early_is_told() -> None:
    denoiser = Denoiser(Constant(initial_lam=0.3), TautString(AnisotropicTV(), tol=1e-12, max_iter=1))
    found = denoise_image(denoiser, NOISY)
    assert not found.converged
    assert found.gap > 1e-12


@pytest.mark.usefixtures("jaxtyping_off")
def test_sizes_and_channels_that_cannot_be_are_refused() -> None:
    with pytest.raises(ProblemTooLargeError, match="GiB"):
        denoise_image(Denoiser(Constant(), Scs(AnisotropicTV())), torch.zeros(1, 2000, 2000))
    for shape in ((2, 5, 5), (4, 5, 5), (5, 5), (1, 1, 5, 5)):
        with pytest.raises(ValueError, match=r"must be \(1, height, width\) or \(3, height, width\)"):
            denoise_image(constant(0.1), torch.zeros(shape))
