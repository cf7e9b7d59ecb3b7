"""A sweep before it starts and after it ended: which runs it has, what became of each, and one exit code.

Both are read from the disk, so they are the same for every launcher, and a job that was killed is seen too.
"""

import atexit
import contextlib
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from difftv.errors import ConfigError, DiffTVError
from difftv.printing import say
from difftv.rundir.standing import standing
from difftv.runs.config import without_wrapping
from difftv.runs.directory import RunDirectory
from difftv.runs.plan import PlannedRun

Outcome = Literal[
    "finished", "continued", "skipped", "failed", "left alone", "cut off", "in use", "not started", "refused"
]

GOOD = ("finished", "continued", "skipped")
"""Outcomes that leave nothing to do; the others are listed with their reason, and make the exit code 1."""


@dataclass(frozen=True)
class Planned:
    """One run of a sweep as it was found before the sweep started.

    Attributes:
        directory: its path.
        result: time of change and digest of its result.json, None where it had not finished.
        begun: whether there was a checkpoint to continue from.
        failed: whether it had ended with an error.
        rerun: the policy that the command line asked for.
    """

    directory: RunDirectory
    result: tuple[int, str] | None
    begun: bool
    failed: bool
    rerun: str


def summarised(hydra: Any) -> bool:
    """Whether a `Sweep` tells at the end what became of the jobs: then a failing job need not raise."""
    return hydra.sweeper._target_ == f"{BasicSweeper.__module__}.{BasicSweeper.__name__}"


class Sweep(Callback):
    """Marks the runs of a sweep as queued before it starts, and sums up at its end: exit code 1 unless all are done.

    Hydra turns an exception in a callback into a warning, hence the exits; and it skips the end of a sweep whose
    launcher ended with a worker, hence the second try when the interpreter leaves.
    """

    def __init__(self) -> None:
        self._planned: list[Planned] = []
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {"_planned": [], "_process": -1}  # workers get a copy, and have nothing to sum up

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        if not summarised(config.hydra):
            return
        try:
            self._planned = list(_plan(config))
        except HydraException:
            return  # a mistake in the overrides, which Hydra words better itself
        except OmegaConfBaseException as error:
            sys.exit(f"error: {without_wrapping(error) or error}")
        except (DiffTVError, OSError) as error:
            sys.exit(f"error: {error}")
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
        outcomes = [(run, *_outcome(run)) for run in self._planned]
        say(summary([(run.directory, outcome, reason) for run, outcome, reason in outcomes]))
        return all(outcome in GOOD for _, outcome, _ in outcomes)


def summary(outcomes: list[tuple[RunDirectory, Outcome, str]]) -> str:
    """For every folder of runs the counts on one line, then every run that is not done, with its reason and its log."""
    lines = []
    for folder in dict.fromkeys(directory.path.parent for directory, _, _ in outcomes):
        inside = [entry for entry in outcomes if entry[0].path.parent == folder]
        counts = Counter(outcome for _, outcome, _ in inside)
        shown = ", ".join(f"{counts[name]} {name}" for name in get_args(Outcome) if counts[name])
        lines.append(f"{len(inside)} run{'s'[: len(inside) != 1]} in {folder}: {shown}")
        for directory, outcome, reason in inside:
            if outcome not in GOOD:
                lines += [f"  {outcome}: {directory.path.name}: {reason}", f"    log: {directory.log}"]
    return "\n".join(lines)


def _plan(config: DictConfig) -> Iterator[Planned]:
    """The runs of a sweep, in the order of its jobs; nothing is written.

    Raises:
        ConfigError, DataError: a run has a key that nothing reads, or no images. A value out of range is the trouble of
            its own run.
    """
    loader = GlobalHydra.instance().config_loader()
    words = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    words += list(config.hydra.overrides.task)
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
    before = HydraConfig.instance().cfg
    try:
        for number, job in enumerate(BasicSweeper.split_arguments(overrides, None)[0]):
            composed = loader.load_sweep_config(config, job)
            with open_dict(composed):
                composed.hydra.job.num, composed.hydra.job.id = number, str(number)
            HydraConfig.instance().set_config(composed)
            path = Path(str(composed.hydra.sweep.dir), str(composed.hydra.sweep.subdir))
            run = PlannedRun.of(composed)
            directory = run.at(path)
            result = _result_of(directory)
            if result is None or run.rerun == "all":
                run.check_nodes()
            yield Planned(directory, result, directory.checkpoint.exists(), directory.failure() is not None, run.rerun)
    finally:
        HydraConfig.instance().cfg = before


def _result_of(directory: RunDirectory) -> tuple[int, str] | None:
    """What tells one result.json from the next; not by inode numbers, which some file systems change by themselves."""
    with contextlib.suppress(OSError, ConfigError):
        if directory.finished():
            content = directory.result.read_bytes()
            return directory.result.stat().st_mtime_ns, hashlib.sha256(content).hexdigest()
    return None


def _outcome(run: Planned) -> tuple[Outcome, str]:
    directory = run.directory
    with contextlib.suppress(OSError):
        os.listdir(directory.path)  # makes a network file system look again at what it has cached as absent
    try:
        finished = directory.finished()
    except ConfigError as error:
        return "refused", str(error)
    if finished and (run.result is None or _result_of(directory) != run.result):
        return ("continued" if run.begun and run.result is None else "finished"), ""
    if finished and run.rerun != "all":
        return "skipped", ""
    if finished:
        return "not started", "its result is the one from before"
    found = standing(directory.path)
    again = "the same command again continues it"
    match found.state:
        case "running" if found.worker is not None and found.worker.pid != os.getpid():
            return "in use", f"{found.worker} is working on it"
        case "running":
            return "cut off", f"its end could not be written down, as on a full disk; {again}"
        case "failed" if (failure := directory.failure()) is not None:
            return ("left alone" if run.failed and run.rerun == "none" else "failed"), failure
        case "lost" | "interrupted":
            return "cut off", found.reason
        case _:
            return "not started", "the same command again starts it"
