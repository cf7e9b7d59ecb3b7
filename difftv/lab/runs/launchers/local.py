"""The cores of this machine, one job each, in processes that are used again."""

import concurrent.futures
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from hydra.core.utils import JobReturn

from difftv.arguments import positive_int
from difftv.errors import ConfigError
from difftv.lab.runs.launchers.base import SweepLauncher
from difftv.lab.runs.launchers.jobs import SweepJob, thread_variables

if TYPE_CHECKING:
    from joblib.externals.loky import ProcessPoolExecutor

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"

LAST_WORDS_SECONDS = 10.0
"""What a job gets to write down that it was stopped."""


class LocalLauncher(SweepLauncher):
    """As many processes as there are cores for, each with its own pool: one that is killed does not affect the others.

    Args:
        threads_per_job: threads of torch, numba and BLAS in every job.
        jobs: at once; None = cores that this process may use / threads_per_job.
        devices: GPUs by number (among those that CUDA_VISIBLE_DEVICES of this command shows) or name; every job sees
            one of them alone, at most one job at a time is on each, and a job that cannot use it fails. A list of them
            instead of one is a group for one job (`trainer.devices`). None = every job sees what this command sees.
    """

    package = "joblib"
    extra = "local"

    def __init__(
        self, threads_per_job: int, jobs: int | None, devices: Sequence[int | str | Sequence[int | str]] | None = None
    ) -> None:
        super().__init__(positive_int("hydra.launcher.threads_per_job", threads_per_job))
        self.jobs = None if jobs is None else positive_int("hydra.launcher.jobs", jobs)
        self.devices = None if devices is None else visible_devices(devices)

    def carry_out(self, jobs: Sequence[SweepJob], sweep_dir: Path) -> Iterator[tuple[SweepJob, JobReturn]]:
        assert self.threads is not None
        devices: Sequence[str | None] = self.devices or [None] * len(jobs)
        count = min(self.jobs or max(1, cores() // self.threads), len(jobs), len(devices))
        log.info("%d jobs, %d at once, %d thread(s) each; runs in %s", len(jobs), count, self.threads, sweep_dir)
        waiting = deque(jobs)
        idle = [(_worker(self.threads, device), device) for device in devices[:count]]
        busy: dict[Future[JobReturn], tuple[SweepJob, ProcessPoolExecutor, str | None]] = {}
        try:
            while waiting or busy:
                while waiting and idle:
                    job, (worker, device) = waiting.popleft(), idle.pop()
                    busy[worker.submit(job if device is None else _on_gpu(job))] = job, worker, device
                for future in concurrent.futures.wait(busy, return_when=FIRST_COMPLETED).done:
                    job, worker, device = busy.pop(future)
                    try:
                        answer = future.result()
                    except BrokenProcessPool:
                        worker.shutdown(wait=False)
                        worker = _worker(self.threads, device)
                        answer = job.lost(
                            "its process was killed, as a rule for want of memory (hydra.launcher.jobs=1 runs one job "
                            "at a time); the same command continues it"
                        )
                    # SystemExit: the job was sent SIGTERM. Whatever else comes is one job's trouble, not the sweep's.
                    except (Exception, SystemExit) as error:
                        answer = job.lost(f"{type(error).__name__}: {error}")
                    idle.append((worker, device))
                    yield job, answer
        except KeyboardInterrupt:
            # The terminal sends the signal to the jobs as well.
            concurrent.futures.wait(busy, timeout=LAST_WORDS_SECONDS)
            raise
        finally:
            for worker, _ in idle:
                worker.shutdown()
            for _, worker, _ in busy.values():
                worker.shutdown(kill_workers=True)


def cores() -> int:
    """Physical cores that this process may use: twice as many jobs on two threads of one core gain little."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, psutil.cpu_count(logical=False) or usable)


def visible_devices(devices: Any) -> list[str]:
    """Values of CUDA_VISIBLE_DEVICES, one for each job at a time; numbers count among those that are visible now.

    Args:
        devices: GPUs, or groups of GPUs, by number or name.

    Raises:
        ConfigError: there is none, one stands there twice, or a number is none of them.
    """
    key, shown = "hydra.launcher.devices", os.environ.get(VISIBLE)
    groups = [_group(each) for each in devices] if _is_list(devices) else []
    ones = [one for group in groups for one in group]
    if not groups or not all(groups) or any(isinstance(one, bool) or not isinstance(one, (int, str)) for one in ones):
        raise ConfigError(f"{key} must be a list of GPUs, such as [0,1] or [[0,1],[2,3]], or null, got {devices!r}.")
    names = None if shown is None else [name.strip() for name in shown.split(",") if name.strip()]
    found = [[_name(one, names, key) for one in group] for group in groups]
    flat = [name for group in found for name in group]
    if len({*flat}) < len(flat):
        raise ConfigError(f"{key}: every GPU stands there once, got {list(devices)}: two jobs on one would be slower.")
    return [",".join(group) for group in found]


def _group(device: Any) -> list[Any]:
    return list(device) if _is_list(device) else [device]


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _name(device: int | str, names: Sequence[str] | None, key: str) -> str:
    if isinstance(device, int) and names is not None:
        if not 0 <= device < len(names):
            raise ConfigError(f"{key}: there is no GPU {device}; {VISIBLE}={','.join(names)} shows {len(names)}.")
        return names[device]
    if isinstance(device, int) and device < 0:
        raise ConfigError(f"{key}: GPUs are numbered from 0, got {device}.")
    return str(device)


def _on_gpu(job: SweepJob) -> SweepJob:
    """The job with the word that makes a GPU which cannot be used an error, and not a training on the CPU."""
    if any(word.startswith("trainer.device=") for word in job.overrides):
        return job
    return replace(job, overrides=(*job.overrides, "trainer.device=cuda"))


def _worker(threads: int, device: str | None = None) -> "ProcessPoolExecutor":
    from joblib.externals.loky import ProcessPoolExecutor

    environment = thread_variables(threads) | ({} if device is None else {VISIBLE: device})
    return ProcessPoolExecutor(1, env=environment, initializer=_end_with_parent, initargs=(os.getpid(),))


def _end_with_parent(parent: int) -> None:
    """Stop this process soon after the sweep was killed: started again, the sweep must find its runs free."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LAST_WORDS_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()
