"""A run in two parts, as a program: `python -m tests.tracking.written OPTION DIRECTORY`, once for each part.

The first part raises after epoch 2; the second continues from the checkpoint of epoch 2, to epoch 4.
"""

import contextlib
import math
import sys
import warnings
from pathlib import Path

from matplotlib.figure import Figure

from difftv.lab.runs.config import resolved
from difftv.lab.runs.trackers import tracker_node
from difftv.lab.tracking import RunInfo
from tests.conftest import composed

IDENTITY = "0123456789ab"
CONFIG = {"sigma": 25, "solver": {"eps": 1e-5}}


def main(option: str, directory: Path) -> None:
    begun = directory / "begun"
    resumed = 2 if begun.is_file() else 0
    begun.touch()
    words = ["tracker.mode=offline"] if option == "wandb" else []
    tracker = tracker_node(resolved(composed(f"tracker={option}", *words))["tracker"]).make()
    info = RunInfo(directory, IDENTITY, "sigma=25", "sweep", CONFIG, "c0ffee", {"torch": "2.13.0"}, resumed)
    with contextlib.suppress(ZeroDivisionError), tracker.open(info) as log:
        for epoch in (2, 3, 4) if resumed else (1, 2):  # a resumed run says once more where it stands
            log.epoch(epoch, {"train/loss": 1 / epoch, "validation/psnr": math.nan if epoch == 1 else 25.0})
        if not resumed:
            raise ZeroDivisionError
        figure = Figure(figsize=(2, 1))
        figure.add_subplot().plot([1, 2])
        log.figure("strip_camera", figure)
        log.table("per_image", ["image", "psnr"], [["camera", 28.0], ["coins", None]])
        log.summary({"psnr": 28.5})


if __name__ == "__main__":
    warnings.simplefilter("error", ResourceWarning)
    main(sys.argv[1], Path(sys.argv[2]))
