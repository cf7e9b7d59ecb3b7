"""One job of a sweep, as it is sent to the process that carries it out, and its answer."""

import contextlib
import math
import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.errors import HydraException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from difftv.errors import DiffTVError
from difftv.lab.runs.claim import remove_leftovers
from difftv.lab.runs.directory import RunDirectory
from difftv.lab.runs.plan import PlannedRun

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Read by the libraries when they are first imported."""

TORCH_SEED = 67280421310721
"""What torch's global generator starts from in a new process."""


MARK = "multirun.yaml"
"""What Hydra and our search write into the folder of a sweep before its first job."""

NOT_READY = (DiffTVError, ValueError, OSError, OmegaConfBaseException)
"""What is wrong with the configuration of a job, or its data: the job itself says so, where its other words are."""


class JobFailedError(HydraException):
    """A job ended without a result; Hydra shows the message without a traceback, which is in the job's run.log."""


@dataclass(frozen=True)
class SweepJob:
    """Everything a job needs in another process, on this machine or another one with the same file system.

    Attributes:
        context: Hydra's, with the loader of configurations.
        config: config of the sweep.
        task: function that is carried out.
        overrides: overrides of this job.
        number: its place in the sweep.
        sweep_dir: absolute, since the other process may have been started anywhere.
        working_dir: where the sweep was started; relative paths in the configuration mean it.
        threads: threads of torch, numba and BLAS within the job; None leaves them as they are.
        singletons: Hydra's global state.
        elsewhere: whether another process carries it out: its folder is then that of the sweep, whatever its overrides
            make of `hydra.sweep.dir`.
        marked: whether the folder of the sweep held `MARK` when the job was made.
    """

    context: HydraContext
    config: DictConfig
    task: TaskFunction
    overrides: tuple[str, ...]
    number: int
    sweep_dir: str
    working_dir: str
    threads: int | None
    singletons: dict[Any, Any]
    marked: bool = False
    elsewhere: bool = True

    def __call__(self) -> JobReturn:
        """Carry the job out in the process that it was sent to; an exception of the job comes back as its words.

        Raises:
            JobFailedError: see `carry_out`.
        """
        done = self.carry_out()
        if done.status == JobStatus.FAILED:
            # An exception of any class may not survive the way back; its words do.
            cause = done._return_value
            done.return_value = JobFailedError(f"{type(cause).__name__}: {cause}")
        return done

    def carry_out(self) -> JobReturn:
        """Carry the job out here; an exception of the job comes back in the answer.

        Raises:
            JobFailedError: this machine does not see the directory that the sweep was started in, or the folder of the
                sweep is not there any more.
        """
        Singleton.set_state(self.singletons)
        setup_globals()
        with as_in_a_new_process(self.threads):
            try:
                os.chdir(self.working_dir)
            except OSError as error:
                raise JobFailedError(
                    f"{self.working_dir} is not there on {os.uname().nodename} ({error.strerror}): start the sweep "
                    "in a directory that every machine of the cluster sees."
                ) from error
            if self.marked and not Path(self.sweep_dir, MARK).is_file():
                # Hydra would make it afresh, on the wrong disk where the right one is not mounted any more.
                raise JobFailedError(
                    f"{self.sweep_dir} was deleted, moved or replaced since the sweep began, or its disk is not "
                    "mounted any more. Nothing is written. The same command continues when it is back."
                )
            return run_job(
                hydra_context=self.context,
                task_function=self.task,
                config=self._composed(),
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )

    def has_finished(self) -> bool:
        """Whether its result is there already, and is not to be computed again; then its directory is tidied."""
        try:
            directory, rerun = self.run()
            if not directory.finished() or rerun == "all":
                return False
        except NOT_READY:
            return False
        remove_leftovers(directory.path)
        return True

    def run(self) -> tuple[RunDirectory, str]:
        """The directory of its run, and the policy for a run that has ended before.

        Raises:
            DiffTVError, ValueError, OSError, OmegaConfBaseException: `NOT_READY`, see there.
        """
        config, before = self._composed(), HydraConfig.instance().cfg
        HydraConfig.instance().set_config(config)
        try:
            planned = PlannedRun.of(config)
            return planned.at(Path(self.sweep_dir, str(config.hydra.sweep.subdir))), planned.rerun
        finally:
            HydraConfig.instance().cfg = before

    def _composed(self) -> DictConfig:
        config = self.context.config_loader.load_sweep_config(self.config, list(self.overrides))
        with open_dict(config):
            config.hydra.job.id = str(self.number)
            config.hydra.job.num = self.number
            if self.elsewhere:
                config.hydra.sweep.dir = self.sweep_dir
        return config

    def lost(self, reason: str) -> JobReturn:
        """The answer for a job whose process ended."""
        return JobReturn(overrides=list(self.overrides), status=JobStatus.FAILED, _return_value=JobFailedError(reason))


def without_result(job: SweepJob) -> JobReturn:
    """The answer for a job that has none, in a sweep whose summary reads what became of it from the disk."""
    return JobReturn(overrides=list(job.overrides), status=JobStatus.COMPLETED, _return_value=math.nan)


def failure_of(done: JobReturn) -> str | None:
    """The first line of what went wrong, None where nothing did."""
    if done.status == JobStatus.COMPLETED:
        return None
    return (str(done._return_value).splitlines() or [type(done._return_value).__name__])[0]


@contextlib.contextmanager
def as_in_a_new_process(threads: int | None) -> Iterator[None]:
    """Whatever an earlier job of this process changed, the block starts as in a process of its own.

    Random generators, threads, environment and working directory; modules stay loaded, which is the point of using a
    process twice.
    """
    environment, directory = dict(os.environ), Path.cwd()
    if threads is not None:
        os.environ.update(thread_variables(threads))
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.manual_seed(TORCH_SEED)
        if threads is not None:
            torch.set_num_threads(threads)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(directory)


def thread_variables(threads: int) -> dict[str, str]:
    """The environment that holds every library to so many threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))
