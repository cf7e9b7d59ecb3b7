"""The contract of every tracker: opened once per run, it takes numbers, figures and tables until the run ends.

    with tracker.open(info) as log:
        log.figure("validation/camera", figure, epoch=1)
        log.epoch(1, {"train/loss": 0.004, "validation/psnr": 28.1})
        log.summary({"psnr": 28.3})

A tracker only shows. It must not change, slow down or end the run because its service is slow, full or gone: after
`open` has succeeded, nothing that happens to the service raises.
"""

import abc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from difftv.printing import printable, printable_within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | int | float | bool | None
"""What a table may hold."""


@dataclass(frozen=True)
class RunInfo:
    """What a tracker is told about a run before its first epoch.

    Attributes:
        directory: the run's own directory; whatever a tracker writes stays inside it.
        identity: hash of everything that changes the result; the same run resumed has the same identity.
        name: readable name, `solver=scs,sigma=25`.
        group: name of the sweep.
        config: the resolved configuration in plain containers.
        git_commit: commit of the code, None outside a checkout.
        versions: library -> version.
        resumed_epoch: epochs finished before this process started, 0 for a fresh run; the next one is
            `resumed_epoch + 1`.
    """

    directory: Path
    identity: str
    name: str
    group: str
    config: Mapping[str, Any] = field(default_factory=dict)
    git_commit: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    resumed_epoch: int = 0


class RunLog(abc.ABC):
    """What a run writes to between `open` and the end of the `with` block.

    Names are slash-separated, `validation/psnr`; a value that is NaN or infinite is passed on as it is.
    """

    @abc.abstractmethod
    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Every number of one epoch, which closes it: the figures of the epoch come before.

        Epochs count from 1 and come in order; 0 is the state before training. An epoch that this run had logged before
        it was resumed is not logged again.
        """

    @abc.abstractmethod
    def figure(self, name: str, figure: "Figure", epoch: int | None = None) -> None:
        """One figure under `name`; `epoch=None` for one that belongs to the whole run. The caller closes it."""

    @abc.abstractmethod
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """A table of the whole run, one row per image for example.

        Raises:
            ValueError: a row has more or fewer cells than there are columns.
        """

    @abc.abstractmethod
    def summary(self, metrics: Mapping[str, float]) -> None:
        """The final numbers of the run, those that a sweep is compared by; names already given are replaced."""

    @abc.abstractmethod
    def close(self, *, failed: bool) -> None:
        """Called once, by `Tracker.open`, whether the run ended well or not."""


class NoLog(RunLog):
    """Takes everything and keeps nothing."""

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


class Tracker(abc.ABC):
    """Opens one log per run. Subclasses write `start`, and `check` where something can be refused early."""

    @abc.abstractmethod
    def start(self, run: RunInfo) -> RunLog:
        """The log of this run. Two runs of one process never share one."""

    def check(self) -> None:  # noqa: B027  a tracker with nothing to refuse leaves this as it is
        """Refuse what cannot work, a missing login for example, before the run spends time on anything else.

        Raises:
            ConfigError: naming the key to change.
        """

    @final
    @contextmanager
    def open(self, run: RunInfo) -> Iterator[RunLog]:
        """The log of this run, closed at the end of the block and marked failed when the block raises."""
        # Services take UTF-8; a name of a file or a folder may be none.
        log = self.start(
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


def check_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Refuse a table whose rows do not fit its columns.

    Raises:
        ValueError: naming the row.
    """
    for index, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(
                f"row {index} has {len(row)} cells, expected {len(columns)}, one per column "
                f"({', '.join(columns)}). Give None for a missing value."
            )
