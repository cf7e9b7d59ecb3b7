"""No tracker: the run's own files on disk are all that is kept."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from difftv.tracking.base import Cell, RunInfo, RunLog, Tracker, check_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class NoTracker(Tracker):
    """Accepts everything and keeps nothing; for tests, for machines without an account, for timing."""

    def start(self, run: RunInfo) -> RunLog:
        return _NoLog()


class _NoLog(RunLog):
    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        pass

    def figure(self, name: str, figure: "Figure", epoch: int | None = None) -> None:
        pass

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        check_table(columns, rows)

    def summary(self, metrics: Mapping[str, float]) -> None:
        pass

    def close(self, *, failed: bool) -> None:
        pass
