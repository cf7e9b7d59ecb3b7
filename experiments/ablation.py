"""The ablation: every part of the learned model, the constants that it competes with, and a network without any model.

python experiments/run.py -m 'experiment=glob(ablation/*, exclude=ablation/_*)' data.root=path/to/BSD400
python experiments/ablation.py outputs/ablation path/to/Set12
python experiments/ablation.py outputs/ablation path/to/Set12 --model gray gray-small --sigma 25

The first command trains the rows, all with the same steps, seed and images, one of them a plain U-Net that predicts the
image; with seed=0,1,2 three times, and the table shows mean and standard deviation. The second one tunes constants on
training crops, and measures everything under the protocol of published tables, minimised to the end whatever a row was
trained with. Prints a table per noise level, writes ablation.md, ablation.json,
psnr_against_stairs.png and, of a ramp and of a photograph, profile_ramp.png and profile_photograph.png. What was
measured before is not measured again.
"""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.ablation import (
    CONSTANTS,
    AblationRow,
    Measurements,
    Method,
    ablation_table,
    by_name,
    learned,
    non_local_means,
    over_seeds,
    tuned,
)
from benchmarks.markdown import to_markdown
from benchmarks.ramp import SIGMA, SIZE, ramp_problem
from benchmarks.trained import finished_runs, readable_images
from difftv import Denoiser
from difftv.arguments import path_argument, positive
from difftv.errors import DataError, DiffTVError
from difftv.files import check_writable, write_atomically
from difftv.lab.data import EvaluationPatches, Folder, PublishedImages, Sample, default_cache_dir, open_images
from difftv.lab.data.base import image_files
from difftv.lab.data.patches import to_tensor
from difftv.lab.figures import line_profiles, psnr_against_stairs, save_figure
from difftv.lab.models.place import find_model
from difftv.lab.models.reading import read_gray_model
from difftv.lab.report import Run
from difftv.lab.report.seeds import seed_groups
from difftv.lab.rundir.reading import UnreadableError
from difftv.lab.training.evaluation import evaluated_set
from difftv.lab.training.protocol import statement
from difftv.models.file import weights_digest
from difftv.models.stored import StoredModel
from difftv.noise import add_noise
from difftv.lab.cli.command import command
from difftv.printing import print_safely

PREFIX = "ablation/"

PLAIN = "plain U-Net, predicts the image"

LABELS: Mapping[str, str] = {
    "lam": "learned lam",
    "lam_per_direction": "learned lam per direction",
    "gam": "learned lam and gam per direction",
    "eight_neighbour": "learned lam, eight neighbours",
    "tv_tv2": "learned lam1 and lam2, TV-TV2",
    "tgv": "learned lam1 and lam2, TGV",
    "small": "lam and gam, dilated network",
    "gam_slopes_loss": "lam and gam, slopes in the loss",
    "gam_staircase_epoch": "lam and gam, epoch by PSNR and stairs",
    "gam_least": "lam and gam, gam at least 0.003",
    "network": PLAIN,
}
"""Name of an experiment -> its row, in their order; others follow under their own names."""

GROUPS = {"constants": "constants", "maps": "learned maps", "shipped": "shipped models", "other": "other methods"}

DRAWN: Mapping[str, str] = {
    "scalar TV, isotropic": "scalar TV",
    LABELS["lam_per_direction"]: "learned lam",
    LABELS["gam"]: "learned lam, gam",
    "gray": "model gray",
    PLAIN: "plain U-Net",
}
"""In the figures of profiles, where they are there, and how they are called there; at most five."""

TUNING_CROPS = 32
PHOTOGRAPH, WINDOW, LINE = "camera", (slice(60, 188), slice(150, 278)), 64


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=path_argument, help="directory of the trained rows, outputs/ablation")
    parser.add_argument("images", type=path_argument, help="directory of clean test images")
    parser.add_argument("--model", nargs="+", default=[], metavar="NAME", help="shipped models or files, as more rows")
    parser.add_argument("--sigma", nargs="+", type=float, default=[15.0, 25.0, 50.0], help="default: 15 25 50")
    parser.add_argument("--output", type=path_argument, help="directory (default: that of the sweep)")
    options = parser.parse_args(arguments)
    output = options.output or options.sweep
    try:
        levels = [positive("--sigma", sigma) for sigma in options.sigma]
        check_writable(output / "ablation.md")
        files = image_files(options.images)
        if not files:
            raise DataError(f"{options.images} holds no image files. Check the path.")
        runs = _runs(options.sweep)
        methods = _methods(runs, [*options.model])
    except (ValueError, DiffTVError) as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"{output} cannot be written to ({error.strerror}): give --output")
    try:
        rows = _measure(methods, files, levels, output)
    except (ValueError, DiffTVError, UnreadableError) as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 1
    text = _tables(rows, options.images.resolve().name)
    write_atomically(output / "ablation.md", text)
    _draw(rows, methods, SIGMA if SIGMA in levels else levels[0], output)
    print_safely(text.rstrip())
    print_safely(f"Written: {output}", error=True)
    return 0


