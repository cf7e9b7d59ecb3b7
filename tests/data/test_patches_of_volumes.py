"""Volumes and signals as training data: files, cache, crops, symmetries."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from difftv.errors import DataError
from difftv.lab.data import (
    CleanImages,
    EvaluationPatches,
    Folder,
    Phantoms,
    PublishedImages,
    TrainingPatches,
    open_images,
)
from difftv.lab.data.base import image_files
from difftv.lab.data.crops import NUM_SYMMETRIES, crop_size, turned
from difftv.lab.data.fingerprint import content_identity
from difftv.lab.data.phantoms import phantom
from difftv.network_denoiser import NetworkDenoiser
from difftv.noise import GaussianNoise
from difftv.predictors import Slices
from difftv.regularizers import AnisotropicTV
from difftv.solvers import Exact

SHAPE = (7, 9, 11)


def places(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Every voxel holds its own place."""
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


def of(*arrays: np.ndarray) -> CleanImages:
    """Volumes or signals in memory."""
    paths = [Path(f"{index}.npy") for index in range(len(arrays))]
    loaders = [lambda array=array: array for array in arrays]
    return CleanImages(paths, [array.shape for array in arrays], loaders, axes=arrays[0].ndim)


def patches(images: CleanImages, **changes) -> TrainingPatches:
    return TrainingPatches(images, **{"patch_size": 3, "sigma": 25, "seed": 3, "crops_per_image": 200, **changes})


def test_every_crop_of_a_volume_is_a_symmetric_piece_of_it() -> None:
    source = patches(of(places()), patch_size=[2, 3, 3])
    strides, seen, corners = (99, 11, 1), set(), set()
    for batch in source.batches(0, 50):
        assert batch.clean.shape[1:] == (1, 2, 3, 3)
        for crop in (batch.clean[:, 0] * 65535).round().long().numpy():
            steps = [int((np.take(crop, 1, axis=axis) - np.take(crop, 0, axis=axis)).flat[0]) for axis in range(3)]
            # The depth stays the depth; rows and columns may be exchanged.
            assert abs(steps[0]) == strides[0]
            assert sorted(map(abs, steps[1:])) == [1, 11]
            assert len(np.unique(crop)) == crop.size
            seen.add(tuple(steps))
            corners.add(int(crop.min()))
    assert len(seen) == NUM_SYMMETRIES
    assert len(corners) > 60
    assert max(corners) <= places()[5, 6, 8]


def test_sides_that_differ_within_slices_are_not_exchanged() -> None:
    for batch in patches(of(places()), patch_size=[2, 3, 5]).batches(0, 50):
        assert batch.clean.shape[1:] == (1, 2, 3, 5)
        steps = (batch.clean[:, 0, 0, 0, 1] - batch.clean[:, 0, 0, 0, 0]) * 65535
        assert steps.abs().round().unique().tolist() == [1.0]


def test_patches_of_volumes_follow_from_seed_epoch_and_index_alone() -> None:
    source = patches(of(places(), places()), crops_per_image=6, patch_size=4)
    every = [batch.noisy for batch in source.batches(2, 3)]
    again = [batch.noisy for batch in source.batches(2, 3, start_batch=2)]
    assert all(torch.equal(first, second) for first, second in zip(every[2:], again, strict=True))
    assert not torch.equal(every[0], next(source.batches(3, 3)).noisy)
    std = float(torch.cat([batch.noisy - batch.clean for batch in source.batches(0, 3)]).std())
    assert std == pytest.approx(25 / 255, rel=0.1)


def test_one_side_and_one_side_per_axis_are_the_same_patches() -> None:
    image = places((20, 17))
    for axes_of in (image, places()):
        one, each = (patches(of(axes_of), patch_size=size, crops_per_image=5) for size in (3, [3] * axes_of.ndim))
        assert torch.equal(next(one.batches(0, 5)).noisy, next(each.batches(0, 5)).noisy)


