"""What a run writes down: numbers and figures go to its directory and to its tracker alike."""

import hashlib
import logging
import math
import re

from difftv.lab import figures
from difftv.lab.runs.directory import RunDirectory
from difftv.lab.runs.evaluation import Measured
from difftv.lab.tracking.base import RunLog
from difftv.lab.training.evaluation import left_out, mean_row, prefixed
from difftv.lab.training.state import TrainingState
from difftv.metrics import map_groups

log = logging.getLogger(__name__)

LONGEST_NAME = 80
"""Characters of an image's name in a figure's: file systems allow 255 bytes, some of them fewer."""


class RunWriter:
    """The running account of one run.

    Args:
        directory: directory of the run.
        tracker: the open log of the run.
        epochs: how many there will be.
        figures: images that are drawn, the first ones of the evaluation set; 0 = no figure at all.
    """

    def __init__(self, directory: RunDirectory, tracker: RunLog, epochs: int, figures: int) -> None:
        self.directory = directory
        self.tracker = tracker
        self.epochs = epochs
        self.figures = figures

    def epoch(self, state: TrainingState) -> None:
        """Where the training stands after an epoch, or when it was resumed."""
        self.directory.write_metrics(state.history)
        latest = state.history[-1] if state.history else {}
        self.directory.write_status(
            "running", epochs=self.epochs, epoch=state.epoch, psnr=latest.get("validation/psnr")
        )
        if latest:
            self.tracker.epoch(state.epoch, latest)
            psnr = latest.get("validation/psnr")
            log.info(
                "epoch %d/%d: loss %.5f, validation %s, solver %.3f s per image",
                state.epoch,
                self.epochs,
                latest["train/loss"],
                f"loss {latest.get('validation/loss', math.nan):.5f}" if psnr is None else f"PSNR {psnr:.2f} dB",
                latest["solver/forward_seconds"] + latest["solver/backward_seconds"],
            )

    def evaluation(self, found: Measured, state: TrainingState) -> dict[str, float]:
        """Every image, the searches and the figures; the flat metrics of the run come back."""
        rows, search = found.rows, found.search
        self.directory.write_per_image(found.names, rows)
        if search is not None:
            self.directory.write_baseline(
                {
                    **search.named(),
                    "psnr": search.psnr[0],
                    "columns": [*search.names, "psnr"],
                    "curve": search.curve[0],
                    "oracle": None if found.oracle is None else dict(zip(found.names, found.oracle.curve, strict=True)),
                }
            )
        header = list(dict.fromkeys(name for row in rows for name in row))
        self.tracker.table(
            "per_image",
            ["image", *header],
            [[name, *map(row.get, header)] for name, row in zip(found.names, rows, strict=True)],
        )
        if self.figures:
            self._draw(found, state)
        missing = left_out(rows, found.methods)
        if missing:
            log.warning("%d of %d images are left out of every mean: a method has no answer there", missing, len(rows))
        means = mean_row(rows, found.methods)
        return {
            **means,
            **_totals(state, found),
            **_of_best_epoch(state),
            "images/left_out": missing,
            **({} if search is None else prefixed("baseline", search.named())),
        }

    def _draw(self, found: Measured, state: TrainingState) -> None:
        drawn = {"training_curves": figures.training_curves(state.history)}
        search = found.search
        if search is not None:
            drawn["lambda_search"] = figures.lambda_search(search.curve[0], search.names, search.relative)
        scalars = [entry.denoised for entry in found.baseline] or [None] * len(found.learned)
        for entry, scalar in list(zip(found.learned, scalars, strict=True))[: self.figures]:
            if entry.denoised is not None and entry.lam is not None and (scalar is not None or search is None):
                name = figure_name(entry.item.name)
                if f"strip_{name}" in drawn:
                    name = figure_name(entry.item.name, hashed=True)
                axes = entry.lam.ndim - 2
                if axes == 1:
                    continue  # the pictures below are of images
                if axes == 3:
                    drawn[f"slices_{name}"] = figures.orthogonal_slices(
                        {
                            label: volume[0, 0].cpu().numpy()
                            for label, volume in (
                                ("clean", entry.item.clean),
                                ("noisy", entry.item.noisy),
                                ("denoised", entry.denoised),
                            )
                            if volume is not None
                        },
                        spacing=found.spacing,
                        title=entry.item.name,
                    )
                drawn[f"strip_{name}"] = figures.comparison_strip(
                    entry.item.clean,
                    entry.item.noisy,
                    entry.denoised,
                    scalar,
                    entry.lam,
                    names=found.map_names,
                    title=entry.item.name + (", middle slice" if axes == 3 else ""),
                    baseline_numbers=None if search is None else search.named(),
                    given="noisy" if entry.item.measured is None else "first look",
                )
                drawn[f"lam_over_edges_{name}"] = figures.lam_over_edges(
                    entry.lam,
                    entry.denoised if entry.item.clean is None else entry.item.clean,
                    names=found.map_names,
                    auxiliary=entry.auxiliary,
                    of="clean" if entry.item.clean is not None else "denoised",
                )
        for name, figure in drawn.items():
            figures.save_figure(figure, self.directory.figures / f"{name}.png")
            self.tracker.figure(name, figure)


def figure_name(name: str, *, hashed: bool = False) -> str:
    """The name of an image in letters that every file system takes, short enough to have more put before and after it.

    Args:
        name: name of the image.
        hashed: with a hash of the whole name, so that two images never share a figure; so is a name that was shortened.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    if not hashed and len(safe) <= LONGEST_NAME:
        return safe
    return f"{safe[:LONGEST_NAME]}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _of_best_epoch(state: TrainingState) -> dict[str, float]:
    """What the epoch of the weights that were kept reached on the validation images: what a search compares."""
    row = next((row for row in state.history if row["epoch"] == state.best_epoch), {})
    return {
        name: value for name, value in row.items() if name.startswith("validation/") and not name.endswith("_seconds")
    }


def _totals(state: TrainingState, found: Measured) -> dict[str, float]:
    """The cost of the training, per image, and the solves that went wrong in training and in the final evaluation."""

    def mean(name: str) -> float:
        # An epoch that an earlier version trained may lack the column of a map.
        values = [row[name] for row in state.history if not math.isnan(row.get(name, math.nan))]
        return math.fsum(values) / len(values) if values else math.nan

    def total(name: str) -> float:
        return math.fsum(row[name] for row in state.history)

    return {
        "train/wall_seconds": total("train/wall_seconds"),
        "validation/wall_seconds": total("validation/wall_seconds"),
        "validation/metrics_seconds": total("validation/metrics_seconds"),
        "solver/forward_seconds": mean("solver/forward_seconds"),
        "solver/backward_seconds": mean("solver/backward_seconds"),
        "solver/not_converged": sum(row["solver/not_converged"] for row in state.history)
        + sum(row.get(f"{prefix}solver/not_converged", 0.0) for row in found.rows for prefix in ("", "baseline/")),
        "solver/failed_batches": sum(row["solver/failed_batches"] for row in state.history),
        "solver/worst_gap": max((row["solver/worst_gap"] for row in state.history), default=math.nan),
        **{column: mean(column) for column in (f"{name}/zero_gradient_share" for name in map_groups(found.map_names))},
    }
