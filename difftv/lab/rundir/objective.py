"""What one run is compared with another by, while there is still something to choose: its validation images."""

import math
from pathlib import Path

from difftv.lab.rundir.layout import METRICS, RESULT
from difftv.lab.rundir.reading import numbers, read_epochs, read_json

PSNR = "validation/psnr"
"""Mean over the validation images. `psnr` in result.json is on the test images, by which nothing may be chosen."""


def of_best_epoch(directory: Path, metric: str = PSNR) -> float:
    """A validation metric of a finished run, in the epoch whose weights were kept; NaN where it is not known.

    Raises:
        UnreadableError: result.json is missing or damaged.
    """
    result = read_json(directory / RESULT)
    metrics = numbers(result.get("metrics"))
    if metric in metrics:
        return metrics[metric]
    # Earlier versions wrote it down per epoch only.
    rows = (row for row in read_epochs(directory / METRICS) if row.get("epoch") == result.get("best_epoch"))
    return next(rows, {}).get(metric, math.nan)
