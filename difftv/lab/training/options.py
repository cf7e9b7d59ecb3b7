"""What a training is told; free of torch, so that a configuration is checked without it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from difftv.arguments import not_negative, one_of, positive, positive_int

OnFailure = Literal["raise", "skip"]
OnNotConverged = Literal["raise", "skip", "use"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class TrainingOptions:
    """How long, how large the steps, and what to do about a solve that goes wrong.

    Args:
        epochs: passes over the training images, >= 1.
        batch_size: patches per step, >= 1.
        grad_clip: largest Euclidean norm of the gradient of all weights; longer ones are scaled down; > 0.
        on_solver_failure: a batch for which the solver gave no answer: `raise`, or `skip` it (counted).
        on_not_converged: a batch in which a solve stopped short of its tolerance: `use` it (counted), `skip`, `raise`.
        checkpoint_seconds: least time between two checkpoints within an epoch, >= 0. Every epoch ends with one.
        staircase_weight: weight of staircasing in the choice of the best epoch, by the validation PSNR (dB) minus this
            times the magnitude of `stair/plateau_excess`, >= 0. At 0 it is the PSNR alone, which gives slopes away for
            hundredths of a dB.
        precision: precision of the network's layers in a training step. `bfloat16` is mixed precision
            (`torch.autocast`): the weights, the maps, the solver and every measurement stay what they are.

    Raises:
        ValueError: a value out of range.
    """

    epochs: int
    batch_size: int
    grad_clip: float
    on_solver_failure: OnFailure = "raise"
    on_not_converged: OnNotConverged = "use"
    checkpoint_seconds: float = 60.0
    staircase_weight: float = 0.0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        positive_int("epochs", self.epochs)
        positive_int("batch_size", self.batch_size)
        positive("grad_clip", self.grad_clip)
        one_of("on_solver_failure", self.on_solver_failure, get_args(OnFailure))
        one_of("on_not_converged", self.on_not_converged, get_args(OnNotConverged))
        not_negative("checkpoint_seconds", self.checkpoint_seconds)
        not_negative("staircase_weight", self.staircase_weight)
        one_of("precision", self.precision, get_args(Precision))

    @staticmethod
    def reached(row: Mapping[str, float]) -> float:
        """The mean PSNR, or minus the loss where there are no clean images; larger = better."""
        if "psnr" not in row and "loss" in row:
            return -row["loss"]
        return row.get("psnr", math.nan)

    def score(self, row: Mapping[str, float]) -> float:
        """How good an epoch is, by its mean metrics on the validation images; larger = better.

        The PSNR, less what staircasing costs; without clean images minus the loss.
        """
        psnr = self.reached(row)
        if self.staircase_weight == 0:
            return psnr
        return psnr - self.staircase_weight * abs(row.get("stair/plateau_excess", math.nan))
