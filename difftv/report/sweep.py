"""What the runs of a sweep left on disk, read without trusting any of it.

    outputs/<sweep>/<run>/config.yaml  status.json  result.json  per_image.csv  metrics.jsonl  run.log  figures/*.png

A directory becomes a `Run` when it is finished and complete; every other one becomes an `Absent` with the reason, so
that nothing disappears from a table without a word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from difftv.report.run_files import UnreadableError, numbers, read_epochs, read_images, read_json, read_yaml
from difftv.report.settings import EVALUATED_ON, NUM_IMAGES, Value, flatten
from difftv.rundir.layout import CONFIG, LOG, METRICS, PER_IMAGE, RESULT, RESULT_FORMAT, SILENT_SECONDS, STATUS, is_run

STALE = timedelta(seconds=SILENT_SECONDS)


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        name: its directory's name.
        directory: where it lies.
        settings: the configuration, flat: `solver.eps` -> value, `choices.solver` -> the option chosen in the group,
            and what the numbers were measured on under `EVALUATED_ON` and `NUM_IMAGES`.
        metrics: name -> mean over the images; NaN where the run wrote null.
        images: image -> metric name -> value; empty when per_image.csv is missing or unreadable.
        identity: hash of everything that changes the result.
        finished: when status.json was last written, as the run wrote it.
    """

    name: str
    directory: Path
    settings: Mapping[str, Value]
    metrics: Mapping[str, float]
    images: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    identity: str = ""
    finished: str = ""


@dataclass(frozen=True)
class Absent:
    """A directory of the sweep that is not in the tables, and why.

    Attributes:
        name: its directory's name.
        directory: where it lies.
        state: failed, running, queued, interrupted, half-written, foreign, other format or duplicate.
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


def read_sweep(directory: Path, *, now: datetime | None = None) -> Sweep:
    """Read every run of a sweep.

    Args:
        directory: outputs/<sweep>.
        now: the time that heartbeats are compared with; the clock's by default.

    Raises:
        ValueError: the directory is missing, is a single run, or holds no run at all.
    """
    if not directory.is_dir():
        raise ValueError(f"There is no directory {directory}. Give the directory of a sweep, outputs/<sweep>.")
    if is_run(directory):
        raise ValueError(f"{directory} is a single run. Give the sweep that it belongs to: {directory.parent}.")
    found = [
        _read_run(child, now or datetime.now(UTC))
        for child in sorted(directory.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    ]
    if all(isinstance(run, Absent) and run.state == "foreign" for run in found):
        sweeps = [
            child for child in sorted(directory.iterdir()) if child.is_dir() and any(map(is_run, child.iterdir()))
        ]
        hint = f" It holds sweeps; give one of them: {', '.join(map(str, sweeps))}." if sweeps else ""
        raise ValueError(f"There is no run in {directory}.{hint or ' Start one with experiments/run.py.'}")
    runs, duplicates = _without_duplicates([run for run in found if isinstance(run, Run)])
    absent = sorted([*(run for run in found if isinstance(run, Absent)), *duplicates], key=lambda run: run.name)
    return Sweep(directory, tuple(runs), tuple(absent))


def read_history(run: Run) -> list[dict[str, float]]:
    """The epochs of a finished run, first to last."""
    return read_epochs(run.directory / METRICS)


def _read_run(directory: Path, now: datetime) -> Run | Absent:
    log = directory / LOG
    place = (directory.name, directory)
    logged = log if log.is_file() else None
    if not is_run(directory):
        return Absent(*place, "foreign", "not a run: no config.yaml, status.json or result.json", logged)
    try:
        if (directory / RESULT).exists():  # written last: whatever status.json says, the run got to its end
            result = read_json(directory / RESULT)
            if result.get("format") != RESULT_FORMAT:
                reason = f"result.json has format {result.get('format')!r}, this version reads {RESULT_FORMAT}"
                return Absent(*place, "other format", f"{reason}: delete the directory and run it again", logged)
            return _finished(directory, result)
        status = read_json(directory / STATUS)
        return Absent(*place, *_unfinished(status, now), logged)
    except UnreadableError as error:
        return Absent(*place, "half-written", str(error), logged)


def _unfinished(status: Mapping[str, Any], now: datetime) -> tuple[str, str]:
    state = status.get("state")
    error = str(status.get("error") or "").strip().partition("\n")[0]
    progress = f"epoch {status.get('epoch', '?')} of {status.get('epochs', '?')}"
    if state == "failed":
        return "failed", error or "no reason recorded, see its log"
    if state == "interrupted":
        return "interrupted", f"{error or 'stopped'} at {progress}: the same command again continues it"
    if state == "queued":
        return "queued", "not started yet"
    if state == "running":
        silent = _silence(status.get("updated"), now)
        host = f" on {status['host']}" if status.get("host") else ""
        if silent is not None and silent > STALE:
            minutes = int(silent.total_seconds() // 60)
            ago = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
            return (
                "running",
                f"{progress}{host}, but silent for {ago}: if it was cut off, the same command continues it",
            )
        return "running", progress + host
    if state == "finished":
        return "half-written", "status.json says finished, but result.json is missing"
    return "half-written", f"status.json has the unknown state {state!r}"


def _silence(updated: Any, now: datetime) -> timedelta | None:
    try:
        heartbeat = datetime.fromisoformat(str(updated))
    except ValueError:
        return None
    return now - (heartbeat if heartbeat.tzinfo else heartbeat.replace(tzinfo=UTC))


def _finished(directory: Path, result: Mapping[str, Any]) -> Run:
    metrics = result.get("metrics")
    if not isinstance(metrics, Mapping) or not metrics:
        raise UnreadableError("result.json holds no metrics")
    try:
        images = read_images(directory / PER_IMAGE)
    except UnreadableError:
        images = {}
    try:
        finished = str(read_json(directory / STATUS).get("updated") or "")
    except UnreadableError:
        finished = ""
    settings = flatten(read_yaml(directory / CONFIG))
    number = result.get("images", len(images) or None)
    settings[EVALUATED_ON] = str(result.get("evaluated_on", "?"))
    settings[NUM_IMAGES] = number if isinstance(number, int) else "?"
    return Run(
        name=directory.name,
        directory=directory,
        settings=settings,
        metrics=numbers(metrics),
        images=images,
        identity=str(result.get("identity") or ""),
        finished=finished,
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
