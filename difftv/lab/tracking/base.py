"""The contract of every tracker: opened once per run, it takes numbers, figures and tables until the run ends.

    with tracker.open(info) as log:
        log.figure("validation/camera", figure, epoch=1)
        log.epoch(1, {"train/loss": 0.004, "validation/psnr": 28.1})
        log.summary({"psnr": 28.3})

A tracker only shows. It must not change, slow down or end the run because its service is slow, full or gone: after
`open` has succeeded, nothing that happens to the service raises.
"""

import abc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import final

from difftv.errors import DiffTVError
from difftv.lab.tracking.contract import Cell, NoLog, RunInfo, RunLog, check_table
from difftv.lab.tracking.guard import GuardedLog, switched_off
from difftv.printing import printable, printable_within

__all__ = ["Cell", "NoLog", "RunInfo", "RunLog", "Tracker", "check_table"]

logger = logging.getLogger(__name__)


class Tracker(abc.ABC):
    """Opens one log per run. Subclasses write `start`, and `check` where something can be refused early.

    What a log raises switches it off for the rest of the run, with one line in the run's own log; so does what `start`
    raises, errors of this package apart, which are the user's to correct.
    """

    tool = "The tracker"
    """Name in messages."""

    @abc.abstractmethod
    def start(self, run: RunInfo) -> RunLog:
        """The log of this run. Two runs of one process never share one."""

    def check(self) -> None:  # noqa: B027  a tracker with nothing to refuse leaves this as it is
        """Refuse what cannot work, a missing login for example, before the run spends time on anything else.

        Raises:
            ConfigError: naming the key to change.
        """

    def reason(self, error: Exception) -> str:
        """What to say of an exception of the tool: its first line."""
        return next(iter(str(error).splitlines()), type(error).__name__)

    @final
    def guarded(self, run: RunInfo) -> RunLog:
        """The log of this run, which never raises; `open` closes it as well.

        Raises:
            DiffTVError: as `start` does.
        """
        try:
            return GuardedLog(self.start(run), self.tool, self.reason)
        except DiffTVError:
            raise
        except Exception as error:
            logger.warning("%s", switched_off(self.tool, error, self.reason(error)))
            return NoLog()

    @final
    @contextmanager
    def open(self, run: RunInfo) -> Iterator[RunLog]:
        """The log of this run, closed at the end of the block and marked failed when the block raises."""
        # Services take UTF-8; a name of a file or a folder may be none.
        log = self.guarded(
            replace(
                run,
                name=printable(run.name),
                group=printable(run.group),
                config=printable_within(dict(run.config)),
            )
        )
        try:
            yield log
        except BaseException:
            log.close(failed=True)
            raise
        log.close(failed=False)
