"""Regularizers at equal steps: one small network, one noise level, 640 steps, through every one and without any.

    python experiments/run.py -m 'experiment=glob(regularizers/*, exclude=regularizers/_*)' data.root=path/to/BSD400
    python experiments/run.py experiment=regularizers/tvpwl trainer.epochs=30 data.root=path/to/BSD400
    python -m benchmarks.regularizers outputs/regularizers path/to/Set12 path/to/BSD68

Images 1 to 7 of Set12 and every seventh of BSD68, whole, published protocol at the noise level of the runs, minimised
to the end whatever a run was trained with; CPU seconds of a training step of 8 patches of 64x64 on one thread, with
the solver of the training. Writes docs/measurements/regularizers.json, redraws docs/results.md, prints the table. What
was measured before is kept in the sweep's directory and not measured again.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from benchmarks.ablation import AblationRow, Measurements, learned
from benchmarks.markdown import Table, three_digits, to_markdown
from benchmarks.trained import finished_runs, readable_images, steps
from difftv.arguments import path_argument
from difftv.errors import DataError, DiffTVError
from difftv.lab.data import EvaluationPatches, PublishedImages
from difftv.lab.data.base import image_files
from difftv.lab.models.reading import read_gray_model
from difftv.lab.report import Run
from difftv.lab.training.evaluation import evaluated_set
from difftv.models.file import weights_digest
from difftv.models.stored import StoredModel
from difftv.printing import print_safely

LABELS: Mapping[str, str] = {
    "tvpwl": "lam and gam per direction, gam at least 0.003, exact",
    "tv_tv2": "TV-TV2, 2 maps",
    "filters_3x3": "filters 3x3, 8 maps",
    "filters_5x5": "filters 5x5, 24 maps",
    "network": "the network alone, predicts the image",
}
"""Name of an experiment -> its row, in their order."""

COMMAND = "python -m benchmarks.regularizers outputs/regularizers path/to/Set12 path/to/BSD68"

_BATCH, _PATCH, _STEPS = 8, 64, 5


@dataclass(frozen=True)
class RegularizerRow:
    """One trained run.

    Attributes:
        experiment: its name, a key of `LABELS`.
        weights: number of weights of its network.
        steps: number of training steps.
        sigma: noise level in 8-bit units.
        psnr: set of images -> mean PSNR of the rounded images, dB.
        plateau_excess: set of images -> mean `stair/plateau_excess`; 0 = as in the clean image.
        seconds: CPU seconds of a training step, one per repetition.
    """

    experiment: str
    weights: int
    steps: int
    sigma: float
    psnr: dict[str, float]
    plateau_excess: dict[str, float]
    seconds: list[float]


def measure(run: Run, sets: Mapping[str, PublishedImages], measurements: Measurements) -> RegularizerRow:
    """The row of a run."""
    stored = read_gray_model(run.directory)
    method = learned(run.name, "maps", stored.denoiser(), weights_digest(stored.weights))
    found: dict[str, AblationRow] = {
        name: measurements.row(method, items, evaluated_set(items)) for name, items in sets.items()
    }
    (sigma,) = {items.sigma for items in sets.values()}
    return RegularizerRow(
        experiment=experiment(run),
        weights=method.weights,
        steps=steps(stored),
        sigma=sigma,
        psnr={name: row.mean("psnr") for name, row in found.items()},
        plateau_excess={name: row.mean("stair/plateau_excess") for name, row in found.items()},
        seconds=step_seconds(stored, next(iter(sets.values()))),
    )


def experiment(run: Run) -> str:
    """Name of the configuration that a run was made from, without its folder."""
    return str(run.settings.get("choices.experiment") or run.name).rpartition("/")[2]


def step_seconds(stored: StoredModel, items: PublishedImages) -> list[float]:
    """CPU seconds of forward and backward through network and solver of the training, after one that warms up."""
    patches = EvaluationPatches(items.images, patch_size=_PATCH, sigma=items.sigma, limit=_BATCH, crops_per_image=2)
    batch = [patches[index] for index in range(_BATCH)]
    noisy, clean = (torch.cat([getattr(item, name) for item in batch]) for name in ("noisy", "clean"))
    denoiser, seconds = stored.denoiser(stored.own_solver()).train(), []
    for _ in range(1 + _STEPS):
        started = time.process_time()
        denoiser.denoise(noisy, items.sigma).denoised.sub(clean).square().mean().backward()
        seconds.append(time.process_time() - started)
    return seconds[1:]


def regularizers_table(rows: Sequence[RegularizerRow]) -> Table:
    """One line per run, those of equal steps together, in the order of `LABELS`."""
    names = [*LABELS]
    rows = sorted(rows, key=lambda row: (row.steps, (*names, row.experiment).index(row.experiment)))
    sets = list(rows[0].psnr)
    levels = {row.sigma for row in rows}
    if len(levels) > 1:
        raise ValueError(f"the rows differ in noise level: {sorted(levels)}. Measure runs of one ablation.")
    return Table(
        title="Regularizers at equal steps",
        remark=f"Sigma {rows[0].sigma:g}, one seed. PSNR in dB, in brackets `stair/plateau_excess` (0 = as in the "
        "clean image); CPU seconds of a training step of 8 patches of 64x64 on one thread.",
        heads=("regularizer", "weights", "steps", *sets, "seconds per step"),
        rows=[
            (
                LABELS.get(row.experiment, row.experiment),
                f"{row.weights:,}",
                f"{row.steps:,}",
                *(f"{row.psnr[name]:.2f} ({row.plateau_excess[name]:z.2f})" for name in sets),
                three_digits(median(row.seconds)),
            )
            for row in rows
        ],
    )


def published_sets(set12: Path, bsd68: Path, sigma: float) -> dict[str, PublishedImages]:
    """Images 1 to 7 of Set12, and every seventh of BSD68.

    Raises:
        DataError: a directory has too few images, or one that cannot be read.
    """
    chosen = {
        "Set12, images 1 to 7": (set12, image_files(set12)[:7], 7),
        "BSD68, every seventh": (bsd68, image_files(bsd68)[::7], 10),
    }
    found = {}
    for name, (directory, files, count) in chosen.items():
        if len(files) != count:
            raise DataError(f"{directory} gives {len(files)} images for {name}, not {count}. Check the path.")
        found[name] = PublishedImages(readable_images(files), sigma=sigma)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.published import DOCUMENTS, redraw
    from benchmarks.study import write

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=path_argument, help="directory of the trained rows, outputs/regularizers")
    parser.add_argument("set12", type=path_argument, help="folder of Set12")
    parser.add_argument("bsd68", type=path_argument, help="folder of BSD68")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        runs = finished_runs(options.sweep)
        sets = published_sets(options.set12, options.bsd68, float(runs[0].settings["sigma"]))  # type: ignore[arg-type]
        measurements = Measurements(options.sweep / "regularizers.json")
        rows = [measure(run, sets, measurements) for run in runs]
        table = regularizers_table(rows)
    except (ValueError, DiffTVError) as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 1
    write(DOCUMENTS / "regularizers.json", "regularizers", rows, COMMAND)
    redraw()
    print_safely(to_markdown(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
