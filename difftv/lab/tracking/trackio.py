"""Trackio: one Trackio run per run, grouped by sweep, under the identity of the run.

Trackio keeps one directory for a whole process. Where TRACKIO_DIR does not name it, it is beside the runs of the sweep,
`outputs/<sweep>/.trackio/`, which the jobs of a sweep share: Trackio compares runs within one directory only.
"""

import contextlib
import io
import logging
import os
import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from difftv.errors import ConfigError
from difftv.extras import require
from difftv.lab.tracking.base import Cell, RunInfo, RunLog, Tracker
from difftv.lab.tracking.pictures import csv_text, picture
from difftv.printing import printable_within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STORE = ".trackio"

logger = logging.getLogger(__name__)


class TrackioTracker(Tracker):
    """Logs to a local Trackio project.

    Args:
        project: name of the Trackio project.

    Raises:
        ConfigError: the project has no name.
        MissingDependencyError: Trackio is not installed.
    """

    tool = "Trackio"

    def __init__(self, project: str = "diff-tv-net") -> None:
        require("trackio", "trackio", by="tracker=trackio")
        if not project.strip():
            raise ConfigError(f"project must be the name of a Trackio project, got {project!r}.")
        self.project = project

    def start(self, run: RunInfo) -> RunLog:
        store = run.directory.resolve().parent / STORE
        with _quiet(), _unless_set(TRACKIO_DIR=str(store), HF_HUB_OFFLINE="1"):  # asks for an account otherwise
            import trackio

        with _quiet():
            # Trackio's own `init` ends the run that is open in this process, and chooses an id itself.
            first = self._continue(trackio, run)
            session = trackio.Run(
                url=None,
                project=self.project,
                client=None,
                name=run.name,
                run_id=run.identity,
                group=run.group,
                config={**run.config, "git_commit": run.git_commit, "versions": dict(run.versions)},
            )
        place = trackio.utils.TRACKIO_DIR
        show = shlex.join([f"TRACKIO_DIR={place}", "trackio", "show", "--project", self.project])
        logger.info("Trackio: compare the runs with: %s", show)
        return _TrackioLog(trackio, session, first)

    def _continue(self, trackio: Any, run: RunInfo) -> int:
        """The first epoch that Trackio does not have; a run that starts again from nothing loses what is there."""
        try:
            known = [each for each in trackio.Api().runs(self.project) if each.id == run.identity]
        except ValueError:  # no such project yet
            return 0
        if not run.resumed_epoch:
            for earlier in known:
                earlier.delete()
            return 0
        return run.resumed_epoch + 1 if known else 0


class _TrackioLog(RunLog):
    """One open Trackio run; `first` is the first epoch that it does not hold yet."""

    def __init__(self, trackio: Any, session: Any, first: int) -> None:
        self.trackio = trackio
        self.session = session
        self.first = first
        self.last = max(first - 1, 0)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if epoch >= self.first:
            self.last = max(epoch, self.last)
            self._row({**metrics, "epoch": epoch}, epoch)

    def figure(self, name: str, figure: "Figure", epoch: int | None = None) -> None:
        if epoch is None or epoch >= self.first:
            image = self.trackio.Image(picture(figure).convert("RGB"))
            self._row({name: image}, self.last if epoch is None else epoch)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        text = csv_text(columns, printable_within(list(rows)))
        self._row({name: self.trackio.Markdown(f"```\n{text}```")}, self.last)

    def summary(self, metrics: Mapping[str, float]) -> None:
        self._row(metrics, self.last)

    def close(self, *, failed: bool) -> None:
        with _quiet():
            self.session.finish()

    def _row(self, row: Mapping[str, Any], step: int) -> None:
        with _quiet():
            self.session.log(dict(row), step=step)


@contextlib.contextmanager
def _unless_set(**variables: str) -> Iterator[None]:
    """Variables of the environment within the block, those that the user has set apart."""
    ours = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without its lines on the terminal, of which the run's own log has one."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
