"""Ablation of the learned model: ways of denoising side by side, under the protocol of published tables."""

import functools
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum, isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.markdown import Table, three_digits
from difftv.files import write_atomically
from difftv.lab.baselines import loosened, nonlocal_means, scalar_denoiser, search_per_set
from difftv.lab.data import EvaluationPatches, PublishedImages
from difftv.lab.report.seeds import Estimate, estimate
from difftv.lab.rundir.reading import read_json
from difftv.lab.training.protocol import score
from difftv.method import Method as DenoisingMethod
from difftv.metrics import gradient_ratio, plateau_excess, plateau_excess_ramp, quantize
from difftv.regularizers import TGV, TVTV2, AnisotropicTV, IsotropicTV, Regularizer, TVpwL
from difftv.solvers import whole_image_solver
from difftv.types import Image

MEASURED = ("psnr", "ssim", "stair/plateau_excess", "stair/plateau_excess_ramp", "edge/gradient_ratio")

Denoise = Callable[[Image, float], Image]
"""(noisy image, sigma) -> denoised image, as tensors (1, 1, height, width)."""


@dataclass(frozen=True)
class Method:
    """A row of the table before it is measured.

    Attributes:
        name: in tables and figures; seeds of one method share it.
        group: "constants", "maps", "shipped" or "other".
        key: identity of its ingredients: numbers that were measured under another key are not used again.
        denoise: how it denoises at a noise level; asked for only where something has to be measured.
        weights: numbers that were learned; 0 for a method without any.
    """

    name: str
    group: str
    key: str
    denoise: Callable[[float], Denoise]
    weights: int = 0


@dataclass(frozen=True)
class AblationRow:
    """A method at one noise level.

    Attributes:
        name, group, weights: name, group and number of weights of the method.
        sigma: standard deviation of the noise in 8-bit units.
        images: name -> the numbers of `MEASURED`. PSNR and SSIM of the image rounded to 8 bit, the others as it is.
        seconds_per_megapixel: seconds of all images together, with the threads that torch had.
    """

    name: str
    group: str
    weights: int
    sigma: float
    images: Mapping[str, Mapping[str, float]]
    seconds_per_megapixel: float

    def mean(self, metric: str) -> float:
        """Over the images on which the metric is defined."""
        values = [row[metric] for row in self.images.values() if isfinite(row[metric])]
        return fsum(values) / len(values) if values else float("nan")


CONSTANTS: Mapping[str, Regularizer] = {
    "scalar TV, anisotropic": AnisotropicTV(),
    "scalar TV, isotropic": IsotropicTV(),
    "TVpwL, constant lam and gam": TVpwL(),
    "TV-TV2, constant lam1 and lam2": TVTV2(),
    "TGV, constant lam1 and lam2": TGV(),
}


def learned(name: str, group: str, denoiser: DenoisingMethod, key: str) -> Method:
    """A trained model."""
    weights = sum(parameter.numel() for parameter in denoiser.predictor.parameters())

    def denoise(noisy: Image, sigma: float) -> Image:
        return denoiser.denoise(noisy, sigma).denoised

    return Method(name, group, key, lambda sigma: denoise, weights)


def tuned(name: str, regularizer: Regularizer, crops: Callable[[float], EvaluationPatches], key: str) -> Method:
    """Constants in place of maps, with the best mean PSNR on training crops at the noise level in question.

    Args:
        name: name of the row.
        regularizer: regularizer that they belong to.
        crops: noise level -> what they are searched on.
        key: key of these crops.
    """
    solver = whole_image_solver(regularizer)

    @functools.cache  # the table and the figures ask for the same level
    def at(sigma: float) -> Denoise:
        items = crops(sigma)
        found = search_per_set(
            loosened(solver), items, batch_size=len(items), refinements=2, label=f"{name}, sigma {sigma:g}"
        )
        best = scalar_denoiser(solver, found.values[0])
        return lambda noisy, _: best(noisy).denoised

    return Method(name, "constants", key, at)


def non_local_means() -> Method:
    return Method("non-local means", "other", "as in difftv.lab.baselines", lambda sigma: nonlocal_means)


class Measurements:
    """Rows that are measured once: they are kept in a file, and found there by method, noise level and images.

    Args:
        file: JSON; written after every row.

    Raises:
        UnreadableError: the file is there and is not what was written.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._kept: dict[str, Any] = dict(read_json(file)) if file.is_file() else {}

    def row(self, method: Method, items: PublishedImages, images_key: str) -> AblationRow:
        """The numbers of a method on images with noise, with a progress bar where they are not known yet."""
        key = hashlib.sha256(repr((method.name, method.key, items.sigma, images_key)).encode()).hexdigest()[:16]
        if key not in self._kept:
            self._kept[key] = asdict(_measure(method, items))
            write_atomically(self.file, json.dumps(self._kept, indent=1) + "\n")
        return AblationRow(**self._kept[key])


def _measure(method: Method, items: PublishedImages) -> AblationRow:
    denoise, images, seconds, pixels = method.denoise(items.sigma), {}, 0.0, 0
    bar = tqdm(items, desc=f"{method.name}, sigma {items.sigma:g}", unit="image", leave=False, disable=None)
    with torch.no_grad():
        for item in bar:
            started = time.perf_counter()
            denoised = denoise(item.noisy, items.sigma)
            seconds += time.perf_counter() - started
            pixels += item.reference.numel()
            images[item.name] = score(quantize(denoised), item.reference) | {
                "stair/plateau_excess": float(plateau_excess(denoised, item.reference)),
                "stair/plateau_excess_ramp": float(plateau_excess_ramp(denoised, item.reference)),
                "edge/gradient_ratio": float(gradient_ratio(denoised, item.reference)),
            }
    return AblationRow(method.name, method.group, method.weights, items.sigma, images, seconds / pixels * 1e6)


def by_name(rows: Sequence[AblationRow]) -> dict[str, list[AblationRow]]:
    """The seeds of every method, in the order of the first ones."""
    found: dict[str, list[AblationRow]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return found


def over_seeds(seeds: Sequence[AblationRow], metric: str) -> Estimate:
    """Mean and standard deviation of the means over the images."""
    return estimate([row.mean(metric) for row in seeds])


def ablation_table(rows: Sequence[AblationRow], title: str, remark: str) -> Table:
    """All methods at one noise level, in their order; seeds of one method as their mean and standard deviation."""

    def cell(seeds: Sequence[AblationRow], metric: str, digits: int) -> str:
        found = over_seeds(seeds, metric)
        mean = f"{found.mean:z.{digits}f}"
        return mean if found.std is None else f"{mean} ± {found.std:.{digits}f}"

    return Table(
        title=title,
        remark=remark,
        heads=(
            "method",
            "weights",
            "seeds",
            "PSNR [dB]",
            "SSIM",
            "plateau_excess",
            "plateau_excess_ramp",
            "gradient_ratio",
            "s/megapixel",
        ),
        rows=[
            (
                name,
                f"{seeds[0].weights:,}" if seeds[0].weights else "-",
                f"{len(seeds)}" if seeds[0].weights else "-",
                cell(seeds, "psnr", 2),
                cell(seeds, "ssim", 4),
                cell(seeds, "stair/plateau_excess", 2),
                cell(seeds, "stair/plateau_excess_ramp", 2),
                cell(seeds, "edge/gradient_ratio", 2),
                three_digits(fmean(row.seconds_per_megapixel for row in seeds)),
            )
            for name, seeds in by_name(rows).items()
        ],
    )
