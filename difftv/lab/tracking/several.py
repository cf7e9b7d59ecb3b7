"""Several trackers at once; each is switched off by its own failures only."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from difftv.lab.tracking.base import Cell, RunInfo, RunLog, Tracker

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Several(Tracker):
    """Every tracker gets everything.

    Args:
        trackers: trackers to log to, in this order.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self.trackers = tuple(trackers)

    def check(self) -> None:
        for tracker in self.trackers:
            tracker.check()

    def start(self, run: RunInfo) -> RunLog:
        return _Logs([tracker.guarded(run) for tracker in self.trackers])


class _Logs(RunLog):
    def __init__(self, logs: Sequence[RunLog]) -> None:
        self.logs = logs

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        for log in self.logs:
            log.epoch(epoch, metrics)

    def figure(self, name: str, figure: "Figure", epoch: int | None = None) -> None:
        for log in self.logs:
            log.figure(name, figure, epoch)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        for log in self.logs:
            log.table(name, columns, rows)

    def summary(self, metrics: Mapping[str, float]) -> None:
        for log in self.logs:
            log.summary(metrics)

    def close(self, *, failed: bool) -> None:
        for log in self.logs:
            log.close(failed=failed)
