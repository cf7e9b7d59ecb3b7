"""Optimizers at equal steps: one network, noise level and number of steps, several learning rates and seeds.

    python experiments/run.py -m optimizer=adam,muon optimizer.lr=1e-3,2e-3,4e-3,8e-3 seed=0,1 \\
        experiment=regularizers/tvpwl patch_size=48 trainer.precision=bfloat16 sweep=optimizers data.root=path/to/BSD400
    python -m benchmarks.optimizers outputs/optimizers path/to/Set12

Whole images, published protocol at the noise level of the runs; the best learning rate of Adam is what the others are
compared with. Writes docs/measurements/optimizers.json, redraws docs/results.md, prints the table. What was measured
before is kept in the sweep's directory and not measured again.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch

from benchmarks.ablation import Measurements
from benchmarks.markdown import Table, to_markdown
from benchmarks.trained import Scores, runs_and_images, scores, seeds_table, sweep_and_images
from difftv.errors import DiffTVError
from difftv.lab.data import PublishedImages
from difftv.lab.report import Run
from difftv.printing import print_safely

COMMAND = "python -m benchmarks.optimizers outputs/optimizers path/to/Set12"

REFERENCE = "adam"


@dataclass(frozen=True)
class OptimizerRow(Scores):
    """One trained run.

    Attributes:
        optimizer: its word on the command line.
        lr: learning rate.
    """

    optimizer: str
    lr: float

    @property
    def name(self) -> str:
        """Optimizer and learning rate."""
        return f"{self.optimizer} lr={self.lr:g}"


def measure(run: Run, items: PublishedImages, measurements: Measurements) -> OptimizerRow:
    """The row of a run."""
    return OptimizerRow(
        optimizer=str(run.settings["choices.optimizer"]),
        lr=float(str(run.settings["optimizer.lr"])),
        **scores(run, items, measurements),
    )


def optimizers_table(rows: Sequence[OptimizerRow]) -> Table:
    """One line per optimizer and learning rate, its seeds joined; the best of Adam first.

    Raises:
        ValueError: the rows differ in steps, noise level or images.
    """
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.optimizer == REFERENCE:
            found.setdefault(row.name, []).append(fmean(row.psnr.values()))
    best = max(found, key=lambda name: fmean(found[name]), default=REFERENCE)
    return seeds_table("Optimizers at equal steps", "optimizer", [(row.name, row) for row in rows], best)


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.published import DOCUMENTS, redraw
    from benchmarks.study import write

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options = sweep_and_images(parser, arguments)
    torch.set_num_threads(1)
    try:
        runs, items = runs_and_images(options)
        measurements = Measurements(options.sweep / "optimizers.json")
        rows = [measure(run, items, measurements) for run in runs]
        table = optimizers_table(rows)
    except (ValueError, DiffTVError) as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 1
    write(DOCUMENTS / "optimizers.json", "optimizers", rows, COMMAND)
    redraw()
    print_safely(to_markdown(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
