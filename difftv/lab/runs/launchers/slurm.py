"""A SLURM cluster: one array job per sweep, whose tasks are put back in the queue when their time is up."""

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf

from difftv.arguments import positive_int
from difftv.files import write_atomically
from difftv.lab.runs.claim import put_back
from difftv.lab.runs.launchers.base import SweepLauncher
from difftv.lab.runs.launchers.jobs import NOT_READY, SweepJob
from difftv.lab.runs.launchers.scheduler import job_states, largest_array, largest_node

if TYPE_CHECKING:
    from submitit import Job
    from submitit.helpers import DelayedSubmission

    Submitted = tuple[SweepJob, Job[JobReturn]]

log = logging.getLogger(__name__)

QUEUE = "queue.json"
"""Beside submitit's own files."""

LOOK_SECONDS = 1.0
"""Between two looks at the disk, where answers appear."""

ASK_SECONDS = 4.0
"""Between two questions to the scheduler, one for the whole sweep."""

DEAD_AFTER = 3
"""So many times in turn a job must be gone from the scheduler, without an answer, until it counts as ended: a job that
is put back in the queue is neither here nor there for a moment, and a network file system shows files late."""

GONE = "GONE"
"""No longer known to the scheduler, as every job is some time after its end."""

OVER = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY", "DEADLINE", GONE}


