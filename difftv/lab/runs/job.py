"""One run from its configuration to its result: build, train, search the baseline, evaluate, write everything down."""

import contextlib
import logging
import math
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from difftv.devices import cpu_by_default, same_bits_again
from difftv.errors import SolverError
from difftv.lab.rundir.checkpoint import CheckpointStore
from difftv.lab.rundir.provenance import git_commit, versions
from difftv.lab.runs.build import Images, Objects, build, open_patches
from difftv.lab.runs.claim import stop_name, termination_as_exit, waits_in
from difftv.lab.runs.config import to_yaml
from difftv.lab.runs.directory import RunDirectory
from difftv.lab.runs.evaluation import FinalEvaluation
from difftv.lab.runs.identity import SCHEME
from difftv.lab.runs.options import sweep_name
from difftv.lab.runs.plan import PlannedRun
from difftv.lab.runs.processes import gradient_of
from difftv.lab.runs.run_writer import RunWriter
from difftv.lab.tracking.base import RunInfo, RunLog
from difftv.lab.training.evaluation import evaluated_set, score_name
from difftv.lab.training.loop import Training
from difftv.lab.training.state import TrainingState
from difftv.models.parts import described

log = logging.getLogger(__name__)


class Job:
    """One run in its directory.

    Like the training, it announces its stages through `sys.audit`: `difftv.evaluate` (directory) before the final
    evaluation and `difftv.result` (directory) before result.json is written.

    Args:
        planned: run to carry out.
        directory: where it is stored.
        should_stop: whether the training ends early where it stands (`Training`); the run is then pruned.
    """

    def __init__(
        self,
        planned: PlannedRun,
        directory: RunDirectory,
        should_stop: Callable[[TrainingState], bool] = lambda state: False,
    ) -> None:
        self.planned = planned
        self.directory = directory
        self.should_stop = should_stop

    @cached_property
    def _checkpoints(self) -> CheckpointStore:
        """First asked for when the directory is claimed, and there."""
        config = {**described(self.planned.recorded), "overrides": list(self.planned.overrides)}
        return CheckpointStore(self.directory.path, self.planned.digest, config)

    def run(self) -> dict[str, float] | None:
        """Carry it out, or return what it already found; with rerun=all, what it found before moves to `before/`.

        Returns:
            The flat metrics of result.json; None where the training was ended early, which is no failure: its
            checkpoint is there, and a job that is not told to stop continues from it.

        Raises:
            DiffTVError, ValueError: with a message for the user; status.json and run.log hold it too.
        """
        with self.directory.claim(), termination_as_exit(), cpu_by_default(), same_bits_again():
            if self.directory.finished():
                if self.planned.rerun != "all":
                    return self.directory.read_metrics()
                self.directory.set_aside()
            saved = self._checkpoints.load()
            with self._recorded_end(saved):
                return self._run(saved)

    @contextlib.contextmanager
    def _recorded_end(self, saved: dict[str, Any] | None) -> Any:
        """From here on everything in the directory belongs to this run; how the block ends is written there."""
        epochs = self.planned.config.get("trainer", {}).get("epochs", 0)
        try:
            self.directory.write_status("running", epochs=epochs, epoch=saved["training"]["epoch"] if saved else 0)
            yield
        except (KeyboardInterrupt, SystemExit) as stop:
            by_user = isinstance(stop, KeyboardInterrupt)
            reason = "interrupted by the user" if by_user else f"stopped ({stop_name(stop)})"
            self.directory.record_interruption(reason, epochs=epochs, queue=waits_in())
            kept = self._checkpoints.path.is_file()
            log.warning(
                "%s; the same command %s", reason, "continues from the last checkpoint" if kept else "begins again"
            )
            raise
        except Exception as error:
            self.directory.record_failure(error, traceback.format_exc(), epochs=epochs)
            raise

    def _run(self, saved: dict[str, Any] | None) -> dict[str, float] | None:
        options = self.planned.check()
        self.directory.write_config(to_yaml(self.planned.recorded))
        objects = build(self.planned)
        with options.nodes["tracker"].keyed():
            objects.tracker.check()
        images = open_patches(self.planned, objects.splits, objects.setup.denoiser.solver, objects.forward)
        for reason in images.skipped:
            log.warning("left out: %s", reason)
        info = self._info(saved)
        with contextlib.ExitStack() as stack:
            with options.nodes["tracker"].keyed():
                tracker = stack.enter_context(objects.tracker.open(info))
            record = RunWriter(self.directory, tracker, options.training.epochs, options.evaluation.figures)
            with gradient_of(self.planned, objects.setup) as gradient:
                state = Training(
                    objects.setup,
                    images.training,
                    images.validation,
                    options.training,
                    self._checkpoints,
                    record.epoch,
                    self.should_stop,
                    gradient,
                ).run(saved)
            if state.epoch < options.training.epochs:
                self._give_up(state, tracker)
                return None
            metrics = self._evaluate(objects, images, record, state)
            sys.audit("difftv.result", str(self.directory.path))
            self.directory.write_result(self._result(images, state, metrics, info.git_commit))
            tracker.summary(metrics)
        self.directory.write_status(
            "finished", epochs=options.training.epochs, epoch=state.epoch, psnr=metrics.get("psnr")
        )
        log.info("%s on the %s images; %s", _said(metrics), images.evaluated_on, self.directory.path)
        return metrics

    def _give_up(self, state: TrainingState, tracker: RunLog) -> None:
        tracker.summary({"pruned_after_epoch": state.epoch})
        self.directory.write_status(
            "pruned",
            epochs=self.planned.options.training.epochs,
            epoch=state.epoch,
            psnr=state.history[-1].get("validation/psnr"),
        )
        log.info("pruned after epoch %d of %d", state.epoch, self.planned.options.training.epochs)

    def _info(self, saved: dict[str, Any] | None) -> RunInfo:
        return RunInfo(
            directory=self.directory.path,
            identity=self.planned.digest,
            name=self.planned.name,
            group=sweep_name(self.planned.config),
            config=self.planned.recorded,
            git_commit=git_commit(),
            versions=versions(),
            resumed_epoch=saved["training"]["epoch"] if saved else 0,
        )

    def _evaluate(self, objects: Objects, images: Images, record: RunWriter, state: TrainingState) -> dict[str, float]:
        sys.audit("difftv.evaluate", str(self.directory.path))
        found = FinalEvaluation(objects.setup, images, self.planned.options, objects.stored).measure()
        metrics = record.evaluation(found, state)
        if math.isnan(metrics[score_name([metrics])]):
            raise SolverError(
                f"The solver gave no answer for any of the {len(images.evaluation)} {images.evaluated_on} images, or "
                f"there is none that every method has an answer for; {self.directory.per_image} says more. Raise "
                "solver.max_iter, loosen the tolerance or take another solver."
            )
        return metrics

    def _result(
        self, images: Images, state: TrainingState, metrics: dict[str, float], commit: str | None
    ) -> dict[str, Any]:
        return {
            "identity": self.planned.digest,
            "config": self.planned.recorded,
            "identity_scheme": SCHEME,
            "images_identity": self.planned.images,
            "evaluated_on": images.evaluated_on,
            "evaluated_set": evaluated_set(images.evaluation),
            "images": len(images.evaluation),
            "skipped_images": list(images.skipped),
            "best_epoch": state.best_epoch,
            "metrics": metrics,
            "versions": versions(),
            "git": {"commit": commit},
        }


def _said(metrics: Mapping[str, float]) -> str:
    """The result in a few words; without clean images it is the PSNR that the mean estimated error stands for."""
    score = score_name([metrics])
    others = {"": "", "noisy/": "noisy ", "baseline/": "scalar lambda "}
    values = {word: metrics[key + score] for key, word in others.items() if key + score in metrics}
    if score != "psnr":
        values = {word: -10 * math.log10(max(value, 1e-12)) for word, value in values.items()}
    first, *rest = (f"{word}{value:.2f}" for word, value in values.items())
    label = "PSNR" if score == "psnr" else "no clean images: estimated PSNR"
    return f"{label} {first} dB ({', '.join(rest)})"