def _runs(directory: Path) -> list[tuple[str, StoredModel]]:
    """Label and model of every run that has finished; runs that differ in nothing but the seed share a label."""
    rows: dict[str, list[Run]] = {label: [] for label in LABELS.values()}
    for run in finished_runs(directory):
        name = str(run.settings.get("choices.experiment") or run.name).removeprefix(PREFIX)
        rows.setdefault(LABELS.get(name, name), []).append(run)
    found: list[tuple[str, StoredModel]] = []
    for label, runs in rows.items():
        are_seeds = len(seed_groups(runs)) <= 1
        found += [
            (label if are_seeds else f"{label}, {run.name}", read_gray_model(run.directory))
            for run in sorted(runs, key=lambda run: run.name)
        ]
    return found


def _methods(runs: Sequence[tuple[str, StoredModel]], models: Sequence[str]) -> list[Method]:
    """All rows in the order of the table."""
    crops, key = _tuning_crops(runs[0][1])
    methods = [tuned(name, regularizer, crops, key) for name, regularizer in CONSTANTS.items()]
    methods += [_learned(name, "maps", stored) for name, stored in runs if stored.method is Denoiser]
    for name in models:
        stored = read_gray_model(find_model(name))
        methods.append(_learned(stored.name, "shipped", stored))
    methods += [_learned(name, "other", stored) for name, stored in runs if stored.method is not Denoiser]
    methods.append(non_local_means())
    return methods


def _tuning_crops(stored: StoredModel) -> tuple[Callable[[float], EvaluationPatches], str]:
    """Crops of a run's training images at a noise level, and a key of their content."""
    data, side = stored.config["data"], stored.config["patch_size"]
    try:
        splits = Folder(root=data["root"], validation_fraction=data["validation_fraction"]).files()
    except KeyError as error:
        raise DataError(
            f"The configuration of {stored.name} has no data.{error.args[0]}: give runs of data=folder."
        ) from error
    training = open_images(splits.train, default_cache_dir(), splits.roots)

    def crops(sigma: float) -> EvaluationPatches:
        return EvaluationPatches(training, patch_size=side, sigma=sigma, limit=TUNING_CROPS, stream=1)

    return crops, f"{TUNING_CROPS} crops of {evaluated_set(crops(SIGMA))}"


def _learned(name: str, group: str, stored: StoredModel) -> Method:
    return learned(name, group, stored.denoiser(), weights_digest(stored.weights))


def _measure(
    methods: Sequence[Method], files: Sequence[Path], levels: Sequence[float], output: Path
) -> list[AblationRow]:
    images = readable_images(files, default_cache_dir())
    measurements = Measurements(output / "ablation.json")
    rows = []
    for sigma in levels:
        items = PublishedImages(images, sigma=sigma)
        key = evaluated_set(items)
        rows += [measurements.row(method, items, key) for method in methods]
    return rows


def _tables(rows: Sequence[AblationRow], name: str) -> str:
    remark = (
        f"{statement(None)} plateau_excess, plateau_excess_ramp (best: 0) and gradient_ratio (best: 1) of the image "
        f"before rounding. Constants are tuned on {TUNING_CROPS} training crops. Means over the images; mean ± "
        f"standard deviation where there are several seeds. {torch.get_num_threads()} thread(s) of torch."
    )
    levels = dict.fromkeys(row.sigma for row in rows)
    tables = (
        ablation_table([row for row in rows if row.sigma == sigma], f"{name}, sigma {sigma:g}", remark)
        for sigma in levels
    )
    return "\n\n".join(map(to_markdown, tables)) + "\n"


def _draw(rows: Sequence[AblationRow], methods: Sequence[Method], sigma: float, output: Path) -> None:
    groups = {
        title: {
            name: (over_seeds(seeds, "psnr").mean, over_seeds(seeds, "stair/plateau_excess").mean)
            for name, seeds in by_name([row for row in rows if row.sigma == sigma and row.group == group]).items()
        }
        for group, title in GROUPS.items()
    }
    groups = {title: points for title, points in groups.items() if points}
    save_figure(psnr_against_stairs(groups, title=f"sigma {sigma:g}"), output / "psnr_against_stairs.png")
    scenes = {"ramp": (ramp_problem()[0].float(), SIZE // 2), "photograph": (_photograph(), LINE)}
    drawn = {method.name: method for method in reversed(methods) if method.name in DRAWN}
    denoisers = {DRAWN[method.name]: method.denoise(sigma) for method in methods if drawn.get(method.name) is method}
    with torch.no_grad():
        for name, (clean, line) in scenes.items():
            noisy = add_noise(clean, sigma, seed=0)
            pictures = {method: denoise(noisy, sigma) for method, denoise in denoisers.items()}
            save_figure(line_profiles(clean, noisy, pictures, row=line), output / f"profile_{name}.png")


def _photograph() -> torch.Tensor:
    """A window of a photograph that ships with scikit-image, (1, 1, 128, 128)."""
    splits = Sample().files()
    path = next(path for path in (*splits.test, *splits.train, *splits.validation) if path.stem == PHOTOGRAPH)
    image = open_images([path], None)[0]
    return to_tensor(image)[..., WINDOW[0], WINDOW[1]]


if __name__ == "__main__":
    sys.exit(main())
