"""Colour photographs whose noise neighbours share: seen by number, denoised at two scales; white noise is not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

from difftv import Denoiser
from difftv.colour import denoise_image, estimate_image_noise
from difftv.lab.cli.correlated_noise import CorrelatedLevels, correlated_levels, denoise_two_scales
from difftv.lab.cli.denoise import main

RANGE = (5.0, 55.0)


def scene() -> np.ndarray:
    return np.moveaxis(data.astronaut()[0:161, 130:290], -1, 0) / 255.0


def noisy_scene(width: float, sigma: float = 20.0) -> np.ndarray:
    """Noise of that standard deviation, smoothed with a Gaussian of that width (0: white)."""
    noise = np.random.default_rng(0).standard_normal(scene().shape)
    noise = noise if width == 0 else gaussian_filter(noise, (0, width, width))
    return scene() + sigma / 255 * noise / noise.std()


def error(image: torch.Tensor) -> float:
    return float((image - torch.from_numpy(scene())).square().mean())


def test_correlated_noise_is_found_and_white_noise_and_gray_images_are_left_alone() -> None:
    blurred = torch.from_numpy(noisy_scene(0.9)).float()
    found = correlated_levels(blurred, None, RANGE)
    assert found is not None
    assert found.correlation > 0.15
    assert found.full > float(estimate_image_noise(blurred).sigma)
    assert RANGE[0] <= found.half <= found.full <= RANGE[1]
    assert correlated_levels(torch.from_numpy(noisy_scene(0.0)).float(), None, RANGE) is None
    assert correlated_levels(blurred[:1].expand(3, -1, -1), None, RANGE) is None
    assert correlated_levels(blurred[:, :100, :100], None, RANGE) is None


def test_two_scales_remove_what_one_leaves() -> None:
    denoiser = Denoiser.pretrained("gray-small")
    noisy = torch.from_numpy(noisy_scene(0.9)).float()
    levels = correlated_levels(noisy, None, RANGE)
    assert levels is not None
    two = denoise_two_scales(denoiser, noisy, levels)
    once = denoise_image(denoiser, noisy, sigma=max(5.0, float(estimate_image_noise(noisy).sigma)))
    assert two.denoised.shape == noisy.shape
    assert error(two.denoised) < 0.85 * error(once.denoised) < error(noisy)
    assert set(two.lam) == set(once.lam)


def test_hidden_pixels_have_no_say() -> None:
    denoiser = Denoiser.pretrained("gray-small")
    noisy, known = torch.from_numpy(noisy_scene(0.9)).float(), torch.ones(161, 160)
    known[40:50, 60:70] = 0
    found = []
    for value in (0.0, 100.0):
        image = torch.where(known > 0, noisy, torch.full_like(noisy, value))
        found.append(denoise_two_scales(denoiser, image, CorrelatedLevels(0.3, 6, 9), data_weight=known).denoised)
    torch.testing.assert_close(*found)


def test_the_command_does_so_when_asked_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "photo.png"
    pixels = (255 * noisy_scene(0.9)).round().clip(0, 255).astype(np.uint8)
    Image.fromarray(np.moveaxis(pixels, 0, -1)).save(path)
    words = [str(path), "--model", "gray-small"]
    assert main(words) == 0
    assert "correlated" not in capsys.readouterr().out  # fine texture looks the same: asked for, not chosen
    assert main([*words, "--noise", "correlated"]) == 0
    assert "neighbouring noise values are correlated (0." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*words, "--noise", "correlated", "--sigma", "8"])
    assert "--sigma" in capsys.readouterr().err