def test_signals_are_cut_and_flipped() -> None:
    steps = {
        float((crop[1] - crop[0]) * 65535)
        for batch in patches(of(places((40,))), patch_size=8).batches(0, 50)
        for crop in batch.clean[:, 0]
    }
    assert {round(step) for step in steps} == {-1, 1}


def test_evaluation_begins_with_the_middle_and_takes_whole_volumes() -> None:
    volume = places()
    items = EvaluationPatches(of(volume), patch_size=[3, 5, 5], sigma=25, crops_per_image=4)
    first = (items[0].clean[0, 0] * 65535).round().long().numpy()
    np.testing.assert_array_equal(first, volume[2:5, 2:7, 3:8])
    assert len({float(item.clean[0, 0, 0, 0, 0]) for item in items}) > 2
    assert torch.equal(items[2].noisy, items[2].noisy)
    (whole,) = EvaluationPatches(of(volume), patch_size=None, sigma=25)
    assert whole.clean.shape == (1, 1, *SHAPE)
    (published,) = PublishedImages(of(volume), sigma=25)
    assert published.noisy.shape == (1, 1, *SHAPE)


def test_a_volume_that_is_too_small_is_named() -> None:
    with pytest.raises(DataError, match=r"patch_size=8 is larger than every image \(the largest has 7x9x11 pixels\)"):
        patches(of(places()), patch_size=8)
    with pytest.raises(DataError, match=r"patch_size=\[8, 3, 3\] is larger .* Set patch_size=\[7, 3, 3\] or less"):
        patches(of(places()), patch_size=[8, 3, 3])


@pytest.mark.parametrize("size", [0, [3, 3], [3, 3, 0], "3", 2.5, [3, 3, 2.5]])
@pytest.mark.usefixtures("jaxtyping_off")
def test_sizes_that_are_none(size) -> None:
    with pytest.raises(
        ValueError, match=r"patch_size must be a positive integer, or one per axis of volumes \(depth, "
    ):
        crop_size("patch_size", size, 3)


