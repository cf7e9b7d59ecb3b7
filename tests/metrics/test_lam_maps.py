import pytest
import torch

from difftv.metrics import edge_to_smooth, map_metrics, masks_of, zero_gradient_share


def test_a_map_that_relaxes_at_edges(cases):
    clean = cases["truth"]
    masks = masks_of(clean)
    lam = torch.where(masks.edge, 0.02, torch.where(masks.smooth, 0.08, 5.0)).double()
    assert edge_to_smooth(lam, clean).item() == pytest.approx(0.25)
    assert edge_to_smooth(1.0 / lam, clean).item() == pytest.approx(4.0)
    assert edge_to_smooth(torch.cat([lam, 3 * lam], dim=1), clean).item() == pytest.approx(0.25)


def test_the_statistics_of_a_map_are_per_image(photographs):
    clean = photographs[0].float()
    lam = torch.rand(2, 2, *clean.shape[2:], generator=torch.Generator().manual_seed(0)).requires_grad_()
    metrics = map_metrics(lam, clean)
    assert set(metrics) == {"lam/edge_to_smooth", "lam/mean", "lam/min", "lam/max"}
    for image in range(2):
        values = lam.detach()[image]
        assert metrics["lam/mean"][image].item() == pytest.approx(values.mean().item())
        assert metrics["lam/min"][image].item() == values.min().item()
        assert metrics["lam/max"][image].item() == values.max().item()
    assert all(value.dtype == torch.float32 and not value.requires_grad for value in metrics.values())
    assert metrics["lam/edge_to_smooth"].tolist() == pytest.approx([1.0, 1.0], abs=0.2)


def test_a_constant_map_has_the_ratio_one(photographs):
    clean = photographs[0]
    torch.testing.assert_close(edge_to_smooth(torch.full_like(clean, 0.07), clean), torch.ones(2, dtype=clean.dtype))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (12, 12)])
def test_no_edge_no_ratio(size):
    clean = torch.full((1, 1, *size), 0.5)
    metrics = map_metrics(torch.full_like(clean, 0.1), clean)
    assert metrics["lam/edge_to_smooth"].isnan().all()
    assert metrics["lam/mean"].item() == pytest.approx(0.1)


def test_zero_gradient_share_counts_exact_zeros():
    gradient = torch.ones(3, 2, 4, 5)
    gradient[1, 0] = 0.0
    gradient[2] = 0.0
    gradient[0, 0, 0, 0] = 1e-30
    assert zero_gradient_share(gradient).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize(
    ("lam", "message"),
    [
        (torch.ones(2, 1, 8, 9), r"lam must have shape \(batch, maps, height, width\).*torch.full_like"),
        (torch.ones(2, 1, 8, 8, dtype=torch.int64), r"lam must be floating point, got torch.int64"),
    ],
)
def test_a_map_that_does_not_fit(lam, message):
    with pytest.raises(ValueError, match=message):
        map_metrics(lam, torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
