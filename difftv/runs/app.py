"""What `experiments/run.py` does for every job that Hydra hands it."""

import logging
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from difftv.errors import DiffTVError
from difftv.runs.config import register_resolvers, resolved
from difftv.runs.directory import RunDirectory
from difftv.runs.identity import identity, readable_name

log = logging.getLogger(__name__)

register_resolvers()


def run_from_hydra(config: DictConfig) -> float:
    """Carry out the job that Hydra composed; the PSNR comes back, for sweepers that optimise it.

    A mistake of the user ends a single run with its message and exit code 1. In a sweep it is raised, so that Hydra
    goes on with the other jobs and reports it at the end.
    """
    # Imported here so that composing a configuration, and skipping a finished run, stay cheap.
    from difftv.runs.job import run

    hydra = HydraConfig.get()
    try:
        plain = resolved(config)
        choices = {group: option for group, option in hydra.runtime.choices.items() if "/" not in group}
        directory = RunDirectory(Path(hydra.runtime.output_dir))
        name = readable_name(list(hydra.overrides.task), identity(plain))
        return run(plain, choices, directory, name=name)["psnr"]
    except (DiffTVError, ValueError, OSError) as error:
        log.error("%s", error)
        if hydra.mode == RunMode.RUN:
            sys.exit(1)
        raise
