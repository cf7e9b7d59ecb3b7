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
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from hydra.core.utils import JobReturn

from difftv.arguments import positive_int
from difftv.lab.runs.launchers.base import SweepLauncher
from difftv.lab.runs.launchers.jobs import SweepJob, thread_variables

if TYPE_CHECKING:
    from joblib.externals.loky import ProcessPoolExecutor

log = logging.getLogger(__name__)

LAST_WORDS_SECONDS = 10.0
"""What a job gets to write down that it was stopped."""


class LocalLauncher(SweepLauncher):
    """As many processes as there are cores for, each with its own pool: one that is killed does not affect the others.

    Args:
        threads_per_job: threads of torch, numba and BLAS in every job.
        jobs: at once; None = cores that this process may use / threads_per_job.
    """

    package = "joblib"
    extra = "local"

    def __init__(self, threads_per_job: int, jobs: int | None) -> None:
        super().__init__(positive_int("hydra.launcher.threads_per_job", threads_per_job))
        self.jobs = None if jobs is None else positive_int("hydra.launcher.jobs", jobs)

    def carry_out(self, jobs: Sequence[SweepJob], sweep_dir: Path) -> Iterator[tuple[SweepJob, JobReturn]]:
        assert self.threads is not None
        count = min(self.jobs or max(1, cores() // self.threads), len(jobs))
        log.info("%d jobs, %d at once, %d thread(s) each; runs in %s", len(jobs), count, self.threads, sweep_dir)
        waiting = deque(jobs)
        idle = [_worker(self.threads) for _ in range(count)]
        busy: dict[Future[JobReturn], tuple[SweepJob, ProcessPoolExecutor]] = {}
        try:
            while waiting or busy:
                while waiting and idle:
                    job, worker = waiting.popleft(), idle.pop()
                    busy[worker.submit(job)] = job, worker
                for future in concurrent.futures.wait(busy, return_when=FIRST_COMPLETED).done:
                    job, worker = busy.pop(future)
                    try:
                        answer = future.result()
                    except BrokenProcessPool:
                        worker.shutdown(wait=False)
                        worker = _worker(self.threads)
                        answer = job.lost(
                            "its process was killed, as a rule for want of memory (hydra.launcher.jobs=1 runs one job "
                            "at a time); the same command continues it"
                        )
                    # SystemExit: the job was sent SIGTERM. Whatever else comes is one job's trouble, not the sweep's.
                    except (Exception, SystemExit) as error:
                        answer = job.lost(f"{type(error).__name__}: {error}")
                    idle.append(worker)
                    yield job, answer
        except KeyboardInterrupt:
            # The terminal sends the signal to the jobs as well.
            concurrent.futures.wait(busy, timeout=LAST_WORDS_SECONDS)
            raise
        finally:
            for worker in idle:
                worker.shutdown()
            for _, worker in busy.values():
                worker.shutdown(kill_workers=True)


def cores() -> int:
    """Physical cores that this process may use: twice as many jobs on two threads of one core gain little."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, psutil.cpu_count(logical=False) or usable)


def _worker(threads: int) -> "ProcessPoolExecutor":
    from joblib.externals.loky import ProcessPoolExecutor

    return ProcessPoolExecutor(1, env=thread_variables(threads), initializer=_end_with_parent, initargs=(os.getpid(),))


def _end_with_parent(parent: int) -> None:
    """Stop this process soon after the sweep was killed: started again, the sweep must find its runs free."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LAST_WORDS_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()
