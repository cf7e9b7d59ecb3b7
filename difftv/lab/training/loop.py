"""The training loop, resumable at every step.

Everything that the next step depends on is in `TrainingState`, the model, the optimizer and the scheduler; patches
and noise are pure functions of (seed, epoch, index). A run that is killed and started again therefore ends with the
same bits as one that was not.

The loop announces its stages through `sys.audit`, so that a test can act at one (interrupt a run)
adds a hook with `sys.addaudithook` instead of changing the code: `difftv.train` (directory of the checkpoints),
`difftv.step` (epoch, batch) before a step and `difftv.validate` (epoch) before a validation.
"""

import contextlib
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from difftv.errors import CheckpointError, SolverError
from difftv.lab.data import Batch, EvaluationPatches, TrainingPatches
from difftv.lab.rundir.checkpoint import CheckpointStore
from difftv.lab.training.evaluation import Evaluated, evaluate, mean_row, prefixed
from difftv.lab.training.gradient import Gradient, LocalGradient
from difftv.lab.training.maps import map_is_constant
from difftv.lab.training.options import TrainingOptions
from difftv.lab.training.setup import Learner, TrainingSetup
from difftv.lab.training.state import EpochSums, TrainingState
from difftv.lab.training.stop import Snapshot, deferred_stop

__all__ = ["Learner", "Training", "TrainingSetup"]

log = logging.getLogger(__name__)


