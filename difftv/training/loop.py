"""The training loop, resumable at every step.

Everything that the next step depends on is in `TrainingState`, the model, the optimizer and the scheduler; patches
and noise are pure functions of (seed, epoch, index). A run that is killed and started again therefore ends with the
same bits as one that was not.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from difftv.arguments import positive, positive_int
from difftv.data import EvaluationPatches, TrainingPatches
from difftv.denoiser import Denoiser
from difftv.errors import SolverError
from difftv.metrics import psnr, zero_gradient_share
from difftv.rundir.checkpoint import CheckpointStore, random_state, restore_random_state
from difftv.solvers.base import Solution
from difftv.training.evaluation import evaluate, mean_row, prefixed

log = logging.getLogger(__name__)

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
        positive_int("trainer.epochs", self.epochs)
        positive_int("trainer.batch_size", self.batch_size)
        positive("trainer.grad_clip", self.grad_clip)
        for key, value, allowed in (
            ("on_solver_failure", self.on_solver_failure, get_args(OnFailure)),
            ("on_not_converged", self.on_not_converged, get_args(OnNotConverged)),
        ):
            if value not in allowed:
                raise ValueError(f"trainer.{key} must be one of {', '.join(allowed)}, got {value!r}.")
        seconds = self.checkpoint_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
            raise ValueError(f"trainer.checkpoint_seconds must be a number >= 0, got {seconds!r}.")


@dataclass
class Totals:
    """Sums over the steps of one epoch."""

    batches: int = 0
    images: int = 0
    loss: float = 0.0
    psnr: float = 0.0
    lam: float = 0.0
    zero_gradient_share: float = 0.0
    gradient_norm: float = 0.0
    iterations: int = 0
    worst_gap: float = 0.0
    not_converged: int = 0
    failed_batches: int = 0
    forward_seconds: float = 0.0
    backward_seconds: float = 0.0
    wall_seconds: float = 0.0

    def row(self) -> dict[str, float]:
        """Means per image or per step, counts, and solver seconds per image."""
        images, batches = max(self.images, 1), max(self.batches, 1)
        nothing = math.nan if self.images == 0 else 1.0
        return {
            "train/loss": nothing * self.loss / images,
            "train/psnr": nothing * self.psnr / images,
            "train/lam": nothing * self.lam / images,
            "train/gradient_norm": nothing * self.gradient_norm / batches,
            "lam/zero_gradient_share": nothing * self.zero_gradient_share / images,
            "solver/iterations": nothing * self.iterations / images,
            "solver/worst_gap": self.worst_gap,
            "solver/not_converged": self.not_converged,
            "solver/failed_batches": self.failed_batches,
            "solver/forward_seconds": nothing * self.forward_seconds / images,
            "solver/backward_seconds": nothing * self.backward_seconds / images,
        }


@dataclass
class TrainingState:
    """Where the training stands. `epoch` and `batch` count what is finished; `best` is by validation PSNR."""

    epoch: int = 0
    batch: int = 0
    totals: Totals = field(default_factory=Totals)
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_psnr: float = -math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)


def train(
    denoiser: Denoiser,
    *,
    loss: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    patches: TrainingPatches,
    validation: EvaluationPatches,
    options: TrainingOptions,
    checkpoints: CheckpointStore,
    saved: dict[str, Any] | None,
    device: torch.device,
    on_epoch: Callable[[TrainingState], None],
) -> TrainingState:
    """Train from a saved state, or from the start, and leave the best weights in the predictor.

    Args:
        denoiser: its predictor is trained, in place.
        loss: (denoised, clean) -> scalar.
        optimizer: over the predictor's parameters.
        scheduler: stepped once per epoch; `ReduceLROnPlateau` sees the validation PSNR.
        patches: the training patches.
        validation: the fixed images that choose the best epoch and drive a plateau scheduler.
        options: how long, how large the steps, what to do about failures.
        checkpoints: where the state is kept.
        saved: what `checkpoints.load()` found, None to start afresh.
        device: where the predictor lives.
        on_epoch: called with the state after every epoch, and once after a resume with the state found.

    Returns:
        The final state.

    Raises:
        SolverError: a solve failed and the options say `raise`.
        CheckpointError: a checkpoint could not be written.
    """
    predictor = denoiser.predictor
    state = TrainingState() if saved is None else _restore(saved, predictor, optimizer, scheduler)
    if saved is not None:
        log.info("continuing after epoch %d, step %d", state.epoch, state.batch)
        on_epoch(state)
    batches = patches.num_batches(options.batch_size)
    last_save = time.monotonic()
    with (
        logging_redirect_tqdm(),
        tqdm(
            total=options.epochs * batches,
            initial=state.epoch * batches + state.batch,
            desc="train",
            unit="step",
            dynamic_ncols=True,
            disable=None,
        ) as bar,
    ):
        while state.epoch < options.epochs:
            predictor.train()
            for batch in patches.batches(state.epoch, options.batch_size, start_batch=state.batch):
                _step(denoiser, loss, optimizer, batch.clean.to(device), batch.noisy.to(device), options, state.totals)
                state.batch += 1
                bar.update()
                bar.set_postfix(_postfix(state), refresh=False)
                if state.batch < batches and time.monotonic() - last_save >= options.checkpoint_seconds:
                    _save(checkpoints, predictor, optimizer, scheduler, state)
                    last_save = time.monotonic()
            _finish_epoch(denoiser, optimizer, scheduler, validation, options, device, state)
            _save(checkpoints, predictor, optimizer, scheduler, state)
            last_save = time.monotonic()
            on_epoch(state)
    predictor.load_state_dict(state.best_weights)
    return state


def _step(
    denoiser: Denoiser,
    loss: nn.Module,
    optimizer: Optimizer,
    clean: Tensor,
    noisy: Tensor,
    options: TrainingOptions,
    totals: Totals,
) -> None:
    started = time.perf_counter()
    optimizer.zero_grad()
    totals.batches += 1
    try:
        solution: Solution = denoiser(noisy)
        if not _usable(solution, options, totals):
            return
        solution.lam.retain_grad()
        value = loss(solution.denoised, clean)
        value.backward()
    except SolverError as error:
        if options.on_solver_failure == "raise":
            raise
        totals.failed_batches += 1
        log.warning("step %d skipped: %s", totals.batches, error)
        return
    norm = nn.utils.clip_grad_norm_(denoiser.predictor.parameters(), options.grad_clip)
    if not bool(torch.isfinite(norm)):
        if options.on_solver_failure == "raise":
            raise SolverError(
                f"The gradient of the weights is {float(norm)} at step {totals.batches} of the epoch. Lower "
                "optimizer.lr, tighten the solver's tolerance, or set trainer.on_solver_failure=skip."
            )
        totals.failed_batches += 1
        return
    optimizer.step()
    images = len(noisy)
    totals.images += images
    totals.loss += value.item() * images
    totals.psnr += float(psnr(solution.denoised.detach(), clean).sum())
    totals.lam += float(solution.lam.detach().mean()) * images
    assert solution.lam.grad is not None
    totals.zero_gradient_share += float(zero_gradient_share(solution.lam.grad).sum())
    totals.gradient_norm += float(norm)
    totals.iterations += int(solution.iterations.sum())
    totals.worst_gap = max(totals.worst_gap, float(solution.gap.max()))
    totals.forward_seconds += solution.seconds.forward
    totals.backward_seconds += solution.seconds.backward
    totals.wall_seconds += time.perf_counter() - started


def _usable(solution: Solution, options: TrainingOptions, totals: Totals) -> bool:
    failing = int((~solution.converged).sum())
    totals.not_converged += failing
    if failing and options.on_not_converged == "raise":
        raise SolverError(
            f"{failing} of {len(solution.converged)} solves of a batch stopped short of the tolerance (worst relative "
            f"gap {float(solution.gap.max()):.1e}). Raise solver.max_iter, loosen the tolerance, or set "
            "trainer.on_not_converged=use."
        )
    return not (failing and options.on_not_converged == "skip")


def _finish_epoch(
    denoiser: Denoiser,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    validation: EvaluationPatches,
    options: TrainingOptions,
    device: torch.device,
    state: TrainingState,
) -> None:
    started = time.perf_counter()
    predictor = denoiser.predictor.eval()
    rate = optimizer.param_groups[0]["lr"]
    evaluated = evaluate(
        denoiser, validation, batch_size=options.batch_size, device=device, label=f"validate epoch {state.epoch + 1}"
    )
    means = mean_row(entry.row for entry in evaluated)
    reached = means.get("psnr", math.nan)
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(reached)
    else:
        scheduler.step()
    state.epoch += 1
    seconds = {
        "train/wall_seconds": state.totals.wall_seconds,
        "validation/wall_seconds": time.perf_counter() - started,
        "validation/metrics_seconds": math.fsum(entry.metrics_seconds for entry in evaluated),
    }
    state.history.append(
        {"epoch": state.epoch, "lr": rate, **state.totals.row(), **prefixed("validation", means), **seconds}
    )
    state.batch, state.totals = 0, Totals()
    if reached > state.best_psnr or not state.best_weights or math.isnan(state.best_psnr):
        state.best_epoch, state.best_psnr = state.epoch, reached
        state.best_weights = {name: value.detach().cpu().clone() for name, value in predictor.state_dict().items()}


def _postfix(state: TrainingState) -> dict[str, str]:
    row = state.totals.row()
    seconds = row["solver/forward_seconds"] + row["solver/backward_seconds"]
    shown = {
        "epoch": str(state.epoch + 1),
        "loss": f"{row['train/loss']:.5f}",
        "psnr": f"{row['train/psnr']:.2f}",
        "solver s/image": f"{seconds:.3f}",
    }
    if state.history:
        shown["validation psnr"] = f"{state.history[-1].get('validation/psnr', math.nan):.2f}"
    return shown


def _save(
    checkpoints: CheckpointStore,
    predictor: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    state: TrainingState,
) -> None:
    checkpoints.save(
        {
            "predictor": predictor.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "random": random_state(),
            "training": asdict(state),
        }
    )


def _restore(
    saved: dict[str, Any], predictor: nn.Module, optimizer: Optimizer, scheduler: LRScheduler
) -> TrainingState:
    predictor.load_state_dict(saved["predictor"])
    optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    restore_random_state(saved["random"])
    training = saved["training"]
    return TrainingState(**{**training, "totals": Totals(**training["totals"])})
