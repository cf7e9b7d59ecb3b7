"""A training patch is a pure function of (seed, epoch, index), and a symmetric crop of its image plus noise."""

from collections import Counter

import numpy as np
import pytest
import torch
from arrays import in_memory

from difftv.errors import DataError
from difftv.lab.data import CleanImages, TrainingPatches
from difftv.lab.data.patches import to_tensor

SIZE = 5


def textured(count: int = 4, height: int = 12, width: int = 9) -> CleanImages:
    rng = np.random.default_rng(0)
    return in_memory(*(rng.integers(0, 256, (height, width), dtype=np.uint8) for _ in range(count)))


def coordinates(height: int, width: int) -> np.ndarray:
    """Every pixel holds its own place."""
    return np.arange(height * width, dtype=np.uint16).reshape(height, width)


def patches(images: CleanImages, **changes) -> TrainingPatches:
    return TrainingPatches(images, **{"patch_size": SIZE, "sigma": 25, "seed": 3, "crops_per_image": 3, **changes})


def whole_epoch(source: TrainingPatches, epoch: int = 0, batch_size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    clean, noisy, *_ = zip(*source.batches(epoch, batch_size), strict=True)
    return torch.cat(clean), torch.cat(noisy)


def test_shapes_types_and_ranges():
    source = patches(textured())
    batches = list(source.batches(0, 5))
    assert len(source) == 12
    assert source.num_batches(5) == len(batches) == 3
    assert [len(batch.clean) for batch in batches] == [5, 5, 2]
    for batch in batches:
        for tensor in (batch.clean, batch.noisy):
            assert tensor.shape[1:] == (1, SIZE, SIZE)
            assert tensor.dtype == torch.float32
        assert 0 <= batch.clean.min() <= batch.clean.max() <= 1
        assert batch.sigma.tolist() == [25.0] * len(batch.clean)


def test_same_seed_and_epoch_give_the_same_patches_and_others_do_not():
    source = patches(textured())
    clean, noisy = whole_epoch(source, epoch=2)
    whole_epoch(source, epoch=5)
    again = whole_epoch(patches(textured()), epoch=2)
    assert torch.equal(clean, again[0])
    assert torch.equal(noisy, again[1])
    for other in (whole_epoch(source, epoch=3), whole_epoch(patches(textured(), seed=4), epoch=2)):
        assert not torch.equal(clean, other[0])
        assert not torch.equal(noisy - clean, other[1] - other[0])


def test_every_patch_is_new_in_every_epoch():
    source = patches(textured())
    both = [whole_epoch(source, epoch) for epoch in (0, 1)]
    for tensors in zip(*both, strict=True):
        assert len(torch.unique(torch.cat(tensors), dim=0)) > 0.9 * 2 * len(source)
    noise = torch.cat([noisy - clean for clean, noisy in both])
    assert torch.cdist(noise.flatten(1), noise.flatten(1)).fill_diagonal_(1.0).min() > 0.1


def test_batch_size_cuts_the_epoch_without_changing_it():
    clean, noisy = whole_epoch(patches(textured()), batch_size=5)
    single = whole_epoch(patches(textured()), batch_size=1)
    assert torch.equal(clean, single[0])
    assert torch.equal(noisy, single[1])


@pytest.mark.parametrize("start", range(5))
def test_an_epoch_continues_where_it_was_cut_off(start):
    source = patches(textured())
    rest = list(source.batches(1, 3))[start:]
    continued = list(source.batches(1, 3, start_batch=start))
    assert len(continued) == len(rest)
    for batch, expected in zip(continued, rest, strict=True):
        assert torch.equal(batch.clean, expected.clean)
        assert torch.equal(batch.noisy, expected.noisy)


@pytest.mark.usefixtures("jaxtyping_off")  # the checker of types takes an element of a sequence, which loads it
def test_skipped_batches_are_not_drawn():
    loads = []
    image = np.zeros((8, 8), dtype=np.uint8)

    def load() -> np.ndarray:
        loads.append(1)
        return image

    plain = in_memory(image)
    source = patches(CleanImages(plain.paths, plain.shapes, [load]), crops_per_image=10)
    list(source.batches(0, 2, start_batch=4))
    assert len(loads) == 2


def test_without_quarter_turns_patches_are_flipped_alone():
    image = coordinates(8, 8)
    seen = [
        {clean[0].numpy().tobytes() for clean in whole_epoch(patches(in_memory(image), patch_size=8, crops_per_image=64,
                                                                     quarter_turns=turned))[0]}
        for turned in (True, False)
    ]  # fmt: skip
    clean = to_tensor(image)[0].numpy()
    flips = {np.ascontiguousarray(np.flip(clean, axes)).tobytes() for axes in ((), (-1,), (-2,), (-2, -1))}
    assert seen[1] == flips
    assert len(seen[0]) == 8
    assert flips < seen[0]


def test_every_image_is_drawn_equally_often_and_in_another_order_each_epoch():
    flat = in_memory(*(np.full((8, 8), value, dtype=np.uint8) for value in (10, 20, 30, 40)))
    source = patches(flat, crops_per_image=6)
    orders = [[round(255 * float(clean[0, 0, 0])) for clean in whole_epoch(source, epoch)[0]] for epoch in range(2)]
    assert Counter(orders[0]) == Counter(orders[1]) == {10: 6, 20: 6, 30: 6, 40: 6}
    assert orders[0] != orders[1] != sorted(orders[1])


def test_a_patch_is_a_symmetric_crop_at_any_position():
    image = coordinates(SIZE + 1, SIZE + 2)
    clean, _ = whole_epoch(patches(in_memory(image), crops_per_image=400))
    places = np.rint(clean[:, 0].numpy().astype(np.float64) * 65_535).astype(int)
    seen = Counter()
    for place in places:
        rows, columns = np.divmod(place, image.shape[1])
        top, left = int(rows.min()), int(columns.min())
        crop = image[top : top + SIZE, left : left + SIZE]
        symmetries = [np.rot90(base, turns) for base in (crop, crop.T) for turns in range(4)]
        (symmetry,) = (index for index, turned in enumerate(symmetries) if np.array_equal(turned, place))
        seen[top, left, symmetry] += 1
    # 2 x 3 positions times 8 symmetries, about 8 draws each
    assert len(seen) == 48
    assert max(seen.values()) < 30


def test_full_size_patch_and_single_pixel():
    image = coordinates(SIZE, SIZE)
    clean, _ = whole_epoch(patches(in_memory(image)))
    assert torch.equal(clean.sum(dim=(1, 2, 3)), clean[:1].sum().expand(3))
    assert whole_epoch(patches(in_memory(image), patch_size=1))[0].shape == (3, 1, 1, 1)


def test_noise_is_white_gaussian_of_the_right_size_and_not_clipped():
    dark = in_memory(np.zeros((64, 64), dtype=np.uint8))
    clean, noisy = whole_epoch(patches(dark, patch_size=64, sigma=25, crops_per_image=20))
    noise = (noisy - clean)[:, 0]
    assert noise.std().item() == pytest.approx(25 / 255, rel=0.02)
    assert abs(noise.mean().item()) < 0.002
    assert noisy.min() < -0.1
    correlations = torch.corrcoef(noise.flatten(1)) - torch.eye(len(noise))
    assert correlations.abs().max() < 0.1
    _, clipped = whole_epoch(patches(dark, patch_size=64, sigma=25, crops_per_image=20, clip_noise=True))
    assert torch.equal(clipped, noisy.clamp(0, 1))


def test_sigma_scales_the_same_noise():
    images = textured()
    clean, low = whole_epoch(patches(images, sigma=15))
    _, high = whole_epoch(patches(images, sigma=50))
    torch.testing.assert_close((high - clean) / 50, (low - clean) / 15, rtol=0, atol=1e-7)


def test_global_random_state_is_left_alone():
    torch.manual_seed(1)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    whole_epoch(patches(textured()))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_small_images_are_left_out_and_named(caplog):
    sizes = [(SIZE, SIZE), (SIZE - 1, 90), (1, 1)]
    source = patches(in_memory(*(np.zeros(size, dtype=np.uint8) for size in sizes)))
    assert len(source) == 3
    assert "2 of 3 images are smaller than patch_size=5 and left out: 1 (4x90), 2 (1x1)" in caplog.text


def test_patch_larger_than_every_image_says_what_is_available():
    images = in_memory(np.zeros((4, 90), dtype=np.uint8), np.zeros((30, 20), dtype=np.uint8))
    with pytest.raises(DataError, match=r"patch_size=64 is larger than every image.*30x20.*patch_size=20"):
        patches(images, patch_size=64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patch_size", 0),
        ("patch_size", -3),
        ("patch_size", True),
        ("patch_size", 32.0),
        ("patch_size", "32"),
        ("crops_per_image", 0),
        ("crops_per_image", 1.5),
        ("sigma", 0),
        ("sigma", float("nan")),
        ("seed", -1),
        ("seed", 1.0),
        ("seed", True),
    ],
)
@pytest.mark.usefixtures("jaxtyping_off")
def test_arguments_out_of_range(name, value):
    with pytest.raises(ValueError, match=name):
        patches(textured(), **{name: value})


def test_batches_out_of_range():
    source = patches(textured())
    for start in (-1, 5):
        with pytest.raises(ValueError, match="start_batch"):
            source.batches(0, 3, start_batch=start)
    with pytest.raises(ValueError, match="batch_size"):
        source.batches(0, 0)


def test_a_range_of_noise_levels_draws_one_per_patch():
    images = textured(4)
    (ranged,) = patches(images, sigma=[5, 55], crops_per_image=200).batches(0, 800)
    (single,) = patches(images, sigma=25, crops_per_image=200).batches(0, 800)
    assert torch.equal(ranged.clean, single.clean)
    assert 5 <= ranged.sigma.min() < 6
    assert 54 < ranged.sigma.max() <= 55
    assert ranged.sigma.mean().item() == pytest.approx(30, abs=2)
    scale = (ranged.sigma / 25).view(-1, 1, 1, 1)
    torch.testing.assert_close(ranged.noisy - ranged.clean, scale * (single.noisy - single.clean), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sigma", [[55, 5], [5], [5, 15, 25], [0, 10], [10, 10], ["5", "55"]])
@pytest.mark.usefixtures("jaxtyping_off")
def test_a_range_that_is_none_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma must be"):
        patches(textured(), sigma=sigma)
