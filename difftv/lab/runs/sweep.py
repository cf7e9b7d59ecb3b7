"""A sweep before it starts and after it ended: which runs it has, what became of each, and one exit code."""

import atexit
import os
import sys
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from difftv.errors import DiffTVError
from difftv.lab.runs.config import without_wrapping
from difftv.lab.runs.outcomes import GOOD, SWEEP, Planned, look_ahead, outcome, summary
from difftv.lab.runs.preflight import exit_unless_writable
from difftv.printing import print_safely


class Sweep(Callback):
    """Marks the runs of a sweep as queued before it starts, and sums up at its end: exit code 1 unless all are done.

    Hydra turns an exception in a callback into a warning, hence the exits; and it skips the end of a sweep whose
    launcher ended with a worker, hence the second try when the interpreter leaves. A search, whose runs are not known
    before, does both itself.
    """

    def __init__(self) -> None:
        self._planned: list[Planned] = []
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {"_planned": [], "_process": -1}  # workers get a copy, and have nothing to sum up

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        if config.hydra.sweeper._target_ != SWEEP:
            return
        try:
            self._planned = _plan(config)
        except HydraException:
            return  # a mistake in the overrides, which Hydra words better itself
        except OmegaConfBaseException as error:
            sys.exit(f"error: {without_wrapping(error) or error}")
        except (DiffTVError, OSError) as error:
            sys.exit(f"error: {error}")
        if not self._planned:
            sys.exit(
                "error: the sweep has no run: a range or a glob on the command line matches nothing "
                f"({', '.join(config.hydra.overrides.task)})."
            )
        exit_unless_writable(config, "hydra.sweep.dir")
        for run in self._planned:
            run.directory.mark_queued()
        atexit.register(self._sum_up)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        atexit.unregister(self._sum_up)
        if not self._sum_up():
            sys.exit(1)

    def _sum_up(self) -> bool:
        if not self._planned or self._process != os.getpid():
            return True
        outcomes = [(run.directory, *outcome(run)) for run in self._planned]
        print_safely(summary(outcomes))
        return all(name in GOOD for _, name, _ in outcomes)


def _plan(config: DictConfig) -> list[Planned]:
    """The runs of every combination of values, in the order of the jobs.

    Raises:
        ConfigError, DataError: see `look_ahead`.
    """
    loader = GlobalHydra.instance().config_loader()
    words = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    words += list(config.hydra.overrides.task)
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
    jobs = BasicSweeper.split_arguments(overrides, None)[0]
    return [planned for _, planned in look_ahead(loader, config, jobs)]
