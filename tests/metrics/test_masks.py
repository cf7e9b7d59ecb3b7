import pytest
import torch
from scipy.ndimage import distance_transform_cdt, gaussian_filter

from difftv.metrics import masks_of
from difftv.metrics.masks import gradient_length


def test_shares_on_a_photograph(photographs):
    masks = masks_of(photographs[0])
    assert masks.smooth.shape == masks.edge.shape == masks.ramp.shape == photographs[0].shape
    for image in range(2):
        assert 0.05 < masks.smooth[image].double().mean() < 0.8  # eroded from 0.8
        assert masks.edge[image].double().mean() == pytest.approx(0.1, abs=0.005)
        assert 0.0 < masks.ramp[image].double().mean() < 1.0
    assert not (masks.smooth & masks.edge).any()


def test_the_smooth_part_keeps_two_pixels_away_from_the_steep_part():
    clean = torch.zeros(1, 1, 60, 60, dtype=torch.float64)
    clean[..., 20:24, 30:33] = 1.0
    steep = gradient_length(torch.from_numpy(gaussian_filter(clean.numpy(), 1.0, axes=(2, 3)))) > 1e-6
    assert steep.double().mean() < 0.2
    distance = distance_transform_cdt(~steep[0, 0].numpy(), metric="chessboard")
    assert torch.equal(masks_of(clean).smooth[0, 0], torch.from_numpy(distance > 2))


def test_the_border_of_the_image_does_not_erode():
    masks = masks_of(torch.full((1, 1, 7, 9), 0.3))
    assert masks.smooth.all()
    assert not masks.edge.any()
    assert not masks.ramp.any()


@pytest.mark.parametrize("level", [1.0, 7.0])
def test_an_even_ramp_is_all_ramp_and_has_no_edge(level):
    clean = (torch.arange(30.0) * level / 255).expand(1, 1, 20, 30)
    masks = masks_of(clean)
    assert not masks.edge.any()
    inner = masks.ramp[..., 5:-5]
    assert inner.all()


@pytest.mark.parametrize("level", [0.25, 9.0])
def test_slopes_outside_the_band_are_no_ramp(level):
    clean = (torch.arange(20.0) * level / 255).expand(1, 1, 20, 20)
    assert not masks_of(clean).ramp[..., 5:-5].any()


def test_a_step_is_an_edge_and_both_sides_are_smooth():
    clean = torch.zeros(1, 1, 24, 40)
    clean[..., 20:] = 0.5
    masks = masks_of(clean)
    assert masks.edge[..., 19].all()
    assert masks.smooth[..., :12].all()
    assert masks.smooth[..., 28:].all()
    assert not masks.smooth[..., 18:21].any()


def test_masks_follow_the_clean_image_and_transpose_with_it(photographs):
    clean = photographs[0]
    masks, turned = masks_of(clean), masks_of(clean.mT)
    for name in ("smooth", "edge", "ramp"):
        assert torch.equal(getattr(masks, name).mT, getattr(turned, name))


def test_gradient_length_of_a_plane():
    row, column = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    length = gradient_length((0.03 * row + 0.04 * column)[None, None])
    torch.testing.assert_close(length[..., :-1, :-1], torch.full((1, 1, 4, 5), 0.05))
    torch.testing.assert_close(length[..., -1, :-1], torch.full((1, 1, 5), 0.04))
    assert length[..., -1, -1].item() == 0.0
