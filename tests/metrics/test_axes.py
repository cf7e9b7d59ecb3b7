"""Metrics of signals and volumes: an image repeated along a third axis reads as the image does."""

import pytest
import torch

from difftv import metrics
from difftv.metrics.masks import gradient_length

DEPTH = 4
OF_ANY_AXES = [
    metrics.psnr, metrics.ssim, metrics.psnr_smooth, metrics.psnr_edge, metrics.plateau_excess,
    metrics.plateau_excess_ramp, metrics.false_jump, metrics.second_order, metrics.gradient_ratio, metrics.epi,
    metrics.gradient_w1,
]  # fmt: skip


def volume(image: torch.Tensor) -> torch.Tensor:
    """DEPTH times the same slice: (batch, 1, height, width) -> (batch, 1, DEPTH, height, width)."""
    return image[:, :, None].expand(-1, -1, DEPTH, -1, -1).contiguous()


@pytest.mark.parametrize("metric", OF_ANY_AXES, ids=lambda metric: metric.__name__)
def test_a_volume_of_equal_slices_reads_as_its_slice(metric, photographs):
    clean = photographs[0]
    denoised = (clean * 20).round() / 20
    torch.testing.assert_close(
        metric(volume(denoised), volume(clean)), metric(denoised, clean), rtol=1e-9, atol=1e-12, equal_nan=True
    )


def test_components_of_a_volume_go_through_its_slices(photographs):
    clean = photographs[0]
    torch.testing.assert_close(metrics.dof_ratio(volume(clean), volume(clean)) * DEPTH, metrics.dof_ratio(clean, clean))


def test_a_step_of_a_signal():
    clean = torch.zeros(1, 1, 40, dtype=torch.float64)
    clean[..., 20:] = 1.0
    slopes = gradient_length(clean)
    assert slopes.nonzero().tolist() == [[0, 0, 19]]
    edge = metrics.masks_of(clean).edge[0, 0].nonzero().flatten().tolist()
    assert edge
    assert all(17 <= place <= 22 for place in edge)
    assert metrics.gradient_ratio(0.5 * clean, clean).item() == pytest.approx(0.5)


@pytest.mark.parametrize("metric", [metrics.fom, metrics.gmsd], ids=lambda metric: metric.__name__)
def test_what_is_of_images_alone_refuses_a_volume(metric, photographs):
    with pytest.raises(ValueError, match=r"must have shape \(batch, .*height, width\), got"):
        metric(volume(photographs[0]), volume(photographs[0]))


def test_all_metrics_of_volumes_and_signals(photographs):
    clean = photographs[0]
    denoised = (clean * 20).round() / 20
    of_images, of_volumes = (
        metrics.image_metrics(denoised, clean),
        metrics.image_metrics(volume(denoised), volume(clean)),
    )
    assert set(of_images) - set(of_volumes) == {"edge/fom", "edge/gmsd"}
    of_signals = metrics.image_metrics(denoised[:, :, 0], clean[:, :, 0])
    assert set(of_volumes) - set(of_signals) == {"ssim"}
    for values in (of_volumes, of_signals):
        assert values["psnr"].isfinite().all()
