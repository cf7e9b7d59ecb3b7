"""A Ray cluster that is already running."""

import logging
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.utils import JobReturn

from difftv.arguments import positive_int
from difftv.lab.runs.launchers.base import SweepLauncher
from difftv.lab.runs.launchers.jobs import SweepJob

log = logging.getLogger(__name__)

REACH_SECONDS = 10.0


class RayLauncher(SweepLauncher):
    """Hands the jobs to a cluster by its address, and waits for all of them.

    Args:
        address: `host:port`, or `auto`: the environment's RAY_ADDRESS, else the cluster on this machine.
        cpus_per_job: cores that a job reserves, and its threads.
        gpus_per_job: GPUs that it reserves, >= 0; parts of one are allowed.
    """

    package = "ray"
    extra = "ray"

    def __init__(self, address: str, cpus_per_job: int, gpus_per_job: float) -> None:
        super().__init__(positive_int("hydra.launcher.cpus_per_job", cpus_per_job))
        self.address, self.cpus, self.gpus = address, cpus_per_job, gpus_per_job

    def carry_out(self, jobs: Sequence[SweepJob], sweep_dir: Path) -> Iterator[tuple[SweepJob, JobReturn]]:
        import ray
        from ray.exceptions import RayError

        try:
            _reach(self.address)
            ray.init(address=self.address, logging_level=logging.WARNING)
        except (OSError, RuntimeError, ValueError) as error:
            sys.exit(
                f"error: no Ray cluster answers at hydra.launcher.address={self.address} "
                f"({str(error).splitlines()[0]}). Start one (ray start --head --port=6399) or give its host:port; "
                "RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH must be those that it was started with."
            )
        try:
            self._warn_of_cores(float(ray.cluster_resources().get("CPU", 0.0)))
            log.info("%d jobs on the Ray cluster at %s; runs in %s", len(jobs), self.address, sweep_dir)
            # No retries of Ray's own: it would start a job again while the same command is the one that does.
            remote = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(_carry_out)
            waiting = {remote.remote(job): job for job in jobs}
            while waiting:
                for reference in ray.wait(list(waiting), num_returns=1)[0]:
                    job = waiting.pop(reference)
                    try:
                        answer = ray.get(reference)
                    except (RayError, SystemExit) as error:
                        answer = job.lost(f"{type(error).__name__}: {error}; the same command continues it")
                    yield job, answer
        finally:
            ray.shutdown()

    def _warn_of_cores(self, cores: float) -> None:
        if self.cpus > cores:
            log.warning(
                "hydra.launcher.cpus_per_job=%d is more than the %g CPUs of the whole cluster: Ray keeps the jobs "
                "waiting until it grows.",
                self.cpus,
                cores,
            )


def _reach(address: str) -> None:
    """Ray itself tries for minutes to reach an address at which nothing listens.

    Raises:
        OSError: no server listens there.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()


def _carry_out(job: SweepJob) -> JobReturn:
    return job()
