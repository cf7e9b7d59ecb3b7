"""What the runs of a sweep left on disk, read as untrusted data.

    outputs/<sweep>/<run>/config.yaml  status.json  result.json  per_image.csv  metrics.jsonl  run.log  figures/*.png

A directory becomes a `Run` when it is finished and complete; every other one becomes an `Absent` with the reason, so
that nothing disappears from a table without a word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from difftv.lab.report.evaluated import Recorded, recorded, set_labels
from difftv.lab.report.settings import EVALUATED_ON, NUM_IMAGES, Value, flatten
from difftv.lab.rundir.layout import CONFIG, LOG, METRICS, PER_IMAGE, is_run
from difftv.lab.rundir.reading import UnreadableError, numbers, read_epochs, read_images, read_yaml
from difftv.lab.rundir.status import RunStatus, run_status
from difftv.printing import printable


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        name: its directory's name.
        directory: its path.
        settings: the configuration, flat: `solver.eps` -> value, `choices.solver` -> the option chosen in the group,
            and what the numbers were measured on under `EVALUATED_ON`, `NUM_IMAGES`, `IMAGES` and `EVALUATED_SET`.
        metrics: name -> mean over the images; NaN where the run wrote null.
        images: image -> metric name -> value; empty when per_image.csv is missing or unreadable.
        recorded: record of the images that it was measured on.
        identity: hash of everything that changes the result.
        edited: keys whose value in config.yaml is no longer the one that the run had.
        finished: when status.json was last written, as the run wrote it.
    """

    name: str
    directory: Path
    settings: Mapping[str, Value]
    metrics: Mapping[str, float]
    images: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    recorded: Recorded = field(default_factory=Recorded)
    identity: str = ""
    edited: tuple[str, ...] = ()
    finished: str = ""


@dataclass(frozen=True)
class Absent:
    """A directory of the sweep that is not in the tables, and why.

    Attributes:
        name: its directory's name.
        directory: its path.
        state: as in `difftv.lab.rundir.status`, or duplicate.
        reason: one line.
        log: its run.log, where there is one.
    """

    name: str
    directory: Path
    state: str
    reason: str
    log: Path | None = None


@dataclass(frozen=True)
class Sweep:
    """Everything found in one sweep directory, sorted by name."""

    directory: Path
    runs: tuple[Run, ...]
    absent: tuple[Absent, ...]


def read_sweep(directory: Path, *, now: float | None = None) -> Sweep:
    """Read every run of a sweep.

    Args:
        directory: outputs/<sweep>.
        now: seconds since the epoch that heartbeats are compared with; the file system's time by default.

    Raises:
        ValueError: the directory is missing, is a single run, or holds no run at all.
    """
    if not directory.is_dir():
        raise ValueError(f"There is no directory {directory}. Give the directory of a sweep, outputs/<sweep>.")
    if is_run(directory):
        raise ValueError(f"{directory} is a single run. Give the sweep that it belongs to: {directory.parent}.")
    found = [
        _read_run(child, now)
        for child in sorted(directory.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    ]
    if all(isinstance(run, Absent) and run.state == "not a run" for run in found):
        sweeps = [
            child for child in sorted(directory.iterdir()) if child.is_dir() and any(map(is_run, child.iterdir()))
        ]
        hint = f" It holds sweeps; give one of them: {', '.join(map(str, sweeps))}." if sweeps else ""
        raise ValueError(f"There is no run in {directory}.{hint or ' Start one with experiments/run.py.'}")
    runs, duplicates = _without_duplicates([run for run in found if isinstance(run, Run)])
    absent = sorted([*(run for run in found if isinstance(run, Absent)), *duplicates], key=lambda run: run.name)
    return Sweep(directory, tuple(_with_set_labels(runs)), tuple(absent))


_RENAMED = {"reference/": "nonlocal_means/"}
"""Prefixes that earlier versions wrote, and what they are called now."""


def read_history(run: Run) -> list[dict[str, float]]:
    """The epochs of a finished run, first to last."""
    return read_epochs(run.directory / METRICS)


def _read_run(directory: Path, now: float | None) -> Run | Absent:
    found = run_status(directory, now=now)
    log = directory / LOG
    place = (printable(directory.name), directory)
    logged = log if log.is_file() else None
    if found.state == "finished":
        try:
            return _finished(directory, found)
        except UnreadableError as error:
            return Absent(*place, "damaged", str(error), logged)
    reason = found.reason
    if found.state in ("running", "lost", "interrupted"):
        reason = f"epoch {found.epoch} of {found.epochs}, {reason}"
    return Absent(*place, found.state, reason, logged)


def _finished(directory: Path, found: RunStatus) -> Run:
    assert found.result is not None
    try:
        images = read_images(directory / PER_IMAGE)
    except UnreadableError:
        images = {}
    images = {image: _renamed(row) for image, row in images.items()}
    written = flatten(read_yaml(directory / CONFIG))
    own = found.result.get("config")
    settings = flatten(own) if isinstance(own, Mapping) else written
    edited = sorted(key for key in {*settings, *written} if settings.get(key) != written.get(key))
    number = found.result.get("images", len(images) or None)
    settings[EVALUATED_ON] = str(found.result.get("evaluated_on", "?"))
    settings[NUM_IMAGES] = number if isinstance(number, int) else "?"
    return Run(
        name=printable(directory.name),
        directory=directory,
        settings=settings,
        metrics=_renamed(numbers(found.result["metrics"])),
        images=images,
        recorded=recorded(found.result, settings, list(images)),
        identity=str(found.result.get("identity") or ""),
        finished=found.updated,
        edited=tuple(edited),
    )


def _without_duplicates(runs: list[Run]) -> tuple[list[Run], list[Absent]]:
    """One run per identity, the latest: a copied directory must not count as a second seed."""
    kept: dict[str, Run] = {}
    duplicates = []
    for run in sorted(runs, key=lambda run: run.finished, reverse=True):
        first = kept.setdefault(run.identity or run.name, run)
        if first is not run:
            reason = f"the same configuration as {first.name}, which finished later"
            duplicates.append(Absent(run.name, run.directory, "duplicate", reason))
    return sorted(kept.values(), key=lambda run: run.name), duplicates


def _with_set_labels(runs: Sequence[Run]) -> list[Run]:
    labels = set_labels([run.settings for run in runs], [run.recorded for run in runs])
    return [replace(run, settings={**run.settings, **label}) for run, label in zip(runs, labels, strict=True)]


def _renamed(metrics: Mapping[str, float]) -> dict[str, float]:
    found = {}
    for name, value in metrics.items():
        for old, new in _RENAMED.items():
            name = new + name.removeprefix(old) if name.startswith(old) else name
        found[name] = value
    return found
