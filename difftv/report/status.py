"""Where every run of a sweep stands, read from the disk alone: it works while jobs of any launcher run."""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from difftv.report.run_files import UnreadableError, numbers, read_epochs, read_json
from difftv.rundir.layout import LOG, METRICS, RESULT, SILENT_SECONDS, STATUS, is_run
from difftv.rundir.owner import owner_of

Standing = Literal["running", "queued", "failed", "lost", "interrupted", "damaged", "finished"]
"""As in status.json, and: `lost` = says running, but its process is gone or silent; `damaged` = cannot be read."""

OPEN = ("running", "queued")
"""Standings that still change by themselves."""

COLOURS: Mapping[str, str] = {"running": "36", "failed": "31", "lost": "31", "damaged": "31", "finished": "32"}
"""ANSI codes; the word stands beside the colour, so that nobody needs to see it."""

BAR = 10
"""Characters of a progress bar."""


@dataclass(frozen=True)
class RunStatus:
    """One run.

    Attributes:
        name: its directory's name.
        state: see `Standing`.
        epoch, epochs: finished and wanted; 0 where unknown.
        psnr: on the validation images after the last epoch; of a finished run, its result. NaN where unknown.
        seconds_left: of the training of a running run, from its epochs so far; NaN where unknown.
        detail: owner and heartbeat, the first line of an error, or what to do; may be empty.
    """

    name: str
    state: Standing
    epoch: int = 0
    epochs: int = 0
    psnr: float = math.nan
    seconds_left: float = math.nan
    detail: str = ""


def read_statuses(directory: Path, *, now: float | None = None) -> list[RunStatus]:
    """Every run of a sweep, by name; a single run is a sweep of one. Other files and directories are passed over.

    Args:
        directory: outputs/<sweep>, or a run in it.
        now: seconds since the epoch that heartbeats are compared with; the clock's by default.

    Raises:
        ValueError: there is no such directory, or no run in it.
    """
    now = time.time() if now is None else now
    if is_run(directory):
        return [_read(directory, now)]
    try:
        children = sorted(child for child in directory.iterdir() if not child.name.startswith("."))
    except OSError as error:
        reason = "There is no directory" if isinstance(error, FileNotFoundError) else f"{error.strerror}:"
        raise ValueError(f"{reason} {directory}. Give the directory of a sweep, outputs/<sweep>.") from None
    runs = [_read(child, now) for child in children if is_run(child)]
    if not runs:
        sweeps = [str(child) for child in children if child.is_dir() and any(map(is_run, _directories(child)))]
        hint = f"It holds sweeps; give one of them: {', '.join(sweeps)}." if sweeps else "Nothing has started yet."
        raise ValueError(f"There is no run in {directory}. {hint}")
    return runs


def to_text(name: str, runs: Sequence[RunStatus], *, width: int | None = None, colour: bool = False) -> str:
    """A line for every run, and the totals.

    Args:
        name: of the sweep.
        runs: as `read_statuses` gave them.
        width: columns of the terminal, to which lines are cut; None for whole lines.
        colour: mark the states with ANSI colours.
    """
    longest = max(len(_printable(run.name)) for run in runs)
    lines = []
    for run in runs:
        state = f"{run.state:<11}"
        facts = f" {_bar(run)}  {_psnr(run):>8}  {_left(run):>8}  {_printable(run.name):<{longest}}"
        # What went wrong gets a line of its own, so that a long name never pushes it out of sight.
        beside = f"  {_printable(run.detail)}" if run.detail and run.state in OPEN else ""
        line = _cut(state + (facts + beside).rstrip(), width)
        if colour and run.state in COLOURS:
            line = f"\x1b[{COLOURS[run.state]}m{line[: len(state)]}\x1b[0m{line[len(state) :]}"
        lines.append(line)
        if run.detail and run.state not in OPEN:
            lines.append(_cut(f"{'':<11} {_printable(run.detail)}", width))
    return "\n".join([*lines, "", f"{_printable(name)}: {totals(runs)}"])


def totals(runs: Sequence[RunStatus]) -> str:
    """`6 runs: 2 running, 4 finished; about 5 min of training left in those running`."""
    counts = Counter(run.state for run in runs)
    found = ", ".join(f"{counts[state]} {state}" for state in get_args(Standing) if counts[state])
    left = [run.seconds_left for run in runs if run.state == "running" and not math.isnan(run.seconds_left)]
    tail = f"; about {duration(max(left))} of training left in those running" if left else ""
    return f"{len(runs)} run{'s'[: len(runs) != 1]}: {found}{tail}"


