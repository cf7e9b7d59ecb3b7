"""What all launchers share: the jobs of a sweep out, their answers back, in whatever order they come."""

import logging
import sys
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from difftv.errors import MissingDependencyError
from difftv.extras import require
from difftv.lab.runs.launchers.jobs import MARK, SweepJob, failure_of, without_result
from difftv.lab.runs.outcomes import summarised

log = logging.getLogger(__name__)


class SweepLauncher(Launcher):
    """Starts jobs elsewhere and waits for all of them, including those whose process ends early.

    A subclass writes `carry_out` and names the package it stands on.

    Args:
        threads: threads of every job; None leaves it to the libraries.
    """

    package: ClassVar[str | None] = None
    """Imported when, and only when, a sweep is launched."""

    extra: ClassVar[str] = ""
    """What installs it."""

    elsewhere: ClassVar[bool] = True
    """Whether jobs run in other processes."""

    def __init__(self, threads: int | None) -> None:
        self.threads = threads
        self.context: HydraContext | None = None
        self.task: TaskFunction | None = None
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take note of the sweep, and end it here where the launcher's package is missing."""
        if self.package is not None:
            try:
                require(self.extra, self.package, by=f"hydra/launcher={config.hydra.runtime.choices['hydra/launcher']}")
            except MissingDependencyError as error:
                sys.exit(f"error: {error}")
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Carry out a batch of jobs; what a job did is on the disk, the answers only say that it ended."""
        assert self.context is not None, "setup comes first"
        assert self.task is not None
        assert self.config is not None
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        # Where a process was started says nothing about where its sweep is: on a cluster, relative paths go astray.
        sweep_dir = Path.cwd() / str(self.config.hydra.sweep.dir)
        sweep_dir.mkdir(parents=True, exist_ok=True)
        jobs = [
            SweepJob(
                context=self.context,
                config=self.config,
                task=self.task,
                overrides=tuple(overrides),
                number=initial_job_idx + index,
                sweep_dir=str(sweep_dir),
                working_dir=str(Path.cwd()),
                threads=self.threads,
                singletons=Singleton.get_state(),
                marked=(sweep_dir / MARK).is_file(),
                elsewhere=self.elsewhere,
            )
            for index, overrides in enumerate(job_overrides)
        ]
        names = _names(jobs)
        answers: dict[int, JobReturn] = {}
        if summarised(self.config.hydra) and self.elsewhere:
            # No worker and no place in a queue for what is there already.
            answers = {job.number: without_result(job) for job in jobs if job.has_finished()}
            for number in answers:
                log.info("finished before: %s", names[number])
        waiting = [job for job in jobs if job.number not in answers]
        for job, answer in self.carry_out(waiting, sweep_dir) if waiting else ():
            name, failure = names[job.number], failure_of(answer)
            # A failure would end the sweep for Hydra, without the summary that says more.
            answers[job.number] = without_result(job) if failure and summarised(self.config.hydra) else answer
            if failure is None:
                log.info("%d of %d ended: %s", len(answers), len(jobs), name)
            else:
                log.error("%d of %d lost: %s: %s", len(answers), len(jobs), name, failure)
        return [answers[job.number] for job in jobs]

    @abstractmethod
    def carry_out(self, jobs: Sequence[SweepJob], sweep_dir: Path) -> Iterator[tuple[SweepJob, JobReturn]]:
        """Every job with its answer, as they come; `job.lost(reason)` is the answer of one whose process ended."""


def _names(jobs: Sequence[SweepJob]) -> dict[int, str]:
    """Every job by the overrides in which it differs from the others."""
    shared = set.intersection(*({*job.overrides} for job in jobs)) if len(jobs) > 1 else set()
    return {
        job.number: " ".join(filter_overrides([word for word in job.overrides if word not in shared])) for job in jobs
    }