class SlurmLauncher(SweepLauncher):
    """Submits the sweep as one array and waits for its answers; when it is stopped itself, the jobs go on.

    The same command again waits for jobs that are still in the queue, and submits the others.

    A job that is pre-empted, or whose time is up, is put back in the queue and continues from its checkpoint.

    Args:
        folder: directory of submitit's scripts, logs and answers, on a file system that every node sees.
        partition, account, qos: as `sbatch` takes them; None = the cluster's default.
        timeout_min: minutes that a job may run before it has to queue again.
        max_num_timeout: how often it may do that.
        signal_delay_s: seconds before the end at which SLURM tells the job.
        mem_gb: memory of a job.
        cpus_per_task: cores of a job, and its threads.
        gpus_per_node: GPUs of a job; None = none.
        array_parallelism: jobs at once.
        setup: shell lines that run before the job, such as `module load ...`.
        sbatch: any other option of `sbatch`, without its dashes.
    """

    package = "submitit"
    extra = "slurm"

    def __init__(
        self,
        folder: str,
        partition: str | None,
        account: str | None,
        qos: str | None,
        timeout_min: int,
        max_num_timeout: int,
        signal_delay_s: int,
        mem_gb: float,
        cpus_per_task: int,
        gpus_per_node: int | None,
        array_parallelism: int,
        setup: Sequence[str],
        sbatch: Mapping[str, Any],
    ) -> None:
        super().__init__(positive_int("hydra.launcher.cpus_per_task", cpus_per_task))
        self.folder = folder
        self.max_num_timeout = max_num_timeout
        self.parameters: dict[str, Any] = {
            "timeout_min": positive_int("hydra.launcher.timeout_min", timeout_min),
            "mem_gb": mem_gb,
            "cpus_per_task": cpus_per_task,
            "gpus_per_node": gpus_per_node,
            "slurm_partition": partition,
            "slurm_account": account,
            "slurm_qos": qos,
            "slurm_signal_delay_s": signal_delay_s,
            "slurm_array_parallelism": positive_int("hydra.launcher.array_parallelism", array_parallelism),
            "slurm_setup": list(setup),
            "slurm_additional_parameters": _plain(sbatch),
        }

    def carry_out(self, jobs: Sequence[SweepJob], sweep_dir: Path) -> Iterator[tuple[SweepJob, JobReturn]]:
        self._warn_of_cores()
        queue = Queue(Path(self.folder.partition("%")[0]) / QUEUE)
        names = {job.number: _run_name(job) for job in jobs}
        waiting = self._still_queued(jobs, names, queue)
        if waiting:
            log.info("from an earlier command, waited for and not submitted again: %s", " ".join(waiting))
        queued = {job.number for job, _ in waiting.values()}
        missing = [job for job in jobs if job.number not in queued]
        try:
            if missing:
                waiting |= self._submit(missing, names, queue)
            log.info("%d jobs submitted (squeue --jobs=%s); runs in %s", len(missing), _arrays(waiting, ","), sweep_dir)
            yield from self._answers(waiting)
        except KeyboardInterrupt:
            log.warning(
                "The jobs go on without this command, and the same command again waits for them. To end them: "
                "scancel %s",
                _arrays(waiting, " "),
            )
            raise

    def _still_queued(
        self, jobs: Sequence[SweepJob], names: Mapping[int, str | None], queue: "Queue"
    ) -> "dict[str, Submitted]":
        """Those of the jobs that an earlier command has submitted, and that the scheduler has not done with."""
        from submitit import SlurmJob

        known = queue.jobs()
        states = job_states(known.values()) if known else {}
        found: dict[str, Submitted] = {}
        for job in jobs:
            job_id = known.get(names[job.number] or "", "")
            if states and states.get(job_id, GONE).split()[0] not in OVER:
                found[job_id] = job, SlurmJob(folder=self.folder, job_id=job_id)
        return found

    def _submit(
        self, jobs: Sequence[SweepJob], names: Mapping[int, str | None], queue: "Queue"
    ) -> "dict[str, Submitted]":
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        try:
            executor = submitit.AutoExecutor(
                folder=self.folder, cluster="slurm", slurm_max_num_timeout=self.max_num_timeout
            )
            submitted: list[Job[JobReturn]] = []
            given = {key: value for key, value in self.parameters.items() if value is not None}
            for part in _parts(jobs, largest_array()):
                executor.update_parameters(**_after(given, submitted[-1:]))
                submitted += executor.map_array(_CarryOut(), part)
        except (RuntimeError, ValueError, OSError, FailedJobError, FailedSubmissionError) as error:
            sys.exit(f"error: hydra/launcher=slurm could not submit the sweep: {error}")
        found = {other.job_id: (job, other) for job, other in zip(jobs, submitted, strict=True)}
        queue.add({name: job_id for job_id, (job, _) in found.items() if (name := names[job.number])})
        return found

    def _answers(self, submitted: "Mapping[str, Submitted]") -> Iterator[tuple[SweepJob, JobReturn]]:
        waiting, watch = dict(submitted), _Watch()
        while waiting:
            for job_id, (job, other) in list(waiting.items()):
                if other.paths.result_pickle.exists():
                    del waiting[job_id]
                    yield job, _answer(job, other)
            for job_id, state in watch.ended(waiting):
                job, other = waiting.pop(job_id)
                yield job, job.lost(f"{job_id} ended without an answer ({state}), see {other.paths.stderr}")
            if waiting:
                time.sleep(LOOK_SECONDS)

    def _warn_of_cores(self) -> None:
        """SLURM accepts a job that fits no node when nodes may still come, and never starts it."""
        largest, wanted = largest_node(self.parameters["slurm_partition"]), self.parameters["cpus_per_task"]
        if largest is not None and wanted > largest:
            log.warning(
                "hydra.launcher.cpus_per_task=%d is more than the %d CPUs of the largest node: SLURM may keep the jobs "
                "in the queue for ever.",
                wanted,
                largest,
            )


