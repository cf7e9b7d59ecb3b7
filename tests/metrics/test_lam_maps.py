import math

import pytest
import torch

from difftv.linear.gradient import gradient
from difftv.metrics import (
    edge_to_smooth,
    field_metrics,
    free_edge_share,
    map_groups,
    map_metrics,
    masks_of,
    meaning_of,
    zero_gradient_share,
)
from difftv.regularizers import BY_NAME, AnisotropicTV, EightNeighbourTV, TVpwL


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
    metrics = map_metrics(lam, clean, names=AnisotropicTV(2).map_names)
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


@pytest.mark.parametrize("name", BY_NAME)
def test_every_map_of_the_family_has_its_own_numbers(photographs, name):
    regularizer, clean = BY_NAME[name](), photographs[0]
    levels = torch.arange(1.0, regularizer.num_maps + 1, dtype=clean.dtype).view(1, -1, 1, 1)
    metrics = map_metrics(levels.expand(2, -1, *clean.shape[2:]), clean, names=regularizer.map_names)
    expected = {"tvpwl": ["lam", "gam"], "tgv": ["lam1", "lam2"], "tv_tv2": ["lam1", "lam2"]}.get(name, ["lam"])
    assert [column for column in metrics if column.endswith("/mean")] == [f"{one}/mean" for one in expected]
    for value, one in enumerate(expected, start=1):
        for column in ("mean", "min", "max"):
            assert metrics[f"{one}/{column}"].tolist() == [value] * 2
        assert metrics[f"{one}/edge_to_smooth"].tolist() == pytest.approx([1.0, 1.0])
    assert all(meaning_of(column) is not None for column in metrics)


def test_directions_share_their_numbers_and_other_maps_do_not():
    assert map_groups(AnisotropicTV(2).map_names) == {"lam": [0, 1]}
    assert map_groups(TVpwL(4).map_names) == {"lam": [0, 1], "gam": [2, 3]}
    assert map_groups(EightNeighbourTV(4).map_names) == {"lam": [0, 1, 2, 3]}
    assert map_groups(("lam1", "lam2")) == {"lam1": [0], "lam2": [1]}


def test_maps_without_their_names_are_refused(photographs):
    clean = photographs[0]
    with pytest.raises(ValueError, match=r"lam has 2 channel\(s\), but 1 name\(s\) were given: lam.*map_names"):
        map_metrics(torch.cat([clean, clean], dim=1), clean)


def test_free_edges_are_the_slopes_up_to_gam():
    u = torch.tensor([[0.0, 0.1, 0.3], [0.0, 0.1, 0.1]])[None, None]
    slope = gradient(u).abs()
    real = torch.ones_like(slope)
    real[:, 0, -1], real[:, 1, :, -1] = 0, 0
    # slopes: 0, 0, .2 down; .1, .2 and .1, 0 across
    for gam, free in ((0.0, 3), (0.1, 5), (0.15, 5), (0.2, 7)):
        assert free_edge_share(slope, torch.full((1, 1, 2, 3), gam), real).item() == pytest.approx(free / 7)
    by_direction = torch.stack([torch.full((2, 3), 0.2), torch.zeros(2, 3)])[None]
    assert free_edge_share(slope, by_direction, real).item() == pytest.approx(4 / 7)
    assert math.isnan(free_edge_share(slope[..., :1, :1], torch.ones(1, 1, 1, 1), torch.zeros(1, 2, 1, 1)).item())


def test_the_length_of_a_field_ignores_what_lies_past_the_border():
    v = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(2, 2, 5, 4).clone()
    v[1] = 0.0
    v[:, 0, -1], v[:, 1, :, -1] = torch.nan, torch.nan
    found = field_metrics(v)
    assert found["v/max"].tolist() == [5.0, 0.0]
    assert found["v/mean"].tolist() == pytest.approx([(12 * 5 + 4 * 3 + 3 * 4) / 20, 0.0])


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
