"""Evaluation sees the same crops and the same noise in every run."""

import numpy as np
import pytest
import torch
from arrays import in_memory

from difftv.errors import DataError
from difftv.lab.data import CleanImages, EvaluationPatches


def images(*sizes: tuple[int, int]) -> CleanImages:
    rng = np.random.default_rng(0)
    return in_memory(*(rng.integers(0, 256, size, dtype=np.uint8) for size in sizes))


def test_whole_images():
    source = images((6, 7), (1, 1))
    items = EvaluationPatches(source, patch_size=None, sigma=25)
    assert [item.name for item in items] == ["0", "1"]
    for item, image in zip(items, source, strict=True):
        assert item.clean.shape == item.noisy.shape == (1, 1, *image.shape)
        assert item.clean.dtype == item.noisy.dtype == torch.float32
        np.testing.assert_array_equal(np.rint(255 * item.clean[0, 0].numpy()), image)


def test_first_crop_is_the_centre_and_the_others_lie_inside():
    place = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
    items = EvaluationPatches(in_memory(place), patch_size=4, sigma=25, crops_per_image=6)
    assert [item.name for item in items] == ["0", "0#1", "0#2", "0#3", "0#4", "0#5"]
    corners = []
    for item in items:
        found = np.rint(item.clean[0, 0].numpy().astype(np.float64) * 65_535).astype(int)
        top, left = divmod(int(found[0, 0]), 30)
        np.testing.assert_array_equal(found, place[top : top + 4, left : left + 4])
        corners.append((top, left))
    assert corners[0] == (8, 13)
    assert len(set(corners)) == 6


def test_items_are_the_same_each_time():
    first, second = (EvaluationPatches(images((9, 9), (8, 12)), patch_size=5, sigma=25) for _ in range(2))
    for item, again, other in zip(first, first, second, strict=True):
        assert torch.equal(item.noisy, again.noisy)
        assert torch.equal(item.noisy, other.noisy)


def test_noise_is_common_to_all_sigmas_and_different_between_items():
    def noise(sigma: float) -> list[torch.Tensor]:
        source = images((16, 16), (16, 16))
        items = EvaluationPatches(source, patch_size=12, sigma=sigma, crops_per_image=2)
        return [(item.noisy - item.clean) * 255 / sigma for item in items]

    low, high = noise(15), noise(50)
    for one, other in zip(low, high, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    flat = torch.stack([values.flatten() for values in low])
    assert (torch.corrcoef(flat) - torch.eye(4)).abs().max() < 0.35
    assert flat.std().item() == pytest.approx(1, abs=0.1)


def test_an_item_does_not_depend_on_which_others_are_taken(caplog):
    alone = EvaluationPatches(images((9, 9), (8, 12)), patch_size=5, sigma=25, limit=1)
    among = EvaluationPatches(images((9, 9), (8, 12)), patch_size=5, sigma=25, crops_per_image=3)
    assert len(alone) == 1
    assert torch.equal(alone[0].noisy, among[0].noisy)
    # (9, 9) drops out at this size; the other image keeps its own noise
    rest = EvaluationPatches(images((9, 9), (10, 12)), patch_size=10, sigma=25)
    full = EvaluationPatches(images((10, 10), (10, 12)), patch_size=10, sigma=25)
    assert [item.name for item in rest] == ["1"]
    torch.testing.assert_close(rest[0].noisy - rest[0].clean, full[1].noisy - full[1].clean, rtol=0, atol=1e-6)
    assert "0 (9x9)" in caplog.text


def test_noise_is_clipped_on_request_only():
    dark = in_memory(np.zeros((30, 30), dtype=np.uint8))
    assert EvaluationPatches(dark, patch_size=None, sigma=50)[0].noisy.min() < 0
    assert EvaluationPatches(dark, patch_size=None, sigma=50, clip_noise=True)[0].noisy.min() == 0


def test_batches_group_neighbours_of_equal_size():
    items = EvaluationPatches(images((4, 5), (4, 5), (4, 5), (5, 4), (4, 5)), patch_size=None, sigma=25)
    groups = [[item.name for item in group] for group in items.batches(2)]
    assert groups == [["0", "1"], ["2"], ["3"], ["4"]]
    with pytest.raises(ValueError, match="batch_size"):
        list(items.batches(0))


def test_slices_and_negative_indices():
    items = EvaluationPatches(images(*[(4, 5)] * 4), patch_size=None, sigma=25)
    assert [item.name for item in items[1:3]] == ["1", "2"]
    assert items[-1].name == "3"
    with pytest.raises(IndexError):
        items[4]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patch_size", 0),
        ("patch_size", True),
        ("patch_size", 4.0),
        ("sigma", -1),
        ("crops_per_image", 0),
        ("limit", 0),
    ],
)
@pytest.mark.usefixtures("jaxtyping_off")
def test_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=name):
        EvaluationPatches(images((9, 9)), **{"patch_size": 4, "sigma": 25, name: value})


def test_several_whole_images_make_no_sense():
    with pytest.raises(ValueError, match="crops_per_image must be 1"):
        EvaluationPatches(images((9, 9)), patch_size=None, sigma=25, crops_per_image=2)


def test_crop_larger_than_every_image():
    with pytest.raises(DataError, match="larger than every image"):
        EvaluationPatches(images((9, 9)), patch_size=10, sigma=25)


def test_an_image_keeps_its_crops_and_noise_whatever_other_images_there_are():
    source = images((9, 9), (8, 12), (10, 7))
    without_the_first = CleanImages(source.paths[1:], source.shapes[1:], [lambda i=i: source[i] for i in (1, 2)])
    settings = {"patch_size": 5, "sigma": 25, "crops_per_image": 3}
    all_items = {item.name: item for item in EvaluationPatches(source, **settings)}
    fewer = EvaluationPatches(without_the_first, **settings)
    assert [item.name for item in fewer] == ["1", "2", "1#1", "2#1", "1#2", "2#2"]
    for item in fewer:
        assert torch.equal(item.noisy, all_items[item.name].noisy)


def test_streams_differ():
    source = images((9, 9))
    one, other = (EvaluationPatches(source, patch_size=None, sigma=25, stream=stream)[0] for stream in (0, 1))
    assert torch.equal(one.clean, other.clean)
    assert not torch.equal(one.noisy, other.noisy)