class Training:
    """One training, from its first step or from a checkpoint to its last epoch.

    Args:
        setup: denoiser, loss, optimizer and scheduler.
        patches: the training patches.
        validation: the fixed images that choose the best epoch and drive a plateau scheduler.
        options: how long, how large the steps, what to do about failures.
        checkpoints: where the state is kept.
        on_epoch: called with the state after every epoch, and once after a resume with the state found.
        should_stop: asked after `on_epoch`, unless the last epoch is done: True ends the training there, with the
            checkpoint of that epoch. The same state must get the same answer, for a resumed training asks again.
        gradient: how the gradient of a batch is found; by default by this process alone.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        patches: TrainingPatches,
        validation: EvaluationPatches,
        options: TrainingOptions,
        checkpoints: CheckpointStore,
        on_epoch: Callable[[TrainingState], None],
        should_stop: Callable[[TrainingState], bool] = lambda state: False,
        gradient: Gradient | None = None,
    ) -> None:
        self.setup = setup
        self.patches = patches
        self.validation = validation
        self.options = options
        self.checkpoints = checkpoints
        self.on_epoch = on_epoch
        self.should_stop = should_stop
        self.gradient = LocalGradient(setup, options) if gradient is None else gradient
        self.state = TrainingState()
        self._last_save = time.monotonic()
        self._before: Snapshot | None = None

    def run(self, saved: dict[str, Any] | None = None) -> TrainingState:
        """Train to the end, or to where `should_stop` ends it, and leave the best weights in the predictor.

        Args:
            saved: state from `checkpoints.load()`, None to start afresh.

        Returns:
            The final state; its `epoch` is below `options.epochs` where the training was stopped.

        Raises:
            SolverError: a solve failed and the options say `raise`; or every batch so far had to be left out.
            CheckpointError: a checkpoint could not be written.
        """
        sys.audit("difftv.train", str(self.checkpoints.path.parent))
        state, predictor = self.state, self.setup.denoiser.predictor
        if saved is not None:
            self.setup.restore(saved)
            state = self.state = TrainingState.from_container(saved["training"])
            log.info("continuing after epoch %d, step %d", state.epoch, state.batch)
            self.on_epoch(state)
        stopped = saved is not None and self._is_stopped()
        batches = self.patches.num_batches(self.options.batch_size)
        self._last_save = time.monotonic()
        with logging_redirect_tqdm(), self._bar(batches) as bar, self._saved_when_stopped():
            while state.epoch < self.options.epochs and not stopped:
                predictor.train()
                for batch in self.patches.batches(
                    state.epoch, self.options.batch_size, start_batch=state.batch, parts=self.gradient.parts
                ):
                    sys.audit("difftv.step", state.epoch, state.batch)
                    self._step(batch.to(self.setup.device))
                    bar.update()
                    bar.set_postfix(_postfix(state, self.setup.map_names), refresh=False)
                    due = time.monotonic() - self._last_save >= self.options.checkpoint_seconds
                    if state.batch < batches and due:
                        self._save()
                self._check_learned(batches)
                self._before = Snapshot.of(predictor, state.totals)
                evaluated, seconds = self._validate()
                with deferred_stop():
                    self._before = None
                    self._finish_epoch(evaluated, seconds)
                    self._save()
                self.on_epoch(state)
                stopped = self._is_stopped()
        predictor.load_state_dict(state.best_weights)
        return state

    def _is_stopped(self) -> bool:
        return 0 < self.state.epoch < self.options.epochs and self.should_stop(self.state)

    def _bar(self, batches: int) -> "tqdm[Any]":
        return tqdm(
            total=self.options.epochs * batches,
            initial=self.state.epoch * batches + self.state.batch,
            desc="train",
            unit="step",
            dynamic_ncols=True,
            disable=None,
        )

    @contextlib.contextmanager
    def _saved_when_stopped(self) -> Iterator[None]:
        """Where a signal stops the training, keep the steps that are done; one that was not is taken back."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            with deferred_stop():
                if self._before is not None:
                    self.state.totals = self._before.restore(self.setup.denoiser.predictor)
                try:
                    self._save()
                    log.info("saved after step %d of epoch %d", self.state.batch, self.state.epoch + 1)
                except CheckpointError as error:
                    log.error("the steps since the last checkpoint are lost: %s", error)
            raise

    def _step(self, batch: Batch) -> None:
        """One step; until the weights change, `_before` is what takes it back."""
        started = time.perf_counter()
        self._before = Snapshot.of(self.setup.denoiser.predictor, self.state.totals)
        found = self._gradient(batch)
        with deferred_stop():
            if found is not None:
                self.setup.optimizer.step()
                self.state.totals.merge(found)
                self.state.totals.wall_seconds += time.perf_counter() - started
            self.state.batch += 1
            self._before = None

    def _gradient(self, batch: Batch) -> EpochSums | None:
        """Leave the gradient of a batch in the weights; its numbers, or None where the batch is left out."""
        totals = self.state.totals
        totals.batches += 1
        found = self.gradient(batch, (self.state.epoch, self.state.batch))
        totals.not_converged, found.sums.not_converged = totals.not_converged + found.sums.not_converged, 0
        if found.error is not None:
            if self.options.on_solver_failure == "raise":
                raise found.error
            totals.failed_batches += 1
            log.warning("step %d skipped: %s", totals.batches, found.error)
            return None
        if not found.usable:
            return None
        norm = nn.utils.clip_grad_norm_(self.setup.denoiser.predictor.parameters(), self.options.grad_clip)
        if not bool(torch.isfinite(norm)):
            if self.options.on_solver_failure == "raise":
                raise SolverError(
                    f"The gradient of the weights is {float(norm)} at step {totals.batches} of the epoch. Lower the "
                    "learning rate, tighten the solver's tolerance, or leave such batches out (on_solver_failure=skip)."
                )
            totals.failed_batches += 1
            return None
        found.sums.gradient_norm = float(norm)
        return found.sums

    def _check_learned(self, batches: int) -> None:
        """An epoch without a step ends the training where no other had one: nothing is learned."""
        state = self.state
        if state.totals.images > 0:
            return
        counts = (
            f"all {batches} batches of epoch {state.epoch + 1} were left out ({state.totals.failed_batches} without an "
            f"answer, and {state.totals.not_converged} solves short of the tolerance)"
        )
        if state.has_learned:
            log.warning("%s: the network has not changed in this epoch", counts)
            return
        raise SolverError(
            f"Nothing was learned: {counts}. Raise max_iter, loosen the tolerance, take another solver, or use solves "
            "short of the tolerance (on_not_converged=use)."
        )

    def _validate(self) -> tuple[list[Evaluated], float]:
        """The validation images, and the seconds that they took."""
        sys.audit("difftv.validate", self.state.epoch)
        started = time.perf_counter()
        setup = self.setup
        setup.denoiser.predictor.eval()
        evaluated = evaluate(
            setup.denoiser,
            self.validation,
            batch_size=self.options.batch_size,
            device=setup.device,
            label=f"validate epoch {self.state.epoch + 1}",
            loss=setup.loss,
        )
        return evaluated, time.perf_counter() - started

    def _finish_epoch(self, evaluated: Sequence[Evaluated], validation_seconds: float) -> None:
        setup, state = self.setup, self.state
        rate = setup.optimizer.param_groups[0]["lr"]
        means = mean_row(entry.row for entry in evaluated)
        self._check_maps(evaluated)
        reached = self.options.reached(means)
        if isinstance(setup.scheduler, ReduceLROnPlateau):
            setup.scheduler.step(reached)
        else:
            setup.scheduler.step()
        seconds = {
            "train/wall_seconds": state.totals.wall_seconds,
            "validation/wall_seconds": validation_seconds,
            "validation/metrics_seconds": math.fsum(entry.metrics_seconds for entry in evaluated),
        }
        score = self.options.score(means)
        measured = prefixed("validation", {**means, "score": score} if self.options.staircase_weight else means)
        state.finish_epoch({"lr": rate, **state.totals.row(setup.map_names), **measured, **seconds})
        state.keep_if_best(score, setup.denoiser.predictor.state_dict())

    def _check_maps(self, evaluated: Sequence[Evaluated]) -> None:
        """Say that a network gives one number for all pixels, which it will hardly ever leave again."""
        maps = [entry.lam for entry in evaluated if entry.lam is not None]
        if (
            self.setup.map_names
            and self.setup.denoiser.predictor.is_spatial
            and maps
            and all(map_is_constant(lam) for lam in maps)
        ):
            log.warning(
                "after epoch %d every map is one number for all pixels of a validation image: the network's output no "
                "longer depends on the input, as a rule because its ReLUs are dead. Start again with a smaller "
                "learning rate or another seed.",
                self.state.epoch + 1,
            )

    def _save(self) -> None:
        self.checkpoints.save({**self.setup.to_container(), "training": self.state.to_container()})
        self._last_save = time.monotonic()


def _postfix(state: TrainingState, map_names: Sequence[str]) -> dict[str, str]:
    row = state.totals.row(map_names)
    seconds = row["solver/forward_seconds"] + row["solver/backward_seconds"]
    shown = {
        "epoch": str(state.epoch + 1),
        "loss": f"{row['train/loss']:.5f}",
        **({"psnr": f"{row['train/psnr']:.2f}"} if "train/psnr" in row else {}),
        "solver s/image": f"{seconds:.3f}",
    }
    if state.history and "validation/psnr" in state.history[-1]:
        shown["validation psnr"] = f"{state.history[-1].get('validation/psnr', math.nan):.2f}"
    return shown
