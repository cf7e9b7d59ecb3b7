"""Noisy images as they are: nothing is added, two files of a scene stay together, levels are estimated or given."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from difftv.errors import DataError
from difftv.lab.data import Folder, NoisyEvaluation, NoisyScenes, NoisyTrainingPatches, open_images, open_second
from difftv.lab.data.crops import to_tensor
from difftv.lab.data.fingerprint import content_identity


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


def opened(first: Path, second: Path | None, sigma: float | list[float]) -> NoisyScenes:
    splits = Folder(first, again=second).files()
    images = open_images(sorted((*splits.train, *splits.validation)), None, splits.roots)
    return NoisyScenes(images, open_second(images, splits.again, None, colour=False), sigma)


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
    levels = opened(first, None, [5, 55]).levels
    assert all(15 < level < 25 for level in levels)
    assert len(set(levels)) == len(levels)
    with caplog.at_level(logging.WARNING):
        assert opened(first, None, 20).levels == (20.0,) * 4
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        opened(first, None, 50)
    assert "sigma=50 was given, but the noise of the images is estimated at" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert opened(first, None, [2, 10]).levels == (10.0,) * 4
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
