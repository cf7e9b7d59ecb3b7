"""Learned maps on volumes that no model was trained on: models of images slice by slice and joined, models of volumes.

    python -m benchmarks.learned_volumes path/to/held_out --learned RUN [RUN ...]

Every file of the folder (TIFF, NIfTI, .npy) is measured whole under the protocol of `experiments/evaluate.py`. The
weight of the scalar total variation is the best one for these volumes, searched with the clean ones in hand: an upper
bound. Writes docs/measurements/learned-volumes.json, from which the page is drawn.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.markdown import Table, to_markdown
from benchmarks.study import uphill, write
from difftv.denoiser import Denoiser
from difftv.lab.baselines import scalar_denoiser
from difftv.lab.data import PublishedImages, open_images
from difftv.lab.data.base import image_files
from difftv.lab.models.reading import read_model
from difftv.lab.training.protocol import score
from difftv.method import Method
from difftv.metrics import psnr, quantize
from difftv.noise import noise_std
from difftv.regularizers import AnisotropicTV
from difftv.solvers import Exact
from difftv.volumes import SliceBySlice

SIGMAS = (25.0, 50.0)

IMAGES = "gray-small"
"""The shipped model of images that is applied to slices."""

COMMAND = "python -m benchmarks.learned_volumes path/to/held_out --learned RUN [RUN ...]"

PART = "learned_volumes"


@dataclass(frozen=True)
class VolumeRow:
    """One method on one volume.

    Attributes:
        method: its name.
        volume: name of the volume.
        sigma: noise level in 8-bit units.
        psnr: PSNR in dB.
        ssim: mean structural similarity of the slices.
        weights: how many numbers were learned; 0 for none.
        converged: whether the solve reached its tolerance.
    """

    method: str
    volume: str
    sigma: float
    psnr: float
    ssim: float
    weights: int
    converged: bool


def methods(learned: Sequence[Path]) -> dict[str, Method]:
    """Name -> method.

    Args:
        learned: runs on volumes, or model files of such runs.

    Raises:
        ValueError: one of them is for images.
    """
    images = Denoiser.pretrained(IMAGES)
    found: dict[str, Method] = {
        f"`{IMAGES}`, slice by slice": SliceBySlice(images, 0.0),
        f"`{IMAGES}`, slices joined (z_weight 1)": SliceBySlice(images, 1.0),
    }
    for path in learned:
        stored = read_model(path)
        if stored.axes != 3:
            raise ValueError(f"{path} is no model of volumes. Give runs with data.axes=3.")
        model = stored.denoiser()
        name = f"`predictor={type(model.predictor).__name__.lower()}`"
        found[name if stored.config.get("trainer", {}).get("start") is None else f"{name}, from `{IMAGES}`"] = model
    return found


def best_weight(solver: Exact, items: PublishedImages, sigma: float) -> float:
    """The weight with the best mean PSNR, uphill in steps of 2^(1/4) from 0.6 standard deviations of the noise.

    Weights beyond the next one are not tried: their plateaus take the exact solver longest.
    """

    def weight(exponent: float) -> float:
        return 0.6 * noise_std(sigma) * 2**exponent

    def reached(exponent: float) -> float:
        denoiser = scalar_denoiser(solver, [weight(exponent)])
        with torch.no_grad():
            return sum(float(psnr(denoiser(item.noisy).denoised, item.reference)) for item in items)

    return weight(uphill(reached, 0.0, step=0.25))


def measure(found: Mapping[str, Method], paths: Sequence[Path], sigmas: Sequence[float] = SIGMAS) -> list[VolumeRow]:
    """One row per method, volume and noise level; the noisy volumes and scalar total variation come first."""
    images = open_images(paths, None, axes=3)
    rows: list[VolumeRow] = []
    solver = Exact(AnisotropicTV(axes=3))
    for sigma in sigmas:
        items = PublishedImages(images, sigma=sigma)
        rows += [
            VolumeRow("noisy", item.name, sigma, **score(item.noisy, item.reference), weights=0, converged=True)
            for item in items
        ]
        scalar, best = "anisotropic TV, best weight for these volumes", best_weight(solver, items, sigma)
        for name, method in {scalar: scalar_denoiser(solver, [best]), **found}.items():
            learned = 0 if name == scalar else sum(each.numel() for each in method.predictor.parameters())
            for item in items:
                with torch.no_grad():
                    solution = method.denoise(item.noisy, sigma)
                numbers = score(quantize(solution.denoised), item.reference)
                converged = bool(solution.converged.all())
                rows.append(VolumeRow(name, item.name, sigma, **numbers, weights=learned, converged=converged))
    return rows


def learned_volumes_table(rows: Sequence[VolumeRow]) -> Table:
    """One line per method; PSNR of every volume, and the mean SSIM, at every noise level."""
    columns = list(dict.fromkeys((row.sigma, row.volume) for row in rows))
    sigmas = list(dict.fromkeys(row.sigma for row in rows))
    lines = []
    for name in dict.fromkeys(row.method for row in rows):
        mine = {(row.sigma, row.volume): row for row in rows if row.method == name}
        weights = max(row.weights for row in mine.values())
        marks = [f"{mine[at].psnr:.2f}{'' if mine[at].converged else ' (not converged)'}" for at in columns]
        means = [[row.ssim for at, row in mine.items() if at[0] == sigma] for sigma in sigmas]
        similar = [f"{sum(each) / len(each):.3f}" for each in means]
        lines.append((name, f"{weights:,}" if weights else "", *marks, *similar))
    return Table(
        title="Learned maps on volumes",
        remark="PSNR in dB; SSIM is the mean over slices and volumes.",
        heads=(
            "method",
            "weights",
            *(f"{volume}, sigma {sigma:g}" for sigma, volume in columns),
            *(f"SSIM, sigma {sigma:g}" for sigma in sigmas),
        ),
        rows=lines,
        words=1,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.published import DOCUMENTS, redraw

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("volumes", type=Path, help="folder of clean volumes")
    parser.add_argument("--learned", type=Path, nargs="*", default=(), help="runs or model files")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = measure(methods(options.learned), image_files(options.volumes, 3))
    write(DOCUMENTS / "learned-volumes.json", PART, rows, COMMAND)
    redraw()
    print(to_markdown(learned_volumes_table(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
