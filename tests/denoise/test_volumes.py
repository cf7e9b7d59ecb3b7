"""Volumes and stacks: as files, and through the command."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from difftv.denoiser import Denoiser
from difftv.errors import DataError, MissingDependencyError
from difftv.lab.imagefiles.volumes import is_stack, read_volume
from difftv.predictors import Constant
from difftv.regularizers import TGV, AnisotropicTV, EightNeighbourTV, HuberTV, TVpwL
from difftv.solvers import Admm, Exact
from difftv.volumes import JOINED, denoise_volume, of_volume
from tests.conftest import PROJECT

SHAPE = (5, 12, 14)


def phantom() -> np.ndarray:
    depth, rows, columns = np.indices(SHAPE)
    return 0.2 + 0.5 * ((rows - 6) ** 2 + (columns - 7) ** 2 + 4 * (depth - 2) ** 2 < 20)


def noisy(dtype: type = np.uint8) -> np.ndarray:
    values = phantom() + 0.08 * np.random.default_rng(0).normal(size=SHAPE)
    if np.issubdtype(dtype, np.floating):
        return values.astype(dtype)
    return (values.clip(0, 1) * np.iinfo(dtype).max).round().astype(dtype)


def write(place: Path, kind: str, values: np.ndarray) -> Path:
    resolution = {"resolution": (1 / 0.25, 1 / 0.25)}
    if kind == "imagej":
        tifffile.imwrite(
            place, values, imagej=True, metadata={"spacing": 0.5, "unit": "um", "axes": "ZYX"}, **resolution
        )
    elif kind == "ome":
        sizes = {"PhysicalSizeZ": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeX": 0.25}
        tifffile.imwrite(place, values, ome=True, metadata={**sizes, "axes": "ZYX"})
    elif kind == "pages":
        with tifffile.TiffWriter(place) as target:
            for page in values:
                target.write(page, contiguous=False, metadata=None, photometric="minisblack")
    elif kind == "npy":
        np.save(place, values)
    return place


NAMES = {"imagej": "stack.tif", "ome": "stack.ome.tif", "pages": "stack.tiff", "npy": "stack.npy"}
SPACING = {"imagej": (0.5, 0.25, 0.25), "ome": (0.5, 0.25, 0.25), "pages": None, "npy": None}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_file_comes_back_with_its_metadata(tmp_path: Path, kind: str, dtype: type) -> None:
    place = write(tmp_path / NAMES[kind], kind, noisy(dtype))
    assert is_stack(place)
    volume = read_volume(place)
    assert np.array_equal(volume.values, noisy(dtype))
    assert volume.spacing == pytest.approx(SPACING[kind])
    again = tmp_path / f"again-{NAMES[kind]}"
    again.write_bytes(volume.encode(volume.values[:, ::-1]))
    second = read_volume(again)
    assert second.values.dtype == dtype
    assert np.array_equal(second.values, volume.values[:, ::-1])
    assert second.spacing == pytest.approx(SPACING[kind])


def test_nifti_keeps_axes_affine_and_spacing(tmp_path: Path) -> None:
    place = tmp_path / "head.nii.gz"
    try:
        import nibabel
    except ImportError:
        place.write_bytes(b"")
        with pytest.raises(MissingDependencyError, match="volumes"):
            read_volume(place)
        pytest.skip("nibabel is not installed")
    affine = np.diag([0.5, 0.75, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(noisy(np.float32).T, affine), place)
    volume = read_volume(place)
    assert volume.spacing == (2.0, 0.75, 0.5)
    np.testing.assert_allclose(volume.values, noisy(np.float32), atol=1e-6)
    again = tmp_path / "again.nii.gz"
    again.write_bytes(volume.encode(volume.values))
    found = nibabel.load(again)
    assert np.array_equal(found.affine, affine)
    np.testing.assert_allclose(np.asanyarray(found.dataobj).T, volume.values, atol=1e-6)


def test_what_is_no_gray_volume_is_refused(tmp_path: Path) -> None:
    colour, deep, objects = tmp_path / "colour.tif", tmp_path / "deep.npy", tmp_path / "objects.npy"
    tifffile.imwrite(colour, np.zeros((4, 6, 7, 3), np.uint8), photometric="rgb")
    np.save(deep, np.zeros((2, 3, 4, 5)))
    np.save(objects, np.array([None, 1]), allow_pickle=True)
    for place, message in ((colour, "holds colours"), (deep, "has three axes"), (objects, "cannot be read")):
        assert is_stack(place)
        with pytest.raises(DataError, match=message):
            read_volume(place)
    image = tmp_path / "image.tif"
    tifffile.imwrite(image, np.zeros((6, 7), np.uint8))
    assert not is_stack(image)


def command(*words: str | Path) -> int:
    main = runpy.run_path(str(PROJECT / "experiments" / "denoise.py"))["main"]
    return main([str(word) for word in ("--model", "gray-small", "--sigma", 20, *words)])


def error(values: np.ndarray, dtype: type) -> float:
    scale = 1.0 if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).max
    return float(np.sqrt(np.mean((values / scale - phantom()) ** 2)))


@pytest.mark.parametrize(("kind", "dtype"), [("imagej", np.uint16), ("npy", np.float32)])
def test_a_volume_through_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, dtype: type
) -> None:
    place = write(tmp_path / NAMES[kind], kind, noisy(dtype))
    assert command(place, "--axes", 3) == 0
    written = capsys.readouterr()
    weight = "0.5" if kind == "imagej" else "1"
    assert f"one volume, weight across slices {weight}," in written.out
    assert "GiB of memory" in written.err
    result = read_volume(tmp_path / f"stack-denoised{place.suffix}")
    assert result.values.dtype == dtype
    assert result.spacing == pytest.approx(SPACING[kind])
    assert error(result.values, dtype) < 0.6 * error(noisy(dtype), dtype)


def test_without_axes_pages_are_images_and_a_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write(tmp_path / "stack.tif", "pages", noisy())
    assert command(place) == 0
    written = capsys.readouterr()
    assert "page by page (--axes 3 takes it as one volume)" in written.err
    pages = read_volume(tmp_path / "stack-denoised.tif").values
    first = tmp_path / "first.tif"
    tifffile.imwrite(first, noisy()[0])
    assert command(first) == 0
    np.testing.assert_allclose(tifffile.imread(tmp_path / "first-denoised.tif"), pages[0], atol=1)


def test_wrong_words_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack, image = write(tmp_path / "stack.tif", "pages", noisy()), tmp_path / "image.tif"
    tifffile.imwrite(image, noisy()[0])
    for words, message in (
        ((image, "--axes", 3), "is a single image"),
        ((stack, "--axes", 3, "--spacing", "1,2"), "--spacing must be three positive numbers"),
        ((stack, "--axes", 3, "--z-weight", -1), "--z-weight must be a finite number >= 0"),
        ((stack, "--clean", image), "--clean is for images"),
    ):
        assert command(*words) == 1
        assert message in capsys.readouterr().err


def test_memory_that_does_not_suffice_is_said_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("difftv.lab.cli.denoise_stack.available_memory", lambda: 1000)
    assert command(write(tmp_path / "stack.tif", "pages", noisy()), "--axes", 3) == 1
    assert "GiB are free: crop it; without --axes 3 pages" in capsys.readouterr().err


def tensor() -> torch.Tensor:
    return torch.from_numpy(noisy(np.float64))[None, None]


@pytest.mark.parametrize(
    "regularizer",
    [AnisotropicTV(), AnisotropicTV(2), TVpwL(4), HuberTV(0.02), TGV()],
    ids=lambda it: f"{it.name}-{it.num_maps}",
)
def test_a_constant_map_solves_the_problem_of_the_volume(regularizer) -> None:
    kind = Exact if Exact.refusal(regularizer) is None else Admm
    denoiser = Denoiser(Constant(num_maps=regularizer.num_maps, initial_lam=0.1), kind(regularizer))
    found = denoise_volume(denoiser, tensor(), z_weight=0.5)
    volume = of_volume(regularizer, 0.5)
    assert volume.spacing == (2.0, 1.0, 1.0)
    maps = torch.full((1, volume.num_maps, *SHAPE), 0.1, dtype=torch.float64)
    for channel, name in enumerate(volume.map_names):
        maps[:, channel] *= 1.0 if name.startswith("gam") else JOINED
    expected = kind(volume)(tensor(), maps).denoised
    torch.testing.assert_close(found.denoised, expected, rtol=0, atol=1e-6)


def test_weight_zero_is_slice_by_slice() -> None:
    denoiser = Denoiser.pretrained("gray-small")
    found = denoise_volume(denoiser, tensor(), 20, z_weight=0)
    expected = denoiser(tensor()[0].transpose(0, 1), sigma=20).denoised
    torch.testing.assert_close(found.denoised[0, 0], expected[:, 0], rtol=0, atol=1e-5)
    assert found.gap.shape == (1,)


@pytest.mark.usefixtures("jaxtyping_off")
def test_what_is_not_for_volumes_is_refused() -> None:
    with pytest.raises(ValueError, match="eight_neighbour is not for volumes"):
        denoise_volume(Denoiser(Constant(), Exact(EightNeighbourTV())), tensor())
    with pytest.raises(ValueError, match=r"\(batch, channels, depth, height, width\)"):
        denoise_volume(Denoiser(Constant(), Exact(AnisotropicTV())), tensor()[0])
    with pytest.raises(ValueError, match=r"batch of volumes.*denoise_volume"):
        Denoiser(Constant(), Exact(AnisotropicTV()))(tensor())
    with pytest.raises(ValueError, match=r"axes=3.*denoise_volume"):
        Denoiser(Constant(), Exact(AnisotropicTV(axes=3)))
