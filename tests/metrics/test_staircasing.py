import numpy as np
import pytest
import torch
from scipy.ndimage import label

from difftv.metrics import dof_ratio, false_jump, masks_of, plateau_excess, plateau_excess_ramp, second_order


def ramp(levels_per_pixel, offset=0, size=(24, 32), dtype=torch.float32):
    """An 8-bit ramp from left to right, in the rounding that a file read in float32 has."""
    levels = offset + levels_per_pixel * torch.arange(size[1])
    return (levels.to(dtype) / 255).expand(1, 1, *size)


@pytest.mark.parametrize("offset", [0, 1, 17, 100, 190])
def test_one_gray_level_is_flat_wherever_in_the_range(offset):
    clean = ramp(2)
    for metric in (plateau_excess, plateau_excess_ramp):
        assert metric(ramp(1, offset), clean).item() == pytest.approx(1.0, abs=0.04)  # the last column is flat in both
        assert metric(ramp(2, offset), clean).item() == 0.0


def test_more_gray_levels_than_the_clean_image_has_make_it_negative():
    clean = torch.full((1, 1, 16, 16), 0.5)
    noise = 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    assert -1.0 <= plateau_excess(clean + noise, clean).item() < -0.9


@pytest.mark.parametrize("metric", [plateau_excess, plateau_excess_ramp, false_jump, second_order])
def test_pixels_far_from_the_mask_do_not_count(metric, cases):
    clean = cases["truth"]
    masks = masks_of(clean)
    mask, reach = (masks.ramp, 1) if metric is plateau_excess_ramp else (masks.smooth, 3)
    near = torch.nn.functional.max_pool2d(mask.double(), 2 * reach + 1, stride=1, padding=reach) > 0
    assert not near.all()
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0), dtype=clean.dtype)
    changed = torch.where(near, cases["staircase"], noise)
    torch.testing.assert_close(metric(changed, clean), metric(cases["staircase"], clean))


def test_dof_ratio_counts_connected_components():
    generator = torch.Generator().manual_seed(0)
    image = (torch.rand(3, 1, 13, 17, generator=generator) > 0.5).double()
    expected = [(label(x[0].numpy())[1] + label(1 - x[0].numpy())[1]) / (13 * 17) for x in image]
    np.testing.assert_allclose(dof_ratio(image, image), expected)


def test_dof_ratio_of_a_ramp_depends_on_tau():
    image = ramp(1, size=(5, 8))
    assert dof_ratio(image, image).item() == pytest.approx(1 / 40)
    assert dof_ratio(image, image, tau=1e-6).item() == pytest.approx(8 / 40)


def test_dof_ratio_does_not_look_at_the_clean_image(photographs):
    clean, denoised = photographs
    torch.testing.assert_close(dof_ratio(denoised, clean), dof_ratio(denoised, 1.0 - clean))


@pytest.mark.parametrize("tau", [-1e-6, float("nan"), float("inf")])
def test_a_tau_that_makes_no_sense(tau):
    image = torch.zeros(1, 1, 3, 3)
    with pytest.raises(ValueError, match=r"tau must be a number >= 0.*Use 1 / 255"):
        dof_ratio(image, image, tau=tau)


def test_false_jump_sees_an_invented_edge_and_not_a_single_pixel():
    clean = torch.full((1, 1, 20, 30), 0.5)
    edge, pixel, faint = clean.clone(), clean.clone(), clean.clone()
    edge[..., 15:] += 4 / 255
    pixel[..., 10, 10] += 0.3
    faint[..., 15:] += 3 / 255
    assert false_jump(edge, clean).item() == pytest.approx(1 / 30)
    assert false_jump(pixel, clean).item() == 0.0
    assert false_jump(faint, clean).item() == 0.0


def test_second_order_of_stairs_is_two():
    clean = ramp(1, size=(24, 64), dtype=torch.float64)
    stairs = (torch.arange(64) // 8 * 8).double().expand(1, 1, 24, 64) / 255
    assert second_order(clean, clean).item() == 0.0
    # The clean ramp has no second difference away from the border, where it has none that counts.
    assert second_order(stairs, clean).item() == pytest.approx(2.0, abs=1e-9)
