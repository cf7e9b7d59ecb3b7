"""The noise of published tables: the same draw for every image of a size, whatever else is in the set."""

import numpy as np
import pytest
import torch

from difftv.lab.data import PublishedImages, open_images
from difftv.lab.data.evaluation import EvaluationItem
from tests.denoise.image_files import raw_png


@pytest.fixture
def items(tmp_path) -> PublishedImages:
    rng = np.random.default_rng(0)
    paths = []
    for index, size in enumerate([(12, 9), (9, 12), (12, 9)]):
        paths.append(tmp_path / f"{index}.png")
        paths[-1].write_bytes(raw_png(rng.integers(0, 256, (*size, 1), dtype=np.uint8)))
    return PublishedImages(open_images(paths, None), sigma=25)


def test_noise_is_drawn_anew_from_seed_0_for_every_image(items: PublishedImages) -> None:
    for item, image in zip(items, items.images, strict=True):
        expected = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close((item.noisy - item.clean)[0, 0] * 255 / 25, expected, rtol=0, atol=1e-5)
        np.testing.assert_array_equal((item.clean[0, 0] * 255).round().numpy(), image)
    assert min(float(item.noisy.min()) for item in items) < 0


def test_items_are_a_sequence(items: PublishedImages) -> None:
    def same(one: EvaluationItem, other: EvaluationItem) -> bool:
        return one.name == other.name and torch.equal(one.noisy, other.noisy)

    assert same(items[-1], items[2])
    assert [item.name for item in items[1:]] == ["1", "2"]
    with pytest.raises(IndexError):
        items[3]
    assert [[item.name for item in group] for group in items.batches(8)] == [["0"], ["1"], ["2"]]


@pytest.mark.parametrize("sigma", [0, -1, True])
def test_sigma_is_checked(items: PublishedImages, sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma must be a positive number"):
        PublishedImages(items.images, sigma=sigma)
