"""What a run tells a tracker, and what it writes to."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | int | float | bool | None
"""What a table may hold."""


@dataclass(frozen=True)
class RunInfo:
    """What a tracker is told about a run before its first epoch.

    Attributes:
        directory: the run's own directory; whatever a tracker writes stays inside it, or in a directory of the tool
            beside it where the tool compares runs in one store only.
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
