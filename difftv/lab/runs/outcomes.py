"""The runs of a sweep as they are found before it, and what became of each: both read from the disk.

So they are the same for every launcher, and a job that was killed is seen too.
"""

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from difftv.errors import ConfigError
from difftv.lab.rundir.status import run_status
from difftv.lab.runs.directory import RunDirectory
from difftv.lab.runs.plan import PlannedRun

Outcome = Literal[
    "finished", "continued", "skipped", "pruned", "failed", "left alone", "cut off", "in use", "not started", "refused"
]

GOOD = ("finished", "continued", "skipped", "pruned")
"""Outcomes that leave nothing to do; the others are listed with their reason, and make the exit code 1."""

SWEEP = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
"""Hydra's own sweeper: every combination of the values on the command line."""

SEARCH = "hydra_plugins.difftv_sweepers.Optuna"
"""Ours, which chooses the values of the next run by what the ones before have found."""


@dataclass(frozen=True)
class Planned:
    """One run of a sweep as it was found before the sweep started.

    Attributes:
        directory: its path.
        result: time of change and digest of its result.json, None where it had not finished.
        begun: whether there was a checkpoint to continue from.
        failed: whether it had ended with an error.
        rerun: the policy that the command line asked for.
        trial: whether a search asks for it, which may end it early.
    """

    directory: RunDirectory
    result: tuple[int, str] | None
    begun: bool
    failed: bool
    rerun: str
    trial: bool = False


def summarised(hydra: Any) -> bool:
    """Whether the sweeper tells at the end what became of the jobs: then a failing job need not raise."""
    return hydra.sweeper._target_ in (SWEEP, SEARCH)


def look_ahead(
    loader: ConfigLoader, config: DictConfig, jobs: Sequence[Sequence[str]], *, trials: bool = False
) -> Iterator[tuple[PlannedRun, Planned]]:
    """The runs of a sweep, in the order of its jobs; nothing is written.

    Args:
        loader: Hydra's.
        config: config of the sweep.
        jobs: the overrides of each.
        trials: whether a search asks for them.

    Raises:
        ConfigError, DataError: a run has a key that nothing reads, or no images. A value out of range is the trouble of
            its own run.
    """
    before = HydraConfig.instance().cfg
    try:
        for number, job in enumerate(jobs):
            composed = loader.load_sweep_config(config, list(job))
            with open_dict(composed):
                composed.hydra.job.num, composed.hydra.job.id = number, str(number)
            HydraConfig.instance().set_config(composed)
            path = Path(str(composed.hydra.sweep.dir), str(composed.hydra.sweep.subdir))
            run = PlannedRun.of(composed)
            directory = run.at(path)
            result = result_of(directory)
            if result is None or run.rerun == "all":
                run.check_nodes()
            begun, failed = directory.checkpoint.exists(), directory.failure() is not None
            yield run, Planned(directory, result, begun, failed, run.rerun, trials)
    finally:
        HydraConfig.instance().cfg = before


def outcome(run: Planned) -> tuple[Outcome, str]:
    """What became of a run, and the reason where it is not done."""
    directory = run.directory
    try:
        os.listdir(directory.path)  # makes a network file system look again at what it has cached as absent
    except FileNotFoundError:
        pass
    except OSError as error:
        return "cut off", f"{directory.path} cannot be read ({error.strerror}); the same command again continues it"
    try:
        finished = directory.finished()
    except ConfigError as error:
        return "refused", str(error)
    if finished and (run.result is None or result_of(directory) != run.result):
        return ("continued" if run.begun and run.result is None else "finished"), ""
    if finished and run.rerun != "all":
        return "skipped", ""
    if finished:
        return "not started", "its result is the one from before"
    found = run_status(directory.path)
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
        case "pruned" if run.trial and directory.pruned():
            return "pruned", found.reason
        case _:
            return "not started", "the same command again starts it"


def summary(outcomes: Sequence[tuple[RunDirectory, Outcome, str]]) -> str:
    """For every folder of runs the counts on one line, then every run that is not done, with its reason and its log."""
    lines = []
    for folder in dict.fromkeys(directory.path.parent for directory, _, _ in outcomes):
        inside = [entry for entry in outcomes if entry[0].path.parent == folder]
        counts = Counter(name for _, name, _ in inside)
        shown = ", ".join(f"{counts[name]} {name}" for name in get_args(Outcome) if counts[name])
        lines.append(f"{len(inside)} run{'s'[: len(inside) != 1]} in {folder}: {shown}")
        for directory, name, reason in inside:
            if name not in GOOD:
                lines += [f"  {name}: {directory.path.name}: {reason}", f"    log: {directory.log}"]
    return "\n".join(lines)


def result_of(directory: RunDirectory) -> tuple[int, str] | None:
    """What tells one result.json from the next; not by inode numbers, which some file systems change by themselves."""
    with contextlib.suppress(OSError, ConfigError):
        if directory.finished():
            content = directory.result.read_bytes()
            return directory.result.stat().st_mtime_ns, hashlib.sha256(content).hexdigest()
    return None
