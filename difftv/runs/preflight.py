"""Refuse, before Hydra makes a directory, what would fail after it."""

import os
import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from difftv.runs.config import without_wrapping


class Preflight(Callback):
    """Checks that the output directory can be written, once for a run and once for a sweep.

    Hydra turns an exception in a callback into a warning, hence the exit.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        _exit_unless_writable(config, "hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        _exit_unless_writable(config, "hydra.sweep.dir")


def _exit_unless_writable(config: DictConfig, key: str) -> None:
    try:
        directory = Path(str(OmegaConf.select(config, key)))
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OmegaConfBaseException as error:
        # The name of the run's directory is computed from the configuration: this is where a mistake in it shows.
        sys.exit(f"error: {without_wrapping(error)}")
    except OSError as error:
        sys.exit(
            f"error: cannot write to the output directory: {error}. "
            f"Give another one with {key}=DIRECTORY, or change its permissions."
        )
