"""Where a training stands: everything that the next step depends on besides the network and its optimizer."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from torch import Tensor

from difftv.metrics import grouped, map_groups, psnr, zero_gradient_share
from difftv.solvers.base import Solution
from difftv.types import Image


@dataclass
class EpochSums:
    """Sums over the steps of one epoch; `maps` and `zero_gradient_share` by the name of a map (`map_groups`)."""

    batches: int = 0
    images: int = 0
    loss: float = 0.0
    psnr: float = 0.0
    maps: dict[str, float] = field(default_factory=dict)
    zero_gradient_share: dict[str, float] = field(default_factory=dict)
    gradient_norm: float = 0.0
    iterations: int = 0
    worst_gap: float = 0.0
    not_converged: int = 0
    failed_batches: int = 0
    forward_seconds: float = 0.0
    backward_seconds: float = 0.0
    wall_seconds: float = 0.0
    without_clean: bool = False

    @classmethod
    def from_container(cls, plain: dict[str, Any]) -> "EpochSums":
        """The inverse of `asdict`; earlier versions summed one number over all maps, and all of them were lam."""
        plain = dict(plain)
        if "lam" in plain:
            plain["maps"] = {"lam": plain.pop("lam")}
            plain["zero_gradient_share"] = {"lam": plain["zero_gradient_share"]}
        return cls(**plain)

    def add(self, solution: Solution, map_names: Sequence[str], clean: Image | None, loss: Tensor) -> None:
        """Count images whose gradient was found; `solution.lam` has its own, where the loss was of its maps."""
        images = len(solution.denoised)
        self.images += images
        self.loss += loss.item() * images
        self.without_clean = clean is None
        if clean is not None:
            self.psnr += float(psnr(solution.denoised.detach(), clean).sum())
        for name, values in grouped(solution.lam.detach(), map_names).items():
            self.maps[name] = self.maps.get(name, 0.0) + float(values.mean()) * images
        if map_names and solution.lam.grad is None:  # a loss of other solves than this one
            self.zero_gradient_share = dict.fromkeys(map_groups(map_names), math.nan)
        elif map_names:
            assert solution.lam.grad is not None
            for name, gradient in grouped(solution.lam.grad, map_names).items():
                share = float(zero_gradient_share(gradient).sum())
                self.zero_gradient_share[name] = self.zero_gradient_share.get(name, 0.0) + share
        self.iterations += int(solution.iterations.sum())
        self.worst_gap = max(self.worst_gap, float(solution.gap.max()))
        self.forward_seconds += solution.seconds.forward
        self.backward_seconds += solution.seconds.backward

    def merge(self, other: "EpochSums") -> None:
        """Add the sums over other images."""
        for each in fields(self):
            ours, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(ours, dict):
                for name, value in theirs.items():
                    ours[name] = ours.get(name, 0.0) + value
            else:
                setattr(
                    self, each.name, max(ours, theirs) if each.name in ("worst_gap", "without_clean") else ours + theirs
                )

    def row(self, map_names: Sequence[str]) -> dict[str, float]:
        """Means per image or per step, counts, and solver seconds per image; NaN where no step was taken.

        Args:
            map_names: map names of the regularizer; they name the columns of an epoch without a step, too.
        """
        images, batches = max(self.images, 1), max(self.batches, 1)
        nothing = math.nan if self.images == 0 else 1.0
        groups = map_groups(map_names)
        return {
            "train/loss": nothing * self.loss / images,
            **({} if self.without_clean else {"train/psnr": nothing * self.psnr / images}),
            **{f"train/{name}": nothing * self.maps.get(name, 0.0) / images for name in groups},
            "train/gradient_norm": nothing * self.gradient_norm / batches,
            **{
                f"{name}/zero_gradient_share": nothing * self.zero_gradient_share.get(name, 0.0) / images
                for name in groups
            },
            "solver/iterations": nothing * self.iterations / images,
            "solver/worst_gap": self.worst_gap if map_names else math.nan,
            "solver/not_converged": self.not_converged,
            "solver/failed_batches": self.failed_batches,
            "solver/forward_seconds": nothing * self.forward_seconds / images,
            "solver/backward_seconds": nothing * self.backward_seconds / images,
        }


@dataclass
class TrainingState:
    """Where the training stands. `epoch` and `batch` count what is finished; `best` is by `TrainingOptions.score`."""

    epoch: int = 0
    batch: int = 0
    totals: EpochSums = field(default_factory=EpochSums)
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float = -math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def from_container(cls, plain: dict[str, Any]) -> "TrainingState":
        """The inverse of `to_container`."""
        names = {"best_psnr": "best_score"}  # as earlier versions called it
        renamed = {names.get(name, name): value for name, value in plain.items()}
        return cls(**{**renamed, "totals": EpochSums.from_container(plain["totals"])})

    def to_container(self) -> dict[str, Any]:
        """Containers, numbers and tensors, as a checkpoint takes them."""
        return asdict(self)

    @property
    def has_learned(self) -> bool:
        """Whether any step was taken since the training began."""
        return self.totals.images > 0 or any(not math.isnan(row["train/loss"]) for row in self.history)

    def finish_epoch(self, row: dict[str, float]) -> None:
        """Close the epoch with its row of numbers."""
        self.epoch += 1
        self.history.append({"epoch": self.epoch, **row})
        self.batch, self.totals = 0, EpochSums()

    def keep_if_best(self, reached: float, weights: dict[str, Tensor]) -> None:
        """Keep a copy of the weights of the epoch that has just ended, unless an earlier one reached as much."""
        if reached > self.best_score or not self.best_weights or math.isnan(self.best_score):
            self.best_epoch, self.best_score = self.epoch, reached
            self.best_weights = {name: value.detach().cpu().clone() for name, value in weights.items()}
