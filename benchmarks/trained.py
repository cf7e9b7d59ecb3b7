"""The trained runs of a sweep that a benchmark measures, the images that it measures them on, and tables over seeds."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.ablation import Measurements, learned
from benchmarks.markdown import Table
from difftv.arguments import path_argument
from difftv.errors import DataError
from difftv.lab.data import Folder, PublishedImages, open_images
from difftv.lab.data.base import image_files
from difftv.lab.data.cache import CleanImages
from difftv.lab.models.reading import read_gray_model
from difftv.lab.report import Run, read_sweep
from difftv.lab.report.seeds import estimate
from difftv.lab.training.evaluation import evaluated_set
from difftv.models.file import weights_digest
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


@dataclass(frozen=True)
class Scores:
    """Numbers of one run of one seed; a study adds what its runs differ in.

    Attributes:
        seed: seed of the run.
        steps: number of training steps.
        sigma: noise level in 8-bit units.
        psnr: image -> PSNR of the rounded image, dB.
        ssim: image -> structural similarity of the rounded image.
    """

    seed: int
    steps: int
    sigma: float
    psnr: dict[str, float]
    ssim: dict[str, float]


def sweep_and_images(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line of a study, with `sweep` and `images` besides what the parser has."""
    parser.add_argument("sweep", type=path_argument, help="directory of the trained runs")
    parser.add_argument("images", type=path_argument, help="folder of Set12")
    return parser.parse_args(arguments)


def runs_and_images(options: argparse.Namespace) -> tuple[Sequence[Run], PublishedImages]:
    """Finished runs of `sweep`, and `images` with noise of their level, see `sweep_and_images`.

    Raises:
        DataError: no run has finished, or an image cannot be read.
    """
    runs = finished_runs(options.sweep)
    images = readable_images(image_files(options.images))
    return runs, PublishedImages(images, sigma=float(runs[0].settings["sigma"]))  # type: ignore[arg-type]


def scores(run: Run, items: PublishedImages, measurements: Measurements) -> dict[str, Any]:
    """Name of an attribute of `Scores` -> its value, of a run."""
    stored = read_gray_model(run.directory)
    method = learned(run.name, "maps", stored.denoiser(), weights_digest(stored.weights))
    found = measurements.row(method, items, evaluated_set(items))
    return {
        "seed": int(str(run.settings["seed"])),
        "steps": steps(stored),
        "sigma": items.sigma,
        "psnr": {name: values["psnr"] for name, values in found.images.items()},
        "ssim": {name: values["ssim"] for name, values in found.images.items()},
    }


def seeds_table(title: str, head: str, rows: Sequence[tuple[str, Scores]], reference: str) -> Table:
    """One line per name, its seeds joined: the reference first, then by name.

    Args:
        title: title of the table.
        head: head of the column of names.
        rows: name of every run, the same for its seeds, and its scores.
        reference: name that the others are compared with, seed by seed.

    Raises:
        ValueError: the rows differ in steps, noise level or images.
    """
    shared = {(row.steps, row.sigma, tuple(row.psnr)) for _, row in rows}
    if len(shared) > 1:
        raise ValueError(
            f"the rows differ in steps, noise level or images: {sorted(shared)}. Measure runs of one kind."
        )
    ((count, sigma, images),) = shared
    by_name: dict[str, dict[int, Scores]] = {}
    for name, row in sorted(rows, key=lambda each: (each[0] != reference, each[0])):
        by_name.setdefault(name, {})[row.seed] = row
    compared = by_name.get(reference, {})
    lines: list[tuple[str, ...]] = []
    for name, seeds in by_name.items():
        psnr = {seed: fmean(row.psnr.values()) for seed, row in seeds.items()}
        differences = [psnr[seed] - fmean(compared[seed].psnr.values()) for seed in psnr if seed in compared]
        lines.append(
            (
                f"`{name}`",
                f"{len(seeds)}",
                _mean_and_std([*psnr.values()], ".2f"),
                _mean_and_std([fmean(row.ssim.values()) for row in seeds.values()], ".4f"),
                _mean_and_std(differences, "+.2f") if differences and name != reference else "",
            )
        )
    return Table(
        title=title,
        remark=f"{count:,} steps at sigma {sigma:g}; means over {len(images)} images, mean ± standard deviation over "
        "the seeds. The last column compares runs of one seed.",
        heads=(head, "seeds", "PSNR [dB]", "SSIM", f"against `{reference}` [dB]"),
        rows=lines,
    )


def _mean_and_std(values: Sequence[float], form: str) -> str:
    found = estimate(values)
    mean = format(found.mean, form)
    return mean if found.std is None else f"{mean} ± {format(found.std, form.removeprefix('+'))}"
