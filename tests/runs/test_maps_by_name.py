"""The columns of an epoch follow the names of the maps."""

from dataclasses import asdict

import pytest
import torch

from difftv.lab.training.state import EpochSums, TrainingState
from difftv.metrics import map_metrics
from difftv.solvers.base import Solution

PER_MAP = ("edge_to_smooth", "mean", "min", "max")


def test_the_columns_of_lam_are_what_they_were() -> None:
    """One map, two maps or the mean of both directions: stored runs and new ones can be compared."""
    clean = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    lam = torch.rand(2, 2, 12, 12, generator=torch.Generator().manual_seed(1))
    found = map_metrics(lam, clean, names=("lam_v", "lam_h"))
    assert list(found) == [f"lam/{column}" for column in PER_MAP]
    assert torch.equal(found["lam/mean"], lam.mean(dim=(1, 2, 3)))
    totals = EpochSums()
    lam.requires_grad_()
    lam.grad = (torch.rand(2, 2, 12, 12, generator=torch.Generator().manual_seed(2)) > 0.3).float()
    one = torch.tensor(0.1)
    count = torch.ones(2, dtype=torch.long)
    totals.add(Solution(clean, lam, torch.zeros(2), count, count > 0), ("lam_v", "lam_h"), clean, one)
    row = totals.row(("lam_v", "lam_h"))
    assert list(row)[:5] == ["train/loss", "train/psnr", "train/lam", "train/gradient_norm", "lam/zero_gradient_share"]
    assert row["train/lam"] == pytest.approx(lam.mean().item())
    assert row["lam/zero_gradient_share"] == pytest.approx((lam.grad == 0).float().mean().item())


def test_an_epoch_without_a_step_has_every_column() -> None:
    row = EpochSums().row(("lam1", "lam2"))
    assert [name for name, value in row.items() if value != value] == [
        "train/loss", "train/psnr", "train/lam1", "train/lam2", "train/gradient_norm", "lam1/zero_gradient_share",
        "lam2/zero_gradient_share", "solver/iterations", "solver/forward_seconds", "solver/backward_seconds",
    ]  # fmt: skip


def test_a_checkpoint_of_an_earlier_version_goes_on_within_its_epoch() -> None:
    plain = asdict(EpochSums(batches=2, images=4, maps={"lam": 0.4}, zero_gradient_share={"lam": 2.0}))
    assert EpochSums.from_container(plain).row(("lam",)) == EpochSums(**plain).row(("lam",))
    earlier = {name: value for name, value in plain.items() if name != "maps"} | {
        "lam": 0.4,
        "zero_gradient_share": 2.0,
    }
    state = TrainingState.from_container({**TrainingState(epoch=1, batch=2).to_container(), "totals": earlier})
    row = state.totals.row(("lam_v", "lam_h"))
    assert row["train/lam"] == pytest.approx(0.1)
    assert row["lam/zero_gradient_share"] == pytest.approx(0.5)
