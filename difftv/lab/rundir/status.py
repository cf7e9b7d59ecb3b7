"""Where a run stands, read from its directory alone: the one answer that claims, sweeps, tables and pages are based on.

A run is finished when, and only when, result.json is there: that file is written last. A process on this machine is
looked up; one on another machine by its heartbeat, the time of change of status.json, against a file touched
just now. Both times are the file system's, so it does not matter what any machine's clock says.
"""

import contextlib
import math
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from difftv.lab.rundir.layout import CONFIG, RESULT, RESULT_FORMAT, SILENT_SECONDS, STATUS, is_run
from difftv.lab.rundir.owner import Owner, owner_of
from difftv.lab.rundir.reading import ShapeError, UnreadableError, numbers, read_json

RunState = Literal[
    "running", "queued", "failed", "lost", "interrupted", "pruned", "damaged", "other format", "not a run", "finished"
]
"""As in status.json, and: `lost` = says running, but its process has ended or is silent; `damaged` = a file is missing
or cut off; `other format` = its result is of another version or another program."""

NOT_STARTED = "not started yet"

OPEN = ("running", "queued")
"""States in which a run can go on by itself."""


@dataclass(frozen=True)
class RunStatus:
    """Where one run stands.

    Attributes:
        directory: directory of the run.
        state: see `RunState`.
        reason: one line: who works on it, the first line of an error, what is damaged; empty for finished.
        owner: the process that status.json names; None where it names none.
        silent: seconds since the last heartbeat of a run that says running; negative where the clock was set back,
            NaN for the others.
        epoch, epochs: finished and wanted; 0 where unknown.
        psnr: on the validation images after the last epoch; of a finished run, its result. NaN where unknown.
        updated: when status.json was last written, as the run wrote it; may be empty.
        result: the content of result.json of a finished run.
    """

    directory: Path
    state: RunState
    reason: str = ""
    owner: Owner | None = None
    silent: float = math.nan
    epoch: int = 0
    epochs: int = 0
    psnr: float = math.nan
    updated: str = ""
    result: Mapping[str, Any] | None = None

    @property
    def worker(self) -> Owner | None:
        """The process that works on the run; None where none does."""
        return self.owner if self.state == "running" else None


def run_status(directory: Path, *, now: float | None = None) -> RunStatus:
    """Where the run in a directory stands; whatever is in it, this does not raise.

    Args:
        directory: directory of the run.
        now: seconds since the epoch that heartbeats are compared with; by default the file system's time.
    """
    if not is_run(directory):
        return RunStatus(directory, "not a run", "no config.yaml, status.json or result.json")
    if os.path.exists(directory / RESULT):
        return _with_result(directory)
    try:
        status = read_json(directory / STATUS)
        beat = (directory / STATUS).stat().st_mtime
    except FileNotFoundError:
        return RunStatus(directory, "damaged", f"{STATUS} has just been removed")
    except (UnreadableError, OSError) as error:
        return RunStatus(directory, "damaged", str(error))
    owner, silent = owner_of(status), math.nan
    if status.get("state") == "running":
        silent = (file_system_time(directory) if now is None else now) - beat
    state, reason = _unfinished(status, owner, silent)
    return RunStatus(
        directory,
        state,
        reason,
        owner,
        silent,
        epoch=_count(status.get("epoch")),
        epochs=_count(status.get("epochs")),
        psnr=numbers({"psnr": status.get("psnr")}).get("psnr", math.nan),
        updated=str(status.get("updated") or ""),
    )


def read_status(directory: Path) -> Mapping[str, Any]:
    """The content of status.json; empty where it is missing or unreadable."""
    try:
        return read_json(directory / STATUS)
    except UnreadableError:
        return {}


def file_system_time(directory: Path) -> float:
    """What the clock of the file system says, in seconds since the epoch.

    It is read from a file that is touched in the directory and removed. Where this user may not write there, the
    machine's own clock is taken.
    """
    probe = directory / f".now.{os.getpid()}-{secrets.token_hex(4)}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def duration(seconds: float) -> str:
    """Two digits at least where they matter: 45 s, 12 min, 3.5 h, 2.1 d."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36 * 3600 else f"{seconds / 86400:.1f} d"


def _with_result(directory: Path) -> RunStatus:
    status = read_status(directory)
    epochs, updated = _count(status.get("epochs")), str(status.get("updated") or "")
    try:
        result = read_json(directory / RESULT)
    except ShapeError as error:
        return RunStatus(directory, "other format", f"{error}: another program's, or another version's")
    except UnreadableError as error:
        return RunStatus(directory, "damaged", str(error))
    metrics = result.get("metrics")
    if result.get("format") != RESULT_FORMAT:
        reason = f"{RESULT} has format {result.get('format')!r}, this version reads {RESULT_FORMAT}"
        return RunStatus(directory, "other format", f"{reason}: delete the directory and run it again")
    if not isinstance(metrics, Mapping) or not metrics:
        return RunStatus(directory, "other format", f"{RESULT} holds no metrics: delete the directory and run it again")
    psnr = numbers(metrics).get("psnr", math.nan)
    return RunStatus(
        directory, "finished", "", owner_of(status), math.nan, epochs, epochs, psnr, updated, result
    )  # fmt: skip


def _unfinished(status: Mapping[str, Any], owner: Owner | None, silent: float) -> tuple[RunState, str]:
    error = str(status.get("error") or "").strip().partition("\n")[0]
    match status.get("state"):
        case "running":
            return _running(owner, silent)
        case "queued":
            return "queued", error or NOT_STARTED
        case "failed":
            return "failed", error or "no reason recorded"
        case "interrupted":
            return "interrupted", f"{error or 'stopped'}: the same command again continues it"
        case "pruned":
            return "pruned", f"pruned after epoch {_count(status.get('epoch'))} of {_count(status.get('epochs'))}"
        case "finished":
            return "damaged", f"{STATUS} says finished, but {RESULT} is missing"
        case None if "state" not in status:
            return "damaged", f"{STATUS} holds no state; {CONFIG} and {STATUS} may be another program's"
        case other:
            return "damaged", f"{STATUS} has the unknown state {other!r}"


def _running(owner: Owner | None, silent: float) -> tuple[RunState, str]:
    """Whether a run that says so does run. A process of this machine that exists works, however long it is silent."""
    if owner is None:
        return "damaged", f"{STATUS} says running, but not who runs it"
    if owner.is_here and not owner.exists():
        return "lost", f"{owner} has ended without a result: the same command again continues it"
    if not owner.is_here and silent >= SILENT_SECONDS:
        return "lost", f"{owner} has been silent for {duration(silent)}: the same command again continues it"
    return "running", f"{owner}, heartbeat {duration(max(silent, 0.0))} ago"


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
