"""The gradient of a batch: solved and differentiated by this process, or with others that hold a part of it each."""

import abc
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from difftv.errors import SolverError
from difftv.lab.data import Batch
from difftv.lab.training.options import TrainingOptions
from difftv.lab.training.restoration import restore
from difftv.lab.training.setup import TrainingSetup
from difftv.lab.training.state import EpochSums
from difftv.lab.training.without_clean import loss_of, shown
from difftv.solvers.base import Solution


@dataclass
class Differentiated:
    """What became of a batch, or of a part of one.

    Attributes:
        sums: its numbers, where it is used; the number of solves short of the tolerance in any case.
        usable: whether the gradient is there; if not, the batch is left out.
        error: reason why the solver gave no answer.
    """

    sums: EpochSums = field(default_factory=EpochSums)
    usable: bool = True
    error: SolverError | None = None

    def to_container(self) -> dict[str, Any]:
        """Plain containers."""
        error = None if self.error is None else str(self.error)
        return {"sums": asdict(self.sums), "usable": self.usable, "error": error}

    @classmethod
    def from_container(cls, plain: dict[str, Any]) -> "Differentiated":
        """The inverse of `to_container`."""
        error = None if plain["error"] is None else SolverError(plain["error"])
        return cls(EpochSums.from_container(plain["sums"]), plain["usable"], error)

    def join(self, other: "Differentiated") -> None:
        """Add another part of the batch: what leaves one part out leaves the batch out."""
        self.sums.merge(other.sums)
        self.usable = self.usable and other.usable
        self.error = self.error or other.error


class Gradient(abc.ABC):
    """The gradient of a batch's loss, left in the weights of the predictor."""

    parts: int
    """Processes that a batch is divided among; this one takes the first part."""

    @abc.abstractmethod
    def __call__(self, batch: Batch, place: tuple[int, int]) -> Differentiated:
        """
        Args:
            batch: first part of the batch, on the device of the predictor.
            place: epoch and step.
        """


class LocalGradient(Gradient):
    """The gradient of the images that it is given, by this process alone.

    Args:
        setup: denoiser and loss.
        options: treatment of solves short of the tolerance; precision of the network.
    """

    parts = 1

    def __init__(self, setup: TrainingSetup, options: TrainingOptions) -> None:
        self.setup = setup
        self.options = options

    def __call__(self, batch: Batch, place: tuple[int, int]) -> Differentiated:
        setup, found = self.setup, Differentiated()
        setup.denoiser.predictor.zero_grad()
        batch = shown(setup.loss, batch, place)
        try:
            with self._mixed_precision():
                solution = restore(setup.denoiser, batch.noisy, batch.noise, batch.measured)
            found.sums.not_converged = int((~solution.converged).sum())
            if not self._is_usable(solution):
                found.usable = False
                return found
            if setup.map_names:
                solution.lam.retain_grad()
            loss = loss_of(setup.loss, setup.denoiser, batch, solution, place)
            loss.backward()
        except SolverError as error:
            found.usable, found.error = False, error
            return found
        found.sums.add(solution, setup.map_names, batch.clean, loss)
        return found

    def _mixed_precision(self) -> torch.autocast:
        mixed = self.options.precision == "bfloat16"
        return torch.autocast(self.setup.device.type, dtype=torch.bfloat16, enabled=mixed)

    def _is_usable(self, solution: Solution) -> bool:
        failing = int((~solution.converged).sum())
        if failing and self.options.on_not_converged == "raise":
            raise SolverError(
                f"{failing} of {len(solution.converged)} solves of a batch stopped short of the tolerance (worst "
                f"relative gap {float(solution.gap.max()):.1e}). Raise max_iter, loosen the tolerance, or use such "
                "batches all the same (on_not_converged=use)."
            )
        return not (failing and self.options.on_not_converged == "skip")
