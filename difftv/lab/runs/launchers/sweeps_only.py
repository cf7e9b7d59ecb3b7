"""A launcher or a search without a sweep is a mistake that Hydra passes over in silence."""

import sys
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class SweepsOnly(Callback):
    """Comes with the presets: without -m Hydra would carry the run out here, whatever the launcher."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        launcher, sweeper = (config.hydra.runtime.choices[f"hydra/{group}"] for group in ("launcher", "sweeper"))
        if launcher == "basic":
            sys.exit(f"error: hydra/sweeper={sweeper} chooses the runs of a sweep: add -m.")
        sys.exit(f"error: hydra/launcher={launcher} starts the jobs of a sweep: add -m, for a single run as well.")
