"""`difftv-denoise` on what sensors give: photons, a black level, hot and saturated pixels, correlated noise."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import gaussian_filter, zoom
from skimage import data

from difftv import Denoiser, PoissonGaussian
from difftv.errors import ConfigError
from difftv.lab.cli.denoise import main
from difftv.lab.cli.sensor_noise import AUTO, ESTIMATED, checked_noise, denoise_channels, sensor_noise
from difftv.noise import hot_pixels

WHITE = 60000


def scene() -> np.ndarray:
    return 0.05 + 0.7 * data.camera()[100:260, 130:290] / 255.0


def counts(clean: np.ndarray, gain: float, black: int = 0) -> np.ndarray:
    """Photons on a 16-bit sensor whose white is 60000."""
    drawn = gain * np.random.default_rng(0).poisson(clean / gain)
    return (black + drawn * (WHITE - black)).round().clip(0, WHITE).astype(np.uint16)


def psnr(path: Path, clean: np.ndarray, black: int = 0) -> float:
    found = (tifffile.imread(path).astype(float) - black) / (WHITE - black)
    return float(-10 * np.log10(np.square(found - clean).mean()))


def test_photons_hot_and_saturated_pixels_in_a_16_bit_tiff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean, gain = scene(), 0.01
    pixels = counts(clean, gain)
    places = np.random.default_rng(1).choice(pixels.size, 40, replace=False)
    pixels.flat[places[:30]] = WHITE - 10
    pixels.flat[places[30:]] = WHITE
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, pixels)
    assert main([str(path), "--model", "gray-small", "--white-level", str(WHITE)]) == 0
    said = capsys.readouterr().out
    assert "assumed Poisson-Gaussian noise, gain 0.0" in said
    assert f"{int((pixels >= WHITE).sum())} saturated pixels" in said
    hot = int(said.split("filled: ")[1].split(" hot")[0])
    assert 24 <= hot <= 31  # some lie beside each other
    reached = psnr(tmp_path / "cells-denoised.tif", clean)
    assert main([str(path), "--model", "gray-small", "--white-level", str(WHITE), "--noise", "white"]) == 0
    assert "Poisson" not in capsys.readouterr().out
    assert reached > psnr(tmp_path / "cells-denoised.tif", clean) + 2
    assert reached > psnr(path, clean) + 8


def test_the_black_level_is_given_or_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean, black = scene(), 6000
    path = tmp_path / "dark.tif"
    tifffile.imwrite(path, counts(clean, 0.02, black))
    arguments = [str(path), "--model", "gray-small", "--white-level", str(WHITE)]
    assert main([*arguments, "--black-level", str(black)]) == 0
    assert "black level" not in capsys.readouterr().out
    given = psnr(tmp_path / "dark-denoised.tif", clean, black)
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert float(said.split("black level ")[1].split(" of")[0]) == pytest.approx(black / WHITE, abs=0.04)
    assert psnr(tmp_path / "dark-denoised.tif", clean, black) > given - 0.5
    assert given > psnr(path, clean, black) + 6
    assert main([*arguments, "--black-level", "70000"]) == 1
    assert "not below white" in capsys.readouterr().err


def test_noise_is_overruled_and_words_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts(scene(), 0.01))
    arguments = [str(path), "--model", "gray-small", "--white-level", str(WHITE)]
    assert main([*arguments, "--noise", "0.01,1"]) == 0
    assert "gain 0.01 (100 photons at white), sigma 1" in capsys.readouterr().out
    assert main([*arguments, "--noise", "poisson"]) == 0
    assert "sigma 0" in capsys.readouterr().out
    for wrong in ("photons", "0.01", "-1,2", "0.01,2,3"):
        with pytest.raises(ConfigError, match="--noise must be"):
            checked_noise(wrong)
    assert main([*arguments, "--noise", "photon"]) == 2
    with pytest.raises(SystemExit):
        main([*arguments, "--noise", "poisson", "--sigma", "25"])


def test_missing_values_are_filled_and_counted() -> None:
    clean = torch.from_numpy(scene()).float()[None]
    noisy = PoissonGaussian(0.01).corrupt(clean[None], seed=0)[0]
    broken = noisy.clone()
    broken[0, 20:24, 30:33] = torch.nan
    denoiser = Denoiser.pretrained("gray-small")
    found = sensor_noise(AUTO, denoiser, broken, Path("cells"))
    assert found is not None
    assert "12 not finite pixels" in found.words
    denoised = denoise_channels(denoiser, broken, found).denoised
    assert bool(denoised.isfinite().all())
    assert float((denoised - clean)[0, 20:24, 30:33].abs().max()) < 0.3
    whole = denoise_channels(denoiser, noisy, found).denoised
    assert float((denoised - whole).abs()[0, 60:].max()) < 1e-3


def test_white_noise_stays_white_and_correlated_noise_is_denoised_at_a_smaller_size(
    capsys: pytest.CaptureFixture[str],
) -> None:
    denoiser = Denoiser.pretrained("gray-small")
    generator = np.random.default_rng(0)
    sharp = data.camera()[:256, :256] / 255.0
    white = torch.from_numpy(sharp + 0.1 * generator.standard_normal(sharp.shape)).float()[None]
    assert sensor_noise(AUTO, denoiser, white, Path("white")) is None
    smooth = zoom(gaussian_filter(sharp, 4)[::4, ::4], 4, order=3)[:256, :256]
    noise = gaussian_filter(generator.standard_normal(smooth.shape), 0.6)
    blurred = torch.from_numpy(smooth + 0.1 * noise / noise.std()).float()[None]
    found = sensor_noise(AUTO, denoiser, blurred, Path("field"))
    assert found is not None
    assert found.reduction in (2, 4)
    assert "neighbours share their noise" in found.words
    clean = torch.from_numpy(smooth).float()[None]
    reached, full = (
        float((denoise_channels(denoiser, blurred, each).denoised - clean).square().mean())
        for each in (found, sensor_noise(checked_noise("0.0001,10"), denoiser, blurred, Path("field")))
        if each is not None
    )
    assert reached < 0.5 * full
    # An image with detail as fine as its pixels is not made smaller; the remark has the number.
    capsys.readouterr()
    busy = torch.from_numpy(sharp + 0.02 * noise / noise.std()).float()[None]
    kept = sensor_noise(ESTIMATED, denoiser, busy, Path("busy"))
    assert kept is not None
    assert kept.reduction == 1
    assert "are correlated (0." in capsys.readouterr().err


def test_hot_pixels_are_isolated_and_beyond_the_noise() -> None:
    noise = PoissonGaussian(0.005, 1.0)
    clean = torch.full((1, 1, 96, 96), 0.3)
    clean[..., 40:, :] = 0.8
    clean[..., :, 70:71] = 1.0
    noisy = noise.corrupt(clean, seed=0)
    assert int(hot_pixels(noisy, noise).sum()) == 0
    noisy[0, 0, 10, 10], noisy[0, 0, 60, 20], noisy[0, 0, 30, 30] = 1.6, 0.0, torch.nan
    assert hot_pixels(noisy, noise).nonzero().tolist() == [[0, 0, 10, 10], [0, 0, 60, 20]]
    dark = torch.zeros(1, 1, 64, 64)
    dark[0, 0, 20, 20] = 3 * 0.02  # three photons on black
    assert int(hot_pixels(dark, PoissonGaussian(0.02)).sum()) == 0


def test_a_tiff_of_floats_with_photon_noise_hot_pixels_and_nan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean, gain = scene().astype(np.float32), 0.01
    pixels = PoissonGaussian(gain, 1.0).corrupt(torch.from_numpy(clean)[None, None], seed=0)[0, 0].numpy()
    pixels[30:33, 40:42] = np.nan
    pixels[70, 80], pixels[100, 20] = 1.8, np.inf
    path, other = tmp_path / "cells.tif", tmp_path / "counts.tif"
    tifffile.imwrite(path, pixels)
    tifffile.imwrite(other, 4000 * pixels, compression="zlib")
    assert main([str(path), "--model", "gray-small"]) == 0
    said = capsys.readouterr().out
    assert "assumed Poisson-Gaussian noise, gain 0.0" in said
    assert "7 not finite pixels" in said
    assert "32 bit float TIFF" in said
    found = tifffile.imread(tmp_path / "cells-denoised.tif")
    assert found.dtype == np.float32
    assert float(-10 * np.log10(np.square(found - clean).mean())) > 28
    assert abs(found[70, 80] - clean[70, 80]) < 0.3
    # Another scale is another number for white, and nothing else.
    assert main([str(other), "--model", "gray-small"]) == 1
    assert "give white as --white-level" in capsys.readouterr().err
    assert main([str(other), "--model", "gray-small", "--white-level", "4000"]) == 0
    capsys.readouterr()
    np.testing.assert_allclose(tifffile.imread(tmp_path / "counts-denoised.tif") / 4000, found, atol=2e-3)
    assert main([str(path), "--model", "gray-small", "--noise", "white"]) == 0
    assert "7 pixels are not finite, and filled" in capsys.readouterr().out
    assert np.isfinite(tifffile.imread(tmp_path / "cells-denoised.tif")).all()