def test_symmetries_of_images_are_the_eight_that_they_were() -> None:
    image = places((4, 4))
    for symmetry in range(NUM_SYMMETRIES):
        expected = np.rot90(image, symmetry % 4)
        expected = np.fliplr(expected) if symmetry % 8 >= 4 else expected
        np.testing.assert_array_equal(turned(image, symmetry, 2), expected)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Volumes in several forms, and files that hold none."""
    place = tmp_path / "volumes"
    place.mkdir()
    values = np.random.default_rng(0).random((6, 7, 8))
    np.save(place / "eight.npy", (255 * values).astype(np.uint8))
    np.save(place / "unit.npy", values)
    np.save(place / "counts.npy", (4000 * values - 1000).astype(np.int16))
    tifffile.imwrite(place / "pages.tif", (65535 * values).astype(np.uint16), metadata={"axes": "ZYX"})
    np.save(place / "flat.npy", np.full((6, 7, 8), 3, np.int32))
    np.save(place / "four.npy", np.zeros((2, 6, 7, 8), np.uint8))
    (place / "damaged.tif").write_bytes(b"II*\0" + bytes(20))
    (place / "photo.png").write_bytes(b"not looked at")
    return place


@pytest.mark.parametrize("cached", [False, True])
def test_volumes_are_read_scaled_and_kept(folder: Path, tmp_path: Path, cached: bool) -> None:
    cache = tmp_path / "cache" if cached else None
    for _ in range(2):
        images = open_images(image_files(folder, 3), cache, axes=3)
        read = dict(zip(images.names, images, strict=True))
        assert set(read) == {"eight", "unit", "counts", "pages"}
        assert set(images.shapes) == {(6, 7, 8)}
        assert [read[name].dtype for name in ("eight", "pages", "unit", "counts")] == [
            np.uint8, np.uint16, np.float32, np.float32,
        ]  # fmt: skip
        np.testing.assert_allclose(read["unit"], np.load(folder / "unit.npy"), atol=1e-7)
        # Integers without a full scale: their own range is black to white.
        assert (read["counts"].min(), read["counts"].max()) == (0.0, 1.0)
        reasons = {path.name: reason for path, reason in images.skipped}
        assert "holds one value only" in reasons["flat.npy"]
        assert "has three axes" in reasons["four.npy"]
        assert "damaged.tif" in reasons
    assert images[:2].axes == 3


def test_signals_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "wave.npy", np.sin(np.arange(50)))
    np.save(tmp_path / "image.npy", np.zeros((5, 5)))
    images = open_images(image_files(tmp_path, 1), None, axes=1)
    assert images.names == ("wave",)
    assert images[0].shape == (50,)
    ((path, reason),) = images.skipped
    assert path.name == "image.npy"
    assert "a signal has one axis" in reason


def test_a_folder_of_volumes_splits_and_has_an_identity(folder: Path) -> None:
    found = Folder(folder, axes=3).files()
    names = {path.name for path in found.train + found.validation}
    assert "photo.png" not in names
    assert {"eight.npy", "pages.tif"} <= names
    before = content_identity(found, None)
    np.save(folder / "eight.npy", np.zeros((6, 7, 8), np.uint8))
    assert content_identity(found, None) != before
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no volumes \(\.tif, \.tiff, \.nii, \.nii\.gz, \.npy\)"):
        Folder(folder / "empty", axes=3).files()


def test_names_that_end_like_volumes(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.NII", "c.tiff", "d.npy", "e.gz", "f.png", ".g.npy"):
        (tmp_path / name).touch()
    assert [path.name for path in image_files(tmp_path, 3)] == ["a.nii.gz", "b.NII", "c.tiff", "d.npy"]
    assert [path.name for path in image_files(tmp_path)] == ["c.tiff", "f.png"]


def test_phantoms_follow_from_their_number_alone(tmp_path: Path) -> None:
    few, more = (
        Phantoms(tmp_path / name, train=train, validation=1, test=1).files() for name, train in (("a", 1), ("b", 2))
    )
    assert few.train[0].read_bytes() == more.train[0].read_bytes()
    assert few.test[0].read_bytes() == more.test[0].read_bytes()
    content = {path.read_bytes() for path in (*more.train, *more.validation, *more.test)}
    assert len(content) == 4
    volume = np.load(io.BytesIO(few.train[0].read_bytes()))
    assert volume.shape == (40, 64, 64)
    assert volume.dtype == np.uint8
    assert volume.std() > 20
    np.testing.assert_array_equal(volume, phantom((0, 0)))


def test_noise_of_volumes_is_a_number_one_per_volume_or_one_per_voxel() -> None:
    clean = torch.full((2, 1, 3, 8, 9), 0.5)
    ramp = torch.linspace(5, 50, 9).expand(1, 1, 1, 1, 9)
    for sigma in (25.0, torch.tensor([10.0, 40.0]), ramp):
        noise = GaussianNoise(sigma)
        unit = noise.corrupt(clean, seed=3) - clean
        expected = torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(unit, noise.std(clean) * expected, rtol=1e-5, atol=1e-6)
        assert noise.std_per_image(clean).shape == (2,)
    assert GaussianNoise(torch.tensor([10.0, 40.0])).data_weight(clean) is None
    weight = GaussianNoise(ramp).data_weight(clean)
    assert weight is not None
    assert weight[..., 0].mean() > 50 * weight[..., -1].mean()
    with pytest.raises(ValueError, match="have the dimensions of the images"):
        GaussianNoise(ramp).std(clean[:, :, 0])


def test_a_network_that_predicts_the_volume() -> None:
    denoiser = NetworkDenoiser(Slices(1, axes=3, width=4), Exact(AnisotropicTV(axes=3)))
    noisy = torch.rand(2, 1, 3, 8, 9)
    found = denoiser.denoise(noisy, 25.0)
    assert found.denoised.shape == noisy.shape
    assert found.lam.shape == (2, 0, 3, 8, 9)
