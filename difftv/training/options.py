"""What a training is told; free of torch, so that a configuration is checked without it."""

from dataclasses import dataclass
from typing import Literal, get_args

from difftv.arguments import one_of, positive, positive_int

OnFailure = Literal["raise", "skip"]
OnNotConverged = Literal["raise", "skip", "use"]


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

    Raises:
        ValueError: a value out of range.
    """

    epochs: int
    batch_size: int
    grad_clip: float
    on_solver_failure: OnFailure = "raise"
    on_not_converged: OnNotConverged = "use"
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        positive_int("epochs", self.epochs)
        positive_int("batch_size", self.batch_size)
        positive("grad_clip", self.grad_clip)
        one_of("on_solver_failure", self.on_solver_failure, get_args(OnFailure))
        one_of("on_not_converged", self.on_not_converged, get_args(OnNotConverged))
        seconds = self.checkpoint_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
            raise ValueError(f"checkpoint_seconds must be a number >= 0, got {seconds!r}.")
