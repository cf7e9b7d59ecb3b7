"""What is trained, and by which rule."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from difftv.lab.rundir.checkpoint import random_state, restore_random_state
from difftv.method import Method


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """What is trained, and by which rule.

    Args:
        denoiser: its predictor is trained, in place.
        loss: (denoised, clean) -> scalar, or a `WithoutClean`.
        optimizer: over the predictor's parameters.
        scheduler: stepped once per epoch; `ReduceLROnPlateau` sees the validation PSNR, or minus the loss.
        device: where the predictor is.
    """

    denoiser: Method
    loss: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler
    device: torch.device

    @property
    def map_names(self) -> tuple[str, ...]:
        """Of the maps that are predicted."""
        return self.denoiser.map_names

    def to_container(self) -> dict[str, Any]:
        """The state of its parts and of the random generators, as a checkpoint takes it."""
        return {
            "predictor": self.denoiser.predictor.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": random_state(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Put all of it back to what `to_container` gave."""
        self.denoiser.predictor.load_state_dict(saved["predictor"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        restore_random_state(saved["random"])


Learner = TrainingSetup
"""Earlier name."""
