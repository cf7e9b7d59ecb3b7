"""Noisy images as they are: nothing is added, two files of a scene stay together, levels are estimated or given."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from difftv.errors import DataError
from difftv.lab.data import Folder, NoisyEvaluation, NoisyScenes, NoisyTrainingPatches, open_images, open_second
from difftv.lab.data.crops import to_tensor
from difftv.lab.data.fingerprint import content_identity
from difftv.noise import GaussianNoise, NoiseRange, PoissonGaussian, arguments_of


def scenes(place: Path, sigma: float = 12.0, count: int = 4) -> tuple[Path, Path]:
    """Directories of first and second noisy images of the same scenes, one of them in a folder of its own."""
    generator = np.random.default_rng(0)
    for index in range(count):
        clean = data.camera()[40 + 9 * index : 104 + 9 * index, 200:272] * 0.7 + 30
        for part in ("first", "second"):
            noisy = clean + sigma * generator.standard_normal(clean.shape)
            file = place / part / ("deep/" if index == 0 else "") / f"s{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8)).save(file)
    return place / "first", place / "second"


def opened(first: Path, second: Path | None, sigma: float | list[float] | NoiseRange, axes: int = 2) -> NoisyScenes:
    splits = Folder(first, again=second, axes=axes).files()
    images = open_images(sorted((*splits.train, *splits.validation)), None, splits.roots, axes=axes)
    return NoisyScenes(images, open_second(images, splits.again, None, colour=False, axes=axes), sigma)


def levels_of(found: NoisyScenes) -> list[float]:
    return [arguments_of(noise)["sigma"] for noise in found.noises]


def test_patches_are_those_of_the_files_and_of_one_place_of_both(tmp_path: Path) -> None:
    found = opened(*scenes(tmp_path), 12)
    patches = NoisyTrainingPatches(found, patch_size=16, sigma=12, seed=0, crops_per_image=4)
    pixels = [[to_tensor(image) for image in part] for part in (found.images, found.again or [])]
    swapped = set()
    for batch in patches.batches(0, 4):
        assert batch.clean is None
        assert batch.again is not None
        for noisy, again, sigma in zip(batch.noisy, batch.again, batch.sigma, strict=True):
            assert float(sigma) == 12
            places = [place_of(noisy[0].numpy(), images) for images in pixels]
            other = [place_of(again[0].numpy(), images) for images in pixels]
            # One is a window of a first file, turned, the other the same window of its second file.
            assert [each is None for each in places] == [each is not None for each in other]
            assert next(filter(None, places)) == next(filter(None, other))
            swapped.add(places[0] is None)
    assert swapped == {False, True}
    once, again = (next(patches.batches(3, 5)).noisy for _ in range(2))
    assert bool((once == again).all())


def place_of(crop: np.ndarray, images: list) -> tuple[int, int, int, int] | None:
    """Image, symmetry, row and column of a crop; None where it is in none of them."""
    for symmetry in range(8):
        turned = np.rot90(np.fliplr(crop) if symmetry >= 4 else crop, symmetry % 4)
        for index, image in enumerate(images):
            windows = np.lib.stride_tricks.sliding_window_view(image[0, 0].numpy(), turned.shape)
            found = np.argwhere((windows == turned).all(axis=(2, 3)))
            if len(found):
                return index, symmetry, int(found[0][0]), int(found[0][1])
    return None


def test_evaluation_shows_the_files_with_their_second_images(tmp_path: Path) -> None:
    found = opened(*scenes(tmp_path), 12)
    items = NoisyEvaluation(found, patch_size=None, sigma=12)
    for index, item in enumerate(items):
        assert bool((item.noisy == to_tensor(found.images[index])).all())
        assert item.again is not None
        assert not bool((item.again == item.noisy).all())
        with pytest.raises(DataError, match="has no clean image"):
            _ = item.reference


def test_levels_are_estimated_within_a_range_and_compared_with_one_that_is_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = scenes(tmp_path, sigma=20)
    levels = levels_of(opened(first, None, [5, 55]))
    assert all(15 < level < 25 for level in levels)
    assert len(set(levels)) == len(levels)
    with caplog.at_level(logging.WARNING):
        assert levels_of(opened(first, None, 20)) == [20.0] * 4
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        opened(first, None, 50)
    assert "sigma=50 was given, but the noise of the images is estimated at" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert levels_of(opened(first, None, [2, 10])) == [10.0] * 4
    assert "outside sigma=[2, 10]" in caplog.text


def test_a_pair_is_two_files_of_one_size_and_part_of_the_identity(tmp_path: Path) -> None:
    first, second = scenes(tmp_path)
    alone, pairs = (content_identity(Folder(first, again=again).files(), None) for again in (None, second))
    assert alone != pairs
    file = second / "s1.png"
    kept = file.read_bytes()
    file.write_bytes((first / "s1.png").read_bytes())
    assert content_identity(Folder(first, again=second).files(), None) not in (alone, pairs)
    with pytest.raises(DataError, match="are the same file"):
        opened(first, second, 12)
    Image.open(first / "s2.png").crop((0, 0, 40, 40)).save(file)
    with pytest.raises(DataError, match="64x72 and 40x40 pixels"):
        opened(first, second, 12)
    file.write_bytes(kept)
    (second / "s3.png").unlink()
    with pytest.raises(DataError, match=r"holds no s3.png, the second noisy image of"):
        Folder(first, again=second).files()


def test_second_images_below_the_root_are_no_scenes_of_their_own(tmp_path: Path) -> None:
    first, second = scenes(tmp_path)
    below = first / "again"
    second.rename(below)
    splits = Folder(first, again=below).files()
    assert len(splits.train) + len(splits.validation) == 4
    assert all(path.is_relative_to(below) for path in splits.again.values())


def test_clipped_and_small_images_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dark = np.random.default_rng(0).normal(0, 20, (40, 40)).clip(0, 255).astype(np.uint8)
    for name in ("dark.png", "darker.png"):
        Image.fromarray(dark).save(tmp_path / name)
    with caplog.at_level(logging.WARNING):
        opened(tmp_path, None, [5, 55])
    assert "2 of 2 noisy images have more than 10 % of their pixels at black or white" in caplog.text
    Image.fromarray(dark[:12, :12]).save(tmp_path / "dark.png")
    with pytest.raises(DataError, match="fewer than 16 pixels a side"):
        opened(tmp_path, None, 20)


def photons(place: Path, gain: float = 0.02, sigma: float = 4.0, count: int = 3) -> Path:
    """A directory of 16-bit photographs with photon noise."""
    generator = np.random.default_rng(1)
    place.mkdir(exist_ok=True)
    for index in range(count):
        clean = data.camera()[50 * index : 300 + 50 * index, 120:400] / 400 + 0.1
        noisy = gain * generator.poisson(clean / gain) + sigma / 255 * generator.standard_normal(clean.shape)
        Image.fromarray((65535 * noisy.clip(0, 1)).astype(np.uint16)).save(place / f"{index}.png")
    return place


def test_photon_noise_is_estimated_within_ranges_and_compared_with_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = photons(tmp_path / "photons")
    wide = NoiseRange.of([0, 20], PoissonGaussian, {"gain": [0.001, 0.2]})
    with caplog.at_level(logging.WARNING):
        found = opened(place, None, wide)
        given = opened(place, None, NoiseRange.of(4, PoissonGaussian, {"gain": 0.02}))
    assert not caplog.records
    assert set(given.noises) == {PoissonGaussian(0.02, 4)}
    gains = [arguments_of(noise)["gain"] for noise in found.noises]
    assert all(abs(gain - 0.02) < 0.003 for gain in gains)
    assert len(set(gains)) == 3
    for noise in found.noises:
        assert float(noise.std(torch.full((1, 1, 1, 1), 0.4))) == pytest.approx(
            (0.02 * 0.4 + (4 / 255) ** 2) ** 0.5, rel=0.1
        )
    with caplog.at_level(logging.WARNING):
        narrow = opened(place, None, NoiseRange.of(4, PoissonGaussian, {"gain": [0.03, 0.05]}))
        opened(place, None, NoiseRange.of(4, PoissonGaussian, {"gain": 0.08}))
    assert set(narrow.noises) == {PoissonGaussian(0.03, 4)}
    assert "3 of 3 images is estimated outside gain=[0.03, 0.05]" in caplog.text
    assert "gain 0.08, sigma 4 was given, which is a standard deviation of" in caplog.text
    for batch in (*NoisyTrainingPatches(found, patch_size=16, sigma=wide, seed=0, crops_per_image=2).batches(0, 6),):
        assert isinstance(batch.kind, PoissonGaussian)
        assert sorted(set(map(float, batch.kind.gain))) == pytest.approx(sorted(gains), rel=1e-5)
    items = NoisyEvaluation(found, patch_size=32, sigma=wide)
    assert [item.kind for item in items] == list(found.noises)
    assert items[0].sigma == pytest.approx(255 * float(found.noises[0].std_per_image(items[0].noisy)))


def test_small_images_have_no_estimate_of_photon_noise_but_may_be_given_it(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    values = np.random.default_rng(0).integers(50, 200, (2, 40, 40), dtype=np.uint8)
    for index, image in enumerate(values):
        Image.fromarray(image).save(place / f"{index}.png")
    with pytest.raises(DataError, match="64 pixels a side or more"):
        opened(place, None, NoiseRange.of(0, PoissonGaussian, {"gain": [0.01, 0.05]}))
    assert (
        opened(place, None, NoiseRange.of(0, PoissonGaussian, {"gain": 0.01})).noises == (PoissonGaussian(0.01, 0),) * 2
    )


@pytest.mark.parametrize("axes", [1, 3])
def test_volumes_and_signals_stay_with_their_second_files(tmp_path: Path, axes: int) -> None:
    generator = np.random.default_rng(0)
    clean = np.linspace(0.3, 0.7, 24).reshape((24, 1, 1)[:axes]) * np.ones((24, 20, 18)[:axes])
    first, second = tmp_path / "first", tmp_path / "first" / "again"
    for folder in (first, second):
        folder.mkdir()
        for index in range(2):
            noisy = clean + 0.05 * generator.standard_normal(clean.shape)
            np.save(folder / f"{index}.npy", noisy.astype(np.float32))
    found = opened(first, second, [2, 40] if axes == 3 else 12.75, axes)
    assert len(found.images) == 2
    assert all(isinstance(noise, GaussianNoise) for noise in found.noises)
    assert levels_of(found) == pytest.approx([12.75] * 2, rel=0.1)
    patches = NoisyTrainingPatches(found, patch_size=8, sigma=[2, 40], seed=0, crops_per_image=4)
    for batch in patches.batches(0, 8):
        assert batch.again is not None
        difference = (batch.noisy - batch.again).flatten(1)
        assert batch.noisy.shape == (8, 1, *(8,) * axes)
        # One place of both: what is left is the noise of two draws.
        assert float(difference.square().mean() ** 0.5) == pytest.approx(0.05 * 2**0.5, rel=0.35 if axes == 1 else 0.1)


def test_files_without_a_full_scale_are_refused_without_clean_ones(tmp_path: Path) -> None:
    """Their values are brought to [0, 1] by the range of each, and so is their noise."""
    for index in range(2):
        np.save(tmp_path / f"{index}.npy", np.random.default_rng(index).normal(900, 50, 200))
    with pytest.raises(DataError, match="2 of 2 noisy signals have values without a full scale"):
        opened(tmp_path, None, 20, axes=1)