class Queue:
    """Which run went to the scheduler as which job, on disk: the next command waits for it instead of submitting it.

    Args:
        path: path of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def jobs(self) -> dict[str, str]:
        """Name of the run's directory -> number of its last job; empty where nothing is known."""
        try:
            found = json.loads(self.path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return {str(name): str(job_id) for name, job_id in found.items()} if isinstance(found, dict) else {}

    def add(self, jobs: Mapping[str, str]) -> None:
        """Note what has been submitted. Where that cannot be written, jobs may be submitted twice, not more."""
        try:
            write_atomically(self.path, json.dumps(self.jobs() | dict(jobs), indent=2))
        except OSError as error:
            log.warning("%s could not be written (%s): the same command again would submit twice", self.path, error)


class _CarryOut:
    """A job in submitit's terms: `checkpoint` is called when it is told to go, and says what to put in the queue."""

    def __call__(self, job: SweepJob) -> JobReturn:
        with stopped_by_the_cluster():
            return job()

    def checkpoint(self, job: SweepJob) -> "DelayedSubmission":
        from submitit.helpers import DelayedSubmission

        put_back(f"SLURM as job {os.environ.get('SLURM_JOB_ID', '?')}")
        return DelayedSubmission(self, job)


@contextlib.contextmanager
def stopped_by_the_cluster() -> Iterator[None]:
    """Within the block a job answers the signals of the cluster, whichever it sends.

    submitit answers SIGUSR2, its own notice, and passes over SIGTERM. SLURM sends SIGTERM before it cancels a job or
    puts it back in the queue by itself (`PreemptMode=REQUEUE`): the job leaves its checkpoint and ends. SIGUSR1, the
    notice of other set-ups (`hydra.launcher.sbatch={signal: USR1@60}`), is as good as SIGUSR2.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the run then makes an exit of it (`termination_as_exit`)
    if before[signal.SIGUSR1] == signal.SIG_DFL and callable(signal.getsignal(signal.SIGUSR2)):
        signal.signal(signal.SIGUSR1, signal.getsignal(signal.SIGUSR2))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Watch:
    """What the scheduler says about jobs, in the log where it changes."""

    def __init__(self) -> None:
        self._asked = 0.0
        self._states: dict[str, str] = {}
        self._gone: Counter[str] = Counter()
        self._shown = ""

    def ended(self, job_ids: Iterable[str]) -> list[tuple[str, str]]:
        """Those of the jobs that will not answer any more, with their last state."""
        job_ids = list(job_ids)
        if not job_ids or time.monotonic() - self._asked < ASK_SECONDS:
            return []
        self._asked = time.monotonic()
        states = job_states(job_ids)
        if states is None:
            return []
        for job_id in job_ids:
            state = self._states[job_id] = states.get(job_id, GONE)
            self._gone[job_id] = self._gone[job_id] + 1 if state.split()[0] in OVER else 0
        shown = ", ".join(f"{count} {state}" for state, count in Counter(map(self._states.get, job_ids)).items())
        if shown != self._shown:
            log.info("%s", shown)
            self._shown = shown
        return [(job_id, self._states[job_id]) for job_id in job_ids if self._gone[job_id] >= DEAD_AFTER]


def _parts(jobs: Sequence[SweepJob], most: int | None) -> list[Sequence[SweepJob]]:
    size = most or len(jobs)
    return [jobs[start : start + size] for start in range(0, len(jobs), size)]


def _after(parameters: Mapping[str, Any], last: "Sequence[Job[JobReturn]]") -> dict[str, Any]:
    """Parameters of the next array of a sweep: it begins after the one before, so that no more jobs run at once."""
    if not last:
        return dict(parameters)
    sbatch = dict(parameters["slurm_additional_parameters"])
    before = f"afterany:{last[0].job_id.split('_')[0]}"
    sbatch["dependency"] = f"{sbatch['dependency']},{before}" if sbatch.get("dependency") else before
    return {**parameters, "slurm_additional_parameters": sbatch}


def _arrays(job_ids: Iterable[str], between: str) -> str:
    return between.join(sorted({job_id.split("_")[0] for job_id in job_ids}, key=int))


def _run_name(job: SweepJob) -> str | None:
    try:
        return job.run()[0].path.name
    except NOT_READY:
        return None


def _answer(job: SweepJob, other: "Job[JobReturn]") -> JobReturn:
    try:
        return other.result()
    # Whatever the other process put there, or could not: it is one job's trouble, not the sweep's.
    except Exception as error:
        return job.lost(f"{type(error).__name__}: {error}, see {other.paths.stderr}")


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    plain = OmegaConf.to_container(options, resolve=True) if isinstance(options, DictConfig) else options
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
