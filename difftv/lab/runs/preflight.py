"""Refuse, before Hydra makes a directory, what would fail after it."""

import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from difftv.errors import DiffTVError
from difftv.files import check_writable
from difftv.lab.rundir.layout import STATUS
from difftv.lab.runs.config import without_wrapping
from difftv.lab.runs.plan import PlannedRun

LEAST_ROOM = 64 * 1024
"""Bytes that a run writes before its first step (configuration, status, log), and Hydra for a sweep."""


class Preflight(Callback):
    """Checks the configuration of a single run, and that the output directory can be written, once for a sweep.

    The configurations of a sweep's runs are for `difftv.lab.runs.sweep.Sweep`, which composes them. Hydra turns an
    exception in a callback into a warning, hence the exit.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            planned = PlannedRun.of(config)
            directory = planned.at(_output_directory(config, "hydra.run.dir"))
            if planned.rerun == "all" or not directory.finished():
                planned.check()
        except (DiffTVError, OSError) as error:
            sys.exit(f"error: {error}")
        exit_unless_writable(config, "hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        exit_unless_writable(config, "hydra.sweep.dir")


def _output_directory(config: DictConfig, key: str) -> Path:
    try:
        directory = str(OmegaConf.select(config, key))
    except OmegaConfBaseException as error:
        # The name of the run's directory is computed from the configuration: this is where a mistake in it shows.
        sys.exit(f"error: {without_wrapping(error) or error}")
    if not directory.strip():
        sys.exit(f"error: {key} is empty, as an unset variable of the shell leaves it. Give a directory.")
    return Path(directory)


def exit_unless_writable(config: DictConfig, key: str) -> None:
    """End the program with a message where the directory under this key is empty or cannot be written to."""
    try:
        check_writable(_output_directory(config, key) / STATUS, room=LEAST_ROOM)
    except OSError as error:
        sys.exit(
            f"error: cannot write to the output directory: {error}. "
            f"Give another one with {key}=DIRECTORY, or change its permissions."
        )
