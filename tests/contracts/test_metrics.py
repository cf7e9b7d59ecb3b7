"""What holds for every metric: one number per image, whatever the size, the dtype and the content."""

import math

import pytest
import torch

from difftv.metrics import DIRECTION, MEANING, epi, field_metrics, gmsd, image_metrics, map_metrics, psnr, ssim

TURNED_BY_A_FLIP = {
    # A forward difference belongs to the pixel on its left or above. Metrics that assign slopes to pixels, to take
    # their length or to apply a mask, therefore change a little under a flip; the others do not at all.
    "psnr_smooth",
    "psnr_edge",
    "stair/plateau_excess",
    "stair/plateau_excess_ramp",
    "stair/false_jump",
    "stair/second_order",
    "edge/gradient_ratio",
    "edge/gradient_w1",
}
SEES_BRIGHTNESS = {"psnr", "ssim", "psnr_smooth", "psnr_edge"}


def assert_same(a, b, names, rtol=1e-9):
    torch.testing.assert_close(
        {name: a[name] for name in names}, {name: b[name] for name in names}, rtol=rtol, atol=1e-12, equal_nan=True
    )


def test_every_metric_has_a_meaning_and_every_meaning_a_metric(photographs):
    clean, denoised = photographs
    of_maps = {*map_metrics(clean, clean), "lam/zero_gradient_share", "gam/free_edge_share"}
    computed = {*image_metrics(denoised, clean), *of_maps, *field_metrics(torch.cat([clean, clean], dim=1))}
    computed |= {"loss", "estimated_mse"}  # of images without clean ones
    assert computed == set(MEANING) == set(DIRECTION)
    for meaning in MEANING.values():
        assert meaning.direction in {"higher", "lower", "zero", "one", None}
        assert meaning.description


@pytest.mark.parametrize("size", [(48, 40), (13, 12), (1, 9), (1, 1)])
def test_batch_is_loop(photographs, size):
    clean, denoised = (image[:, :, : size[0], : size[1]] for image in photographs)
    clean = torch.cat([clean, torch.full_like(clean[:1], 0.5)])
    denoised = torch.cat([denoised, denoised[:1]])
    together = image_metrics(denoised, clean)
    apart = [image_metrics(denoised[i : i + 1], clean[i : i + 1]) for i in range(3)]
    assert all(value.shape == (3,) for value in together.values())
    assert_same(together, {name: torch.cat([metrics[name] for metrics in apart]) for name in together}, together)


def test_two_calls_agree_and_leave_nothing_behind(photographs):
    clean, denoised = photographs
    copies = clean.clone(), denoised.clone()
    random_state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first, second = image_metrics(denoised, clean), image_metrics(denoised, clean)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(clean, copies[0])
    assert torch.equal(denoised, copies[1])
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_is_kept_and_nothing_has_a_gradient(photographs, dtype):
    clean, denoised = (image.to(dtype) for image in photographs)
    metrics = image_metrics(denoised.clone().requires_grad_(), clean)
    assert all(value.dtype == dtype and not value.requires_grad for value in metrics.values())


def test_single_precision_hardly_matters(photographs):
    clean, denoised = photographs
    double, single = image_metrics(denoised, clean), image_metrics(denoised.float(), clean.float())
    # A share moves by one pixel in 1920 where a slope is at its threshold.
    for name in double:
        torch.testing.assert_close(single[name].double(), double[name], rtol=1e-3, atol=2e-3)


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="this machine has no accelerator")
def test_the_device_is_kept(photographs):
    device = torch.accelerator.current_accelerator()
    clean, denoised = (image.float() for image in photographs)
    there = image_metrics(denoised.to(device), clean.to(device))
    assert all(value.device.type == device.type for value in there.values())
    here = image_metrics(denoised, clean)
    assert_same({name: value.cpu() for name, value in there.items()}, here, here, rtol=1e-4)


def test_transposition(photographs):
    clean, denoised = photographs
    metrics = image_metrics(denoised, clean)
    assert_same(image_metrics(denoised.mT, clean.mT), metrics, metrics)


