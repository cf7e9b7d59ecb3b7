"""TensorBoard: event files in `<run directory>/tensorboard`, so that `tensorboard --logdir outputs/<sweep>` shows a
sweep: its runs by their directories, and its settings beside the final numbers under HPARAMS.

The step of a number is its epoch. A resumed run writes another event file that begins with the epoch it was resumed
after, and TensorBoard drops what the files before it hold from there on: no epoch counts twice, none is missing.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from difftv.extras import require
from difftv.lab.tracking.base import Cell, RunInfo, RunLog, Tracker
from difftv.lab.tracking.pictures import csv_text, flat, picture
from difftv.printing import printable_within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIRECTORY = "tensorboard"
COMPARED = ("psnr", "ssim", "stair/plateau_excess")
"""Final numbers that HPARAMS shows beside the settings."""


class TensorboardTracker(Tracker):
    """Logs to event files of TensorBoard.

    Args:
        flush_seconds: seconds after which numbers are on disk at the latest; every epoch is written at its end.

    Raises:
        MissingDependencyError: tensorboard is not installed.
    """

    tool = "TensorBoard"

    def __init__(self, flush_seconds: float = 30.0) -> None:
        require("tensorboard", "tensorboard", by="tracker=tensorboard")
        if not flush_seconds > 0:
            raise ValueError(f"flush_seconds must be > 0 seconds, got {flush_seconds!r}.")
        self.flush_seconds = flush_seconds

    def start(self, run: RunInfo) -> RunLog:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the libraries that it imports
            from torch.utils.tensorboard import SummaryWriter
            from torch.utils.tensorboard.summary import hparams
        writer = SummaryWriter(
            str(run.directory / DIRECTORY), purge_step=run.resumed_epoch, flush_secs=self.flush_seconds
        )
        settings = {"group": run.group, "git_commit": run.git_commit or "", **flat(run.config)}
        file: Any = writer.file_writer
        for summary in hparams(settings, dict.fromkeys(COMPARED, 0.0)):
            file.add_summary(summary, run.resumed_epoch)
        writer.add_text("config", _lines({**settings, **flat(run.versions, "versions.")}), run.resumed_epoch)
        return _TensorboardLog(writer, run.resumed_epoch)


class _TensorboardLog(RunLog):
    """One open event file; `first` is the first epoch that it holds."""

    def __init__(self, writer: Any, first: int) -> None:
        self.writer = writer
        self.first = first
        self.last = first

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if epoch < self.first:
            return
        self.last = max(epoch, self.last)
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, epoch)
        self.writer.flush()

    def figure(self, name: str, figure: "Figure", epoch: int | None = None) -> None:
        import numpy as np

        if epoch is None or epoch >= self.first:
            pixels = np.asarray(picture(figure).convert("RGB"))
            self.writer.add_image(name, pixels, self.last if epoch is None else epoch, dataformats="HWC")

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        self.writer.add_text(name, f"```\n{csv_text(columns, printable_within(list(rows)))}```", self.last)

    def summary(self, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, self.last)
        self.writer.flush()

    def close(self, *, failed: bool) -> None:
        self.writer.close()


def _lines(settings: Mapping[str, Any]) -> str:
    return "```\n" + "".join(f"{key}: {value}\n" for key, value in settings.items()) + "```"
