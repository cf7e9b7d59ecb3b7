"""The jobs of a sweep in this process, one after the other.

Hydra's own launcher does the same, but where the disk fails between two jobs it ends with a traceback.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, configure_log, filter_overrides
from omegaconf.errors import OmegaConfBaseException

from difftv.lab.runs.launchers.base import SweepLauncher
from difftv.lab.runs.launchers.jobs import JobFailedError, SweepJob

log = logging.getLogger(__name__)


class BasicLauncher(SweepLauncher):
    """One job at a time, here."""

    elsewhere = False

    def __init__(self) -> None:
        super().__init__(threads=None)

    def carry_out(self, jobs: Sequence[SweepJob], sweep_dir: Path) -> Iterator[tuple[SweepJob, JobReturn]]:
        assert self.config is not None
        log.info("Launching %d jobs locally", len(jobs))
        for job in jobs:
            log.info("\t#%d : %s", job.number, " ".join(filter_overrides(job.overrides)))
            try:
                answer = job.carry_out()
            except JobFailedError as error:
                answer = job.lost(str(error))
            # Hydra makes the directory and its log, and words what fails there in several ways.
            except (OSError, ValueError, OmegaConfBaseException) as error:
                failed = _of_the_disk(error)
                if failed is None:
                    raise
                answer = job.lost(f"{failed.filename or sweep_dir}: {failed.strerror or failed}")
            finally:
                configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
            yield job, answer


def _of_the_disk(error: BaseException | None) -> OSError | None:
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
