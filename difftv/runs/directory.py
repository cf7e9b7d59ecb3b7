"""A run on disk: one directory, every file replaced in one step.

config.yaml  status.json  metrics.jsonl  result.json  per_image.csv  baseline.json  checkpoint.pt  figures/  run.log
"""

import contextlib
import csv
import io
import json
import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from difftv.errors import RunInUseError
from difftv.files import write_atomically

RESULT_FORMAT = 1
"""Raised whenever an older reader would misunderstand a newer result.json."""

State = Literal["running", "finished", "failed", "interrupted"]


class RunDirectory:
    """Names and writers of a run's files.

    Args:
        path: the run's directory; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.status = path / "status.json"
        self.metrics = path / "metrics.jsonl"
        self.result = path / "result.json"
        self.per_image = path / "per_image.csv"
        self.baseline = path / "baseline.json"
        self.checkpoint = path / "checkpoint.pt"
        self.figures = path / "figures"
        self.log = path / "run.log"
        self._started = datetime.now(UTC)
        self._reached: tuple[int, float | None] = (0, None)

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the directory, so that two processes never work on one run.

        Raises:
            RunInUseError: another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise RunInUseError(
                f"Another process is working on {self.path} (status.json names its host and pid). Wait for it."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def finished_identity(self) -> str | None:
        """The identity in a complete result.json, None where there is none."""
        try:
            result = json.loads(self.result.read_text())
        except (OSError, ValueError):
            return None
        return result.get("identity") if isinstance(result, dict) and "metrics" in result else None

    def read_metrics(self) -> dict[str, float]:
        """The flat metrics of a finished run."""
        metrics = json.loads(self.result.read_text())["metrics"]
        return {name: math.nan if value is None else float(value) for name, value in metrics.items()}

    def record_interruption(self, *, epochs: int) -> None:
        """Say that the user stopped the run; never raises."""
        with contextlib.suppress(OSError):
            self.write_status("interrupted", epochs=epochs, error="interrupted by the user")

    def record_failure(self, error: Exception, trace: str, *, epochs: int) -> None:
        """Keep an error where it can be found later: its first line in status.json, its traceback in run.log.

        Never raises: the error itself matters more than its record.
        """
        message = str(error) or type(error).__name__
        with contextlib.suppress(OSError):
            self.write_status("failed", epochs=epochs, error=f"{type(error).__name__}: {message.splitlines()[0]}")
        with contextlib.suppress(OSError), self.log.open("a") as file:
            file.write(trace)

    def write_status(
        self,
        state: State,
        *,
        epochs: int,
        epoch: int | None = None,
        psnr: float | None = None,
        error: str | None = None,
    ) -> None:
        """Say where the run stands; whoever watches the sweep reads this. Without an epoch, the last one said stays."""
        if epoch is None:
            epoch, psnr = self._reached
        self._reached = epoch, psnr
        content = {
            "state": state,
            "host": platform.node(),
            "pid": os.getpid(),
            "started": self._started.isoformat(timespec="seconds"),
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
            "epoch": epoch,
            "epochs": epochs,
            "psnr": None if psnr is None or not math.isfinite(psnr) else psnr,
            "error": error,
        }
        write_atomically(self.status, json.dumps(content, indent=2) + "\n")

    def write_metrics(self, history: Iterable[Mapping[str, float]]) -> None:
        """One JSON object per epoch, the whole history at once: a resumed run leaves no row twice."""
        write_atomically(self.metrics, "".join(json.dumps(_plain(row)) + "\n" for row in history))

    def write_baseline(self, content: Mapping[str, Any]) -> None:
        """The curves of the grid search."""
        write_atomically(self.baseline, json.dumps(_plain(content), indent=2) + "\n")

    def write_per_image(self, names: Sequence[str], rows: Sequence[Mapping[str, float]]) -> None:
        """One line per image; an empty cell is a metric that is not defined there."""
        columns = list(dict.fromkeys(column for row in rows for column in row))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["image", *columns])
        for name, row in zip(names, rows, strict=True):
            writer.writerow([name, *(_cell(row.get(column, math.nan)) for column in columns)])
        write_atomically(self.per_image, text.getvalue())

    def write_result(self, content: Mapping[str, Any]) -> None:
        """The final numbers; a run is finished when, and only when, this file is there."""
        write_atomically(self.result, json.dumps(_plain({"format": RESULT_FORMAT, **content}), indent=2) + "\n")


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: null and the strings "Infinity", "-Infinity"."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