@pytest.mark.parametrize("axes", [[2], [3], [2, 3]])
def test_flips(photographs, axes):
    clean, denoised = photographs
    metrics, flipped = image_metrics(denoised, clean), image_metrics(denoised.flip(axes), clean.flip(axes))
    assert_same(flipped, metrics, metrics.keys() - TURNED_BY_A_FLIP)
    for name in TURNED_BY_A_FLIP:
        torch.testing.assert_close(flipped[name], metrics[name], rtol=0.1, atol=0.1)


def test_brightness(photographs):
    clean, denoised = photographs
    metrics = image_metrics(denoised, clean)
    both = image_metrics(denoised + 0.125, clean + 0.125)
    assert_same(both, metrics, metrics.keys() - {"ssim"})
    assert not torch.allclose(both["ssim"], metrics["ssim"])
    one = image_metrics(denoised + 0.125, clean)
    assert_same(one, metrics, metrics.keys() - SEES_BRIGHTNESS)
    assert all(bool((one[name] < metrics[name]).all()) for name in SEES_BRIGHTNESS)


def test_equal_images(photographs):
    clean = photographs[0]
    metrics = image_metrics(clean, clean)
    best = {"higher": 1.0, "lower": 0.0, "zero": 0.0, "one": 1.0}
    for name, value in metrics.items():
        if "psnr" in name:
            assert bool((value == torch.inf).all())
        elif DIRECTION[name] and name != "stair/false_jump":  # a photograph jumps by itself
            torch.testing.assert_close(value, torch.full_like(value, best[DIRECTION[name]]), msg=name)


def test_constant_images():
    clean = torch.full((1, 1, 16, 16), 0.5)
    metrics = {name: value.item() for name, value in image_metrics(clean + 0.1, clean).items()}
    assert metrics["psnr"] == metrics["psnr_smooth"] == pytest.approx(20.0, abs=1e-4)
    assert metrics["stair/dof_ratio"] == metrics["stair/dof_ratio_1e-6"] == pytest.approx(1 / 256)
    for name in ("stair/plateau_excess", "stair/false_jump", "edge/gmsd", "edge/gradient_w1"):
        assert metrics[name] == 0.0
    undefined = {"psnr_edge", "stair/plateau_excess_ramp", "stair/second_order"} | {
        f"edge/{name}" for name in ("gradient_ratio", "epi", "fom")
    }
    assert {name for name, value in metrics.items() if math.isnan(value)} == undefined


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 17), (17, 1), (2, 2), (3, 3), (5, 4)])
def test_tiny_images_give_a_number_or_nan(size):
    generator = torch.Generator().manual_seed(0)
    clean, denoised = torch.rand(2, 4, 1, *size, generator=generator)
    metrics = image_metrics(denoised, clean)
    assert all(value.shape == (4,) and not value.isinf().any() for value in metrics.values())
    for name in ("psnr", "ssim", "stair/dof_ratio", "edge/gmsd", "edge/gradient_w1"):
        assert bool(metrics[name].isfinite().all())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("broken", [0, 1])
def test_an_image_that_is_not_finite_has_no_metrics_and_spoils_no_other(photographs, bad, broken):
    images = [image.clone() for image in photographs]
    images[broken][0, 0, 3, 3] = bad
    clean, denoised = images
    metrics = image_metrics(denoised, clean)
    assert all(math.isnan(value[0]) for name, value in metrics.items() if name != "psnr")
    assert not metrics["psnr"][0].isfinite()
    alone = image_metrics(denoised[1:], clean[1:])
    assert_same({name: value[1:] for name, value in metrics.items()}, alone, alone)


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize("metric", [psnr, ssim, epi, gmsd, image_metrics])
@pytest.mark.parametrize(
    ("denoised", "clean", "message"),
    [
        (torch.zeros(8, 8), torch.zeros(8, 8), r"denoised must have shape.*image\[None, None\]"),
        (torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8), r"got \(1, 2, 8, 8\)"),
        (torch.zeros(0, 1, 8, 8), torch.zeros(0, 1, 8, 8), r"got \(0, 1, 8, 8\)"),
        (torch.zeros(1, 1, 8, 8), torch.zeros(2, 1, 8, 8), r"denoised and clean must have one shape"),
        (torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.uint8), r"clean must be floating.*by 255"),
        (torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.float64), r"agree in dtype and device"),
    ],
)
def test_images_that_do_not_fit(metric, denoised, clean, message):
    with pytest.raises(ValueError, match=message):
        metric(denoised, clean)
