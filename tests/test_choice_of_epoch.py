"""Which epoch is the best one: by PSNR, or by PSNR and staircasing."""

import math

import pytest
import torch

from difftv.lab.figures import training_curves
from difftv.lab.training.options import TrainingOptions
from difftv.lab.training.state import TrainingState

EPOCHS = [
    {"psnr": 29.00, "stair/plateau_excess": 0.10},
    {"psnr": 29.20, "stair/plateau_excess": 0.30},
    {"psnr": 29.30, "stair/plateau_excess": 0.50},
]


def options(weight: float) -> TrainingOptions:
    return TrainingOptions(epochs=3, batch_size=1, grad_clip=1.0, staircase_weight=weight)


@pytest.mark.parametrize(("weight", "best"), [(0.0, 3), (0.8, 2), (2.0, 1)])
def test_the_weight_chooses_the_epoch(weight: float, best: int) -> None:
    state = TrainingState()
    for number, row in enumerate(EPOCHS, 1):
        state.finish_epoch({})
        state.keep_if_best(options(weight).score(row), {"number": torch.tensor(float(number))})
    assert state.best_epoch == best
    assert state.best_weights["number"] == best


def test_smoother_than_clean_and_rougher_than_clean_count_alike() -> None:
    rough, smooth = ({"psnr": 30.0, "stair/plateau_excess": sign * 0.1} for sign in (-1, 1))
    assert options(1.0).score(rough) == options(1.0).score(smooth) == pytest.approx(29.9)


def test_an_epoch_without_the_metric_has_no_score() -> None:
    assert math.isnan(options(1.0).score({"psnr": 30.0}))
    assert options(0.0).score({"psnr": 30.0}) == 30.0


def test_a_checkpoint_of_earlier_versions_continues() -> None:
    plain = TrainingState(epoch=2, best_score=28.5, best_epoch=1).to_container()
    plain["best_psnr"] = plain.pop("best_score")
    assert TrainingState.from_container(plain).best_score == 28.5


def test_the_curve_marks_the_epoch_that_was_chosen() -> None:
    history = [
        {
            "epoch": number,
            "train/loss": 0.1,
            "validation/psnr": row["psnr"],
            "validation/score": options(2.0).score(row),
        }
        for number, row in enumerate(EPOCHS, 1)
    ]
    assert training_curves(history).axes[1].get_title() == "best: 29.00 dB in epoch 1"


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
def test_a_weight_out_of_range_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="staircase_weight must be a finite number >= 0"):
        options(weight)