def duration(seconds: float) -> str:
    """Two digits at least where they matter: 45 s, 12 min, 3.5 h, 2.1 d."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36 * 3600 else f"{seconds / 86400:.1f} d"


def _read(directory: Path, now: float) -> RunStatus:
    if (directory / RESULT).exists():  # written last: whatever status.json says, the run got to its end
        return _finished(directory)
    try:
        status = read_json(directory / STATUS)
        silent = max(0.0, now - (directory / STATUS).stat().st_mtime)
    except FileNotFoundError:
        return RunStatus(directory.name, "damaged", detail=f"{STATUS} has just vanished")
    except (UnreadableError, OSError) as problem:
        return RunStatus(directory.name, "damaged", detail=str(problem))
    epoch, epochs = _count(status.get("epoch")), _count(status.get("epochs"))
    error = str(status.get("error") or "").strip().partition("\n")[0]
    history = read_epochs(directory / METRICS)
    psnr = numbers({"psnr": status.get("psnr")}).get("psnr", math.nan)
    if math.isnan(psnr) and history:
        psnr = history[-1].get("validation/psnr", math.nan)
    left = math.nan
    standing, detail = _standing(status, silent, error, directory)
    if standing == "running":
        left = _seconds_left(directory, history, epochs - epoch, now)
        detail = f"evaluating, {detail}" if 0 < epochs == epoch else detail
    return RunStatus(directory.name, standing, epoch, epochs, psnr, left, detail)


def _standing(status: Mapping[str, Any], silent: float, error: str, directory: Path) -> tuple[Standing, str]:
    match status.get("state"):
        case "running":
            return _running(status, silent)
        case "queued":
            return "queued", ""
        case "failed":
            return "failed", f"{error or 'no reason recorded'} (see {directory / LOG})"
        case "interrupted":
            return "interrupted", f"{error or 'stopped'}: the same command again continues it"
        case "finished":
            return "damaged", f"{STATUS} says finished, but {RESULT} is missing"
        case other:
            return "damaged", f"{STATUS} has the unknown state {other!r}"


def _finished(directory: Path) -> RunStatus:
    try:
        psnr = numbers(read_json(directory / RESULT).get("metrics")).get("psnr", math.nan)
    except (UnreadableError, ValueError) as error:
        return RunStatus(directory.name, "damaged", detail=f"{RESULT}: {error}")
    try:
        epochs = _count(read_json(directory / STATUS).get("epochs"))
    except UnreadableError:
        epochs = 0
    return RunStatus(directory.name, "finished", epochs, epochs, psnr)


def _running(status: Mapping[str, Any], silent: float) -> tuple[Standing, str]:
    """Whether a run that says so does run, and where."""
    owner = owner_of(status)
    if owner is None:
        return "damaged", f"{STATUS} says running, but not who runs it"
    if owner.is_here and not owner.lives():
        return "lost", f"was {owner}, which is no more: the same command again continues it"
    if silent > SILENT_SECONDS:
        return "lost", f"was {owner}, silent for {duration(silent)}: the same command again continues it"
    return "running", f"{owner}, heartbeat {duration(silent)} ago"


def _seconds_left(directory: Path, history: Sequence[Mapping[str, float]], epochs: int, now: float) -> float:
    """The mean time of an epoch so far times the epochs to go, less what has passed since the last one ended."""
    times = [row.get("train/wall_seconds", math.nan) + row.get("validation/wall_seconds", 0.0) for row in history]
    times = [seconds for seconds in times if 0 < seconds < math.inf]
    if not times or epochs < 1:
        return math.nan
    try:
        since = min(max(0.0, now - (directory / METRICS).stat().st_mtime), times[-1])
    except OSError:
        since = 0.0
    return max(0.0, math.fsum(times) / len(times) * epochs - since)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _directories(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else line[: max(width - 3, 0)] + "..."


def _bar(run: RunStatus) -> str:
    share = min(run.epoch / run.epochs, 1.0) if run.epochs else float(run.state == "finished")
    done = int(BAR * share)
    count = f"{run.epoch}/{run.epochs}" if run.epochs else ""
    return f"{'#' * done}{'-' * (BAR - done)} {count:>9}"


def _psnr(run: RunStatus) -> str:
    return "" if math.isnan(run.psnr) else f"{run.psnr:.2f} dB"


def _left(run: RunStatus) -> str:
    return "" if math.isnan(run.seconds_left) else duration(run.seconds_left)


def _printable(text: str) -> str:
    """Names and errors may be a stranger's: nothing in them moves the cursor or ends the line."""
    return "".join(character if character.isprintable() else "?" for character in text)
