"""No tracker: the run's own files on disk are all that is kept."""

from difftv.lab.tracking.base import NoLog, RunInfo, RunLog, Tracker


class NoTracker(Tracker):
    """Accepts everything and keeps nothing; for tests, for timing, for machines without an account."""

    def start(self, run: RunInfo) -> RunLog:
        return NoLog()
