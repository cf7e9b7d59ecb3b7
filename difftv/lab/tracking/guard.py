"""What keeps a tracker from ending a run: its first failure switches it off, with one line in the log."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from difftv.lab.tracking.contract import Cell, RunLog, check_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)


class GuardedLog(RunLog):
    """Another log, until it fails.

    Args:
        log: log that is written to.
        name: name of the tool, in the message.
        reason: words for an exception.
    """

    def __init__(self, log: RunLog, name: str, reason: Callable[[Exception], str]) -> None:
        self.log = log
        self.name = name
        self.reason = reason
        self.working = True

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self._attempt(lambda: self.log.epoch(epoch, metrics))

    def figure(self, name: str, figure: "Figure", epoch: int | None = None) -> None:
        self._attempt(lambda: self.log.figure(name, figure, epoch))

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        check_table(columns, rows)
        self._attempt(lambda: self.log.table(name, columns, rows))

    def summary(self, metrics: Mapping[str, float]) -> None:
        self._attempt(lambda: self.log.summary(metrics))

    def close(self, *, failed: bool) -> None:
        """Also where it has failed before: what it has open may still be closed."""
        try:
            self.log.close(failed=failed)
        except Exception as error:
            self._give_up(error)

    def _attempt(self, send: Callable[[], None]) -> None:
        if not self.working:
            return
        try:
            send()
        except Exception as error:  # whatever is wrong with the view, the run goes on
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if self.working:
            self.working = False
            logger.warning("%s", switched_off(self.name, error, self.reason(error)))


def switched_off(name: str, error: Exception, reason: str) -> str:
    """The line that says so."""
    return (
        f"{name} failed and is disabled for the rest of this run ({type(error).__name__}: {reason}). The run goes on; "
        "its results are in its own files."
    )
