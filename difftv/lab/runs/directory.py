"""A run on disk: one directory, every file replaced in one step, one process at work in it."""

import contextlib
import csv
import io
import json
import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from difftv.errors import ConfigError, RunDirectoryError
from difftv.files import is_absent, write_atomically
from difftv.lab.rundir.layout import (
    BASELINE,
    BEFORE,
    CHECKPOINT,
    CONFIG,
    FIGURES,
    LOG,
    METRICS,
    PER_IMAGE,
    PREVIOUS_CHECKPOINT,
    RESULT,
    RESULT_FORMAT,
    STATUS,
    State,
)
from difftv.lab.rundir.owner import Owner, owner_of, this_process
from difftv.lab.rundir.status import read_status, run_status
from difftv.lab.rundir.writing import json_value
from difftv.lab.runs.claim import heartbeat, locked


class RunDirectory:
    """Names and writers of a run's files.

    Args:
        path: the run's directory; it need not exist yet.
        identity: identity of the run that is to be stored there.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.identity = identity
        self.config = path / CONFIG
        self.status = path / STATUS
        self.metrics = path / METRICS
        self.result = path / RESULT
        self.per_image = path / PER_IMAGE
        self.baseline = path / BASELINE
        self.checkpoint = path / CHECKPOINT
        self.figures = path / FIGURES
        self.log = path / LOG
        self._started = datetime.now(UTC)
        self._reached: tuple[int, float | None] = (0, None)
        self._said: dict[str, Any] | None = None
        self._node: int | None = None
        self._lost: RunDirectoryError | None = None
        self._writing = threading.RLock()

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the directory, so that two processes never work on one run, with a heartbeat in status.json.

        Raises:
            RunInUseError: another process holds it; the message names it.
            ConfigError: it holds something else than a run of this version.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._refuse_other_contents()
        with locked(self.path):
            self._node = self.path.stat().st_ino
            try:
                with heartbeat(self._beat):
                    yield
            finally:
                self._said = None

    def finished(self) -> bool:
        """Whether this run has got to its end.

        Raises:
            ConfigError: the directory holds another finished run, or a result that this version cannot read.
        """
        found = run_status(self.path)
        if found.state == "other format":
            raise ConfigError(
                f"{self.result} was written by another version or another program ({found.reason}). Choose another "
                "hydra.run.dir (or hydra.sweep.dir), or move the file away."
            )
        if found.result is None:
            return False
        if found.result.get("identity") != self.identity:
            scheme = found.result.get("identity_scheme", 1)
            raise ConfigError(
                f"{self.path} holds the finished run {found.result.get('identity')} (identity scheme {scheme}), this "
                f"one is {self.identity}. Choose another hydra.run.dir, or in a sweep hydra.sweep.subdir."
            )
        return True

    def failure(self) -> str | None:
        """The error that ended this run the last time, None where it did not end with one."""
        status = read_status(self.path)
        if status.get("state") != "failed" or status.get("identity", self.identity) != self.identity:
            return None
        return str(status.get("error") or "no reason recorded")

    def pruned(self) -> bool:
        """Whether a search has ended this run early, and nothing has continued it since."""
        status = read_status(self.path)
        return status.get("state") == "pruned" and status.get("identity") == self.identity and not self.finished()

    def read_metrics(self) -> dict[str, float]:
        """The flat metrics of a finished run."""
        metrics = json.loads(self.result.read_bytes())["metrics"]
        return {name: math.nan if value is None else float(value) for name, value in metrics.items()}

    def set_aside(self) -> None:
        """Move everything that was found before into `before/`, the result first: then the run is not finished.

        What was set aside earlier is replaced.
        """
        aside = self.path / BEFORE
        names = (RESULT, CHECKPOINT, PREVIOUS_CHECKPOINT, METRICS, PER_IMAGE, BASELINE, CONFIG)
        self._check_held()
        try:
            aside.mkdir(exist_ok=True)
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    (self.path / name).replace(aside / name)
        except OSError as error:
            raise self._unwritable(aside, error) from error

    def mark_queued(self) -> None:
        """Say that the run waits for its turn, unless something is known about it already; never raises."""
        with contextlib.suppress(OSError, RunDirectoryError):
            if not self.path.exists() or not any(self.path.iterdir()):
                self.path.mkdir(parents=True, exist_ok=True)
                self.write_status("queued", epochs=0)

    def record_interruption(self, reason: str, *, epochs: int, queue: str = "") -> None:
        """Say that the run was stopped from outside, or waits in a queue again; never raises."""
        with contextlib.suppress(OSError, RunDirectoryError):
            if queue:
                self.write_status("queued", epochs=epochs, error=f"waits again in {queue}")
            else:
                self.write_status("interrupted", epochs=epochs, error=reason)

    def record_failure(self, error: Exception, trace: str, *, epochs: int) -> None:
        """Keep an error where it can be found later: its first line in status.json, its traceback in run.log.

        Never raises: the error itself matters more than its record.
        """
        message = str(error) or type(error).__name__
        with contextlib.suppress(OSError, RunDirectoryError):
            self.write_status("failed", epochs=epochs, error=f"{type(error).__name__}: {message.splitlines()[0]}")
        # The launcher may have set up no log file, or one of another run.
        with contextlib.suppress(OSError), self.log.open("a", encoding="utf-8", errors="backslashreplace") as file:
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
        """Say where the run stands, for commands that watch the sweep. Without an epoch, the last one said stays."""
        if epoch is None:
            epoch, psnr = self._reached
        self._reached = epoch, psnr
        owner = this_process()
        with self._writing:
            self._say(
                {
                    "state": state,
                    "identity": self.identity,
                    "host": owner.host,
                    "pid": owner.pid,
                    "process": owner.process,
                    "started": self._started.isoformat(timespec="seconds"),
                    "epoch": epoch,
                    "epochs": epochs,
                    "psnr": None if psnr is None or not math.isfinite(psnr) else psnr,
                    "error": error,
                }
            )

    def write_config(self, text: str) -> None:
        """The resolved configuration, as YAML."""
        self._write(self.config, text)

    def write_metrics(self, history: Iterable[Mapping[str, float]]) -> None:
        """One JSON object per epoch, the whole history at once: a resumed run leaves no row twice."""
        self._write(self.metrics, "".join(json.dumps(json_value(row)) + "\n" for row in history))

    def write_baseline(self, content: Mapping[str, Any]) -> None:
        """The curves of the grid search."""
        self._write(self.baseline, json.dumps(json_value(content), indent=2) + "\n")

    def write_per_image(self, names: Sequence[str], rows: Sequence[Mapping[str, float]]) -> None:
        """One line per image; an empty cell is a metric that is not defined there."""
        columns = list(dict.fromkeys(column for row in rows for column in row))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["image", *columns])
        for name, row in zip(names, rows, strict=True):
            writer.writerow([name, *(_cell(row.get(column, math.nan)) for column in columns)])
        self._write(self.per_image, text.getvalue())

    def write_result(self, content: Mapping[str, Any]) -> None:
        """The final numbers; a run is finished when, and only when, this file is there."""
        self._write(self.result, json.dumps(json_value({"format": RESULT_FORMAT, **content}), indent=2) + "\n")

    def _say(self, content: dict[str, Any]) -> None:
        updated = datetime.now(UTC).isoformat(timespec="seconds")
        self._write(self.status, json.dumps({**content, "updated": updated}, indent=2) + "\n")
        self._said = content

    def _beat(self) -> None:
        with self._writing:
            if self._said is None:
                return
            try:
                self._say(self._said)
            except RunDirectoryError as error:
                # A full disk does not end the run: the time of change is a heartbeat that takes no space.
                if self._lost is None and isinstance(error.__cause__, OSError):
                    with contextlib.suppress(OSError):
                        os.utime(self.status)

    def _write(self, path: Path, text: str) -> None:
        self._check_held()
        try:
            write_atomically(path, text)
        except OSError as error:
            raise self._unwritable(path, error) from error

    def _unwritable(self, path: Path, error: OSError) -> RunDirectoryError:
        return RunDirectoryError(
            f"{path} could not be written: {error.strerror or error}. What was there before is intact: free some space "
            "or restore the permissions, and run the same command again to continue."
        )

    def _check_held(self) -> None:
        """Refuse to write into a directory that is not this process's any more: another run may be in it by now."""
        if self._lost is None and self._node is not None:
            owner = owner_of(read_status(self.path)) if self._said is not None else None
            if self._is_gone(owner):
                self._lost = RunDirectoryError(
                    f"{self.path} was deleted, moved or replaced while the run was working in it, or its disk is not "
                    "mounted any more. Nothing more is written. Run the same command again to compute it afresh, or "
                    "put the directory back to continue."
                )
            elif owner is not None and owner != this_process():
                self._lost = RunDirectoryError(
                    f"{self.path} was taken over by {owner}, after this process had been silent for too long. "
                    "It goes on there; nothing more is written here."
                )
        if self._lost is not None:
            raise self._lost

    def _is_gone(self, owner: Owner | None) -> bool:
        """Whether there is no directory, or another one than this process has claimed.

        Some file systems give a directory another inode number after a while, so another number alone says nothing: the
        directory is still ours when its status.json names this process.
        """
        if is_absent(self.path):
            return True
        try:
            node = self.path.stat().st_ino
        except OSError:
            return False  # the disk fails, and the write says how
        if node != self._node and (self._said is None or owner == this_process()):
            self._node = node
        return node != self._node and owner is None

    def _refuse_other_contents(self) -> None:
        """Another program's directory may hold files of the same names, which must not be overwritten."""
        status = read_status(self.path)
        damaged = self.status.exists() and not status
        ours = "state" in status or damaged or not (self.config.exists() or status)
        if not ours and not self.checkpoint.exists() and not self.result.exists():
            raise ConfigError(
                f"{self.path} holds a {CONFIG if self.config.exists() else STATUS} that no run of this program has "
                "written. Choose another hydra.run.dir (or hydra.sweep.dir)."
            )


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
