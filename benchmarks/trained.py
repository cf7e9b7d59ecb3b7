"""The trained runs of a sweep that a benchmark measures, and the images that it measures them on."""

from collections.abc import Sequence
from pathlib import Path

from difftv.errors import DataError
from difftv.lab.data import Folder, open_images
from difftv.lab.data.cache import CleanImages
from difftv.lab.report import Run, read_sweep
from difftv.models.stored import StoredModel
from difftv.printing import print_safely


def finished_runs(sweep: Path) -> Sequence[Run]:
    """The finished runs of a sweep; a line names every run that has not finished.

    Raises:
        DataError: none has finished.
    """
    found = read_sweep(sweep)
    for absent in found.absent:
        print_safely(f"not in the table: {absent.name}, {absent.reason}", error=True)
    if not found.runs:
        raise DataError(f"No run of {sweep} has finished. Train the rows first: see --help.")
    return found.runs


def readable_images(files: Sequence[Path], cache_dir: Path | None = None) -> CleanImages:
    """Images whose mean is to be compared: all of them, or none.

    Raises:
        DataError: one of them cannot be read.
    """
    images = open_images(files, cache_dir)
    if images.skipped:
        path, reason = images.skipped[0]
        raise DataError(f"{path}: {reason}. A mean over the other images would not be comparable.")
    return images


def steps(stored: StoredModel) -> int:
    """Number of training steps of a run of `data=folder`, whose images must still be there."""
    data, trainer = stored.config["data"], stored.config["trainer"]
    images = len(Folder(root=data["root"], validation_fraction=data["validation_fraction"]).files().train)
    return trainer["epochs"] * -(-images * data["crops_per_image"] // trainer["batch_size"])
