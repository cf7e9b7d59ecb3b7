"""Training with and without clean images: one network, noise level and number of steps, seeds 0, 1 and 2.

    python experiments/run.py -m loss=mse,noise2noise,recorrupted seed=0,1,2 trainer.precision=bfloat16 \\
        experiment=regularizers/tvpwl patch_size=48 optimizer.lr=1e-3 sweep=losses data.root=path/to/BSD400
    python experiments/run.py -m loss=sure seed=0,1,2 \\
        experiment=regularizers/tvpwl patch_size=48 optimizer.lr=1e-3 sweep=losses data.root=path/to/BSD400
    python -m benchmarks.losses outputs/losses path/to/Set12

Whole images, published protocol at the noise level of the runs; and the noise of the losses' gradients, at the weights
of the first run with `loss=mse`, on training batches of that run. Writes docs/measurements/losses.json, redraws
docs/results.md, prints the table. What was measured before is kept in the sweep's directory and not measured again.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.ablation import Measurements
from benchmarks.markdown import Table, to_markdown
from benchmarks.trained import Scores, runs_and_images, scores, seeds_table, sweep_and_images
from difftv.errors import DiffTVError
from difftv.lab.data import Folder, PublishedImages, TrainingPatches, open_images
from difftv.lab.losses import Mse, Noise2Noise, Recorrupted, Sure
from difftv.lab.models.reading import read_gray_model
from difftv.lab.report import Run
from difftv.lab.training.without_clean import loss_of, shown
from difftv.method import Method
from difftv.models.stored import StoredModel
from difftv.printing import print_safely

COMMAND = "python -m benchmarks.losses outputs/losses path/to/Set12"

REFERENCE = "mse"

GRADIENTS: Mapping[str, tuple[nn.Module, int]] = {
    "noise2noise": (Noise2Noise(), 1),
    "recorrupted alpha=1": (Recorrupted(1.0), 1),
    "recorrupted alpha=0.5": (Recorrupted(0.5), 1),
    "sure": (Sure(), 2),
}
"""Losses whose gradients are measured, and the solves that they take in a step."""

_BATCHES = 8


@dataclass(frozen=True)
class LossRow(Scores):
    """One trained run.

    Attributes:
        loss: its word on the command line, with its arguments.
    """

    loss: str


def measure(run: Run, items: PublishedImages, measurements: Measurements) -> LossRow:
    """The row of a run."""
    arguments = {
        name.removeprefix("loss."): value
        for name, value in run.settings.items()
        if name.startswith("loss.") and not name.endswith("_")
    }
    loss = " ".join([str(run.settings["choices.loss"]), *(f"{name}={value}" for name, value in arguments.items())])
    return LossRow(loss=loss, **scores(run, items, measurements))


@dataclass(frozen=True)
class LossGradientRow:
    """The gradient of a loss without clean images.

    Attributes:
        loss: as in `LossRow`.
        solves: solves per step.
        errors: length of its difference from the gradient of the squared error of the same answer, over the mean length
            of the latter for `mse`; one per batch.
    """

    loss: str
    solves: int
    errors: list[float]


def gradients(stored: StoredModel, patches: TrainingPatches, losses: Mapping[str, nn.Module]) -> dict[str, list[float]]:
    """Loss -> `LossGradientRow.errors`, at the weights of a model on its first training batches."""
    denoiser = stored.denoiser().train()
    sizes: list[float] = []
    errors: dict[str, list[float]] = {name: [] for name in losses}
    for number in range(_BATCHES):
        batch = patches.part(0, stored.config["trainer"]["batch_size"], number, 0, 1)
        if batch is None:
            break
        solution = denoiser.denoise(batch.noisy, batch.noise)
        sizes.append(float(_gradient(Mse()(solution.denoised, batch.clean), denoiser).norm()))
        for name, loss in losses.items():
            seen = shown(loss, batch, (0, number))
            solution = denoiser.denoise(seen.noisy, seen.noise)
            scale = loss.dimming if isinstance(loss, Recorrupted) else 1.0
            error = loss_of(loss, denoiser, seen, solution, (0, number)) - Mse()(scale * solution.denoised, batch.clean)
            errors[name].append(float(_gradient(error, denoiser).norm()))
    return {name: [value / fmean(sizes) for value in values] for name, values in errors.items()}


def _gradient(value: Tensor, denoiser: Method) -> Tensor:
    found = torch.autograd.grad(value, list(denoiser.predictor.parameters()))
    return torch.cat([part.flatten() for part in found])


def training_patches(stored: StoredModel) -> TrainingPatches:
    """The training patches of a run of `data=folder`, whose images must still be there."""
    data = stored.config["data"]
    splits = Folder(root=data["root"], validation_fraction=data["validation_fraction"]).files()
    return TrainingPatches(
        open_images(splits.train, cache_dir=None, roots=splits.roots),
        patch_size=stored.config["patch_size"],
        sigma=stored.config["sigma"],
        seed=stored.config["seed"],
    )


def loss_gradients_table(rows: Sequence[LossGradientRow]) -> Table:
    """One line per loss, the least noise first."""
    return Table(
        title="Noise of the gradients of losses without clean images",
        remark=f"Root mean square over {len(rows[0].errors)} training batches, at the weights that `{REFERENCE}` ends "
        "with.",
        heads=("loss", "solves per step", f"error of the gradient over the length of that of `{REFERENCE}`"),
        rows=[
            (f"`{row.loss}`", f"{row.solves}", f"{fmean(error**2 for error in row.errors) ** 0.5:.1f}")
            for row in sorted(rows, key=lambda row: fmean(row.errors))
        ],
    )


def losses_table(rows: Sequence[LossRow]) -> Table:
    """One line per loss, its seeds joined, those with clean images first.

    Raises:
        ValueError: the rows differ in steps, noise level or images.
    """
    return seeds_table("Training without clean images", "loss", [(row.loss, row) for row in rows], REFERENCE)


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.published import DOCUMENTS, redraw
    from benchmarks.study import write_parts

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options = sweep_and_images(parser, arguments)
    torch.set_num_threads(1)
    try:
        runs, items = runs_and_images(options)
        measurements = Measurements(options.sweep / "losses.json")
        rows = [measure(run, items, measurements) for run in runs]
        tables = [losses_table(rows)]
        parts: dict[str, list[Any]] = {"losses": rows}
        supervised = next((run for run in runs if run.settings["choices.loss"] == REFERENCE), None)
        if supervised is not None:
            stored = read_gray_model(supervised.directory)
            found = gradients(stored, training_patches(stored), {name: loss for name, (loss, _) in GRADIENTS.items()})
            parts["loss_gradients"] = [
                LossGradientRow(name, GRADIENTS[name][1], errors) for name, errors in found.items()
            ]
            tables.append(loss_gradients_table(parts["loss_gradients"]))
    except (ValueError, DiffTVError) as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 1
    write_parts(DOCUMENTS / "losses.json", parts, COMMAND)
    redraw()
    print_safely("\n\n".join(map(to_markdown, tables)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
