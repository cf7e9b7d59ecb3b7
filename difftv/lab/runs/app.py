"""What `experiments/run.py` does for every job that Hydra hands it."""

import logging
import math
import sys
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from difftv.errors import DiffTVError
from difftv.lab.rundir.objective import of_best_epoch
from difftv.lab.runs.claim import remove_leftovers
from difftv.lab.runs.outcomes import summarised
from difftv.lab.runs.plan import PlannedRun, register_resolvers
from difftv.lab.runs.search.trial import RunningTrial

log = logging.getLogger(__name__)

register_resolvers()

RETIRED = {("solver", "scs_fast"): "solver=scs solver.eps=5e-3 solver.max_iter=500"}
"""Options of earlier versions (group, word) -> the words that ask for the same run, with the same identity."""


def refuse_retired(words: Sequence[str]) -> None:
    """End the program where the command line names an option of earlier versions, with the words to write instead."""
    for word in words:
        group, _, options = word.partition("=")
        for option in options.split(","):
            if instead := RETIRED.get((group, option)):
                sys.exit(f"error: {group}={option} is no option any more. Write {instead}")


def run_from_hydra(config: DictConfig) -> float:
    """Carry out the job that Hydra composed; its PSNR on the validation images comes back, for sweepers that optimise.

    A mistake of the user ends a single run with its message and exit code 1. In a sweep whose summary reads the disk
    (`summarised`) the job returns NaN: whatever else fails, the other jobs run. Other sweepers get the exception.
    """
    whole = HydraConfig.instance().cfg
    assert isinstance(whole, DictConfig)
    hydra = whole.hydra
    try:
        return _run(config, hydra)
    except (DiffTVError, ValueError, OSError) as error:
        log.error("%s", error)
        if hydra.mode == RunMode.RUN:
            sys.exit(1)
        if not summarised(hydra):
            raise
    except Exception:
        if hydra.mode == RunMode.RUN or not summarised(hydra):
            raise
        log.exception("this job ended with an unexpected error")
    return math.nan


def _run(config: DictConfig, hydra: DictConfig) -> float:
    planned = PlannedRun.of(config, hydra)
    directory = planned.at(hydra.runtime.output_dir)
    finished = directory.finished()
    if finished and planned.rerun != "all":
        remove_leftovers(directory.path)
        log.info("finished before, nothing to do: %s", directory.path)
        return of_best_epoch(directory.path)
    trial = RunningTrial.of(hydra)
    if trial is not None and directory.pruned():
        log.info("pruned before, left as it is: %s", directory.path)
        return math.nan
    failure = directory.failure()
    if failure is not None and not finished and planned.rerun == "none":
        message = f"failed before and left alone (rerun=none): {failure}; {directory.log}"
        if hydra.mode == RunMode.RUN:
            raise DiffTVError(message)
        log.warning("%s", message)
        return math.nan
    # Imported here so that composing a configuration, and skipping a finished run, stay cheap.
    from difftv.lab.runs.job import Job

    if trial is None:
        Job(planned, directory).run()
    elif Job(planned, directory, trial.should_stop).run() is None:
        return math.nan
    return of_best_epoch(directory.path)
