"""Every run of a sweep on a line, read from the disk alone: it works while jobs of any launcher run."""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from difftv.lab.rundir.layout import LOG, METRICS, is_run
from difftv.lab.rundir.reading import read_epochs
from difftv.lab.rundir.status import NOT_STARTED, OPEN, RunState, duration, run_status
from difftv.printing import printable

COLOURS: Mapping[str, str] = {
    "running": "36", "failed": "31", "lost": "31", "damaged": "31", "other format": "31", "finished": "32"
}  # fmt: skip
"""ANSI codes; the word stands beside the colour, so that it is not needed."""

BAR = 10
"""Characters of a progress bar."""


@dataclass(frozen=True)
class StatusLine:
    """One run.

    Attributes:
        name: its directory's name.
        state, epoch, epochs, psnr: as in `difftv.lab.rundir.status.RunStatus`.
        seconds_left: seconds of the training of a running run, from its epochs so far; NaN where unknown.
        detail: owner and heartbeat, the first line of an error, or what to do; may be empty.
    """

    name: str
    state: RunState
    epoch: int = 0
    epochs: int = 0
    psnr: float = math.nan
    seconds_left: float = math.nan
    detail: str = ""


def read_statuses(directory: Path, *, now: float | None = None) -> list[StatusLine]:
    """Every run of a sweep, by name; a single run is a sweep of one. Other files and directories are passed over.

    Args:
        directory: outputs/<sweep>, or a run in it.
        now: seconds since the epoch that heartbeats are compared with; the file system's time by default.

    Raises:
        ValueError: there is no such directory, or no run in it.
    """
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


def to_text(name: str, runs: Sequence[StatusLine], *, width: int | None = None, colour: bool = False) -> str:
    """A line for every run, and the totals.

    Args:
        name: name of the sweep.
        runs: as `read_statuses` gave them.
        width: columns of the terminal, to which lines are cut; None for whole lines.
        colour: mark the states with ANSI colours.
    """
    longest = max(len(_one_line(run.name)) for run in runs)
    lines = []
    for run in runs:
        state = f"{run.state:<13}"
        facts = f"{_bar(run)}  {_psnr(run):>8}  {_left(run):>8}  {_one_line(run.name):<{longest}}"
        # What went wrong gets a line of its own, so that a long name never pushes it out of sight.
        beside = f"  {_one_line(run.detail)}" if run.detail and run.state in OPEN else ""
        line = _cut(state + (facts + beside).rstrip(), width)
        if colour and run.state in COLOURS:
            line = f"\x1b[{COLOURS[run.state]}m{line[: len(state)]}\x1b[0m{line[len(state) :]}"
        lines.append(line)
        if run.detail and run.state not in OPEN:
            lines.append(_cut(f"{'':<13}{_one_line(run.detail)}", width))
    return "\n".join([*lines, "", f"{_one_line(name)}: {totals(runs)}"])


def totals(runs: Sequence[StatusLine]) -> str:
    """`6 runs: 2 running, 4 finished; about 5 min of training left in those running`."""
    counts = Counter(run.state for run in runs)
    found = ", ".join(f"{counts[state]} {state}" for state in get_args(RunState) if counts[state])
    left = [run.seconds_left for run in runs if run.state == "running" and not math.isnan(run.seconds_left)]
    tail = f"; about {duration(max(left))} of training left in those running" if left else ""
    return f"{len(runs)} run{'s'[: len(runs) != 1]}: {found}{tail}"


def _read(directory: Path, now: float | None) -> StatusLine:
    found = run_status(directory, now=now)
    epoch, psnr, left, detail = found.epoch, found.psnr, math.nan, found.reason
    if found.state != "finished":
        history = read_epochs(directory / METRICS)
        if math.isnan(psnr) and history:
            psnr = history[-1].get("validation/psnr", math.nan)
        if found.state == "running":
            left = _seconds_left(directory, history, found.epochs - epoch, time.time() if now is None else now)
            detail = f"evaluating, {detail}" if 0 < found.epochs == epoch else detail
    if found.state == "failed":
        detail = f"{detail} (see {directory / LOG})"
    return StatusLine(
        directory.name, found.state, epoch, found.epochs, psnr, left, "" if detail == NOT_STARTED else detail
    )


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


def _directories(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else line[: max(width - 3, 0)] + "..."


def _bar(run: StatusLine) -> str:
    share = min(run.epoch / run.epochs, 1.0) if run.epochs else float(run.state == "finished")
    done = int(BAR * share)
    count = f"{run.epoch}/{run.epochs}" if run.epochs else ""
    return f"{'#' * done}{'-' * (BAR - done)} {count:>9}"


def _psnr(run: StatusLine) -> str:
    return "" if math.isnan(run.psnr) else f"{run.psnr:.2f} dB"


def _left(run: StatusLine) -> str:
    return "" if math.isnan(run.seconds_left) else duration(run.seconds_left)


def _one_line(text: str) -> str:
    """Names and errors are untrusted: nothing in them moves the cursor or ends the line."""
    return "".join(character if character.isprintable() else "?" for character in printable(text))
