"""One row of numbers per image: for the learned map, the noisy input and the baselines alike."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from tqdm import tqdm

from difftv.data import EvaluationItem, EvaluationPatches
from difftv.errors import SolverError
from difftv.metrics import image_metrics, map_metrics
from difftv.solvers.base import Solution
from difftv.types import Image

log = logging.getLogger(__name__)

Row = dict[str, float]
"""Metric name -> value, for one image."""


@dataclass(frozen=True)
class Evaluated:
    """One image after evaluation: its numbers, and what a figure of it needs.

    `denoised` and `lam` are (1, maps, height, width) on the CPU, or None where the solver gave no answer; the row then
    holds no image metrics and `solver/failed` is 1. `metrics_seconds` is what measuring it cost.
    """

    item: EvaluationItem
    row: Row
    denoised: torch.Tensor | None
    lam: torch.Tensor | None
    metrics_seconds: float = 0.0


def evaluate(
    denoiser: nn.Module,
    items: EvaluationPatches,
    *,
    batch_size: int,
    device: torch.device | str = "cpu",
    label: str | None = None,
) -> list[Evaluated]:
    """Denoise every image without a gradient and measure it.

    Args:
        denoiser: noisy images -> Solution.
        items: the images; neighbours of equal size are solved together.
        batch_size: images at a time, >= 1.
        device: where the predictor lives.
        label: what the progress bar says; None for no bar.

    Returns:
        One entry per item, in their order.
    """
    evaluated: list[Evaluated] = []
    bar = tqdm(total=len(items), desc=label, unit="image", leave=False, disable=True if label is None else None)
    with torch.no_grad(), bar:
        for group in items.batches(batch_size):
            evaluated += evaluate_group(denoiser, group, device)
            bar.update(len(group))
    return evaluated


def evaluate_group(
    denoiser: nn.Module, group: Sequence[EvaluationItem], device: torch.device | str = "cpu"
) -> list[Evaluated]:
    """The same for images of one size, solved together; where that fails, one by one."""
    noisy = torch.cat([item.noisy for item in group]).to(device)
    try:
        solution: Solution = denoiser(noisy)
    except SolverError as error:
        if len(group) > 1:
            return [row for item in group for row in evaluate_group(denoiser, [item], device)]
        log.warning("%s is left out of the means: %s", group[0].name, error)
        return [Evaluated(group[0], {"psnr": math.nan, "solver/failed": 1.0, "solver/not_converged": 1.0}, None, None)]
    denoised, lam = solution.denoised.cpu(), solution.lam.cpu()
    clean = torch.cat([item.clean for item in group])
    started = time.perf_counter()
    metrics = image_metrics(denoised, clean) | map_metrics(lam, clean)
    seconds = (time.perf_counter() - started) / len(group)
    metrics |= {
        "solver/iterations": solution.iterations,
        "solver/gap": solution.gap,
        "solver/not_converged": ~solution.converged,
        "solver/failed": torch.zeros(len(group)),
    }
    return [
        Evaluated(
            item,
            {name: float(values[index]) for name, values in metrics.items()},
            denoised[index : index + 1],
            lam[index : index + 1],
            seconds,
        )
        for index, item in enumerate(group)
    ]


def evaluate_plain(denoise: Callable[[Image], Image], items: Iterable[EvaluationItem]) -> list[Row]:
    """The image metrics of any function from noisy to denoised images, one image at a time."""
    return [_single(image_metrics(denoise(item.noisy), item.clean)) for item in items]


def mean_row(rows: Iterable[Row]) -> Row:
    """The mean over images of every metric, over the images on which it is defined (not NaN).

    A metric that is infinite on some image (the PSNR of a perfect one) has an infinite mean.
    """
    columns: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {name: _mean([value for value in values if not math.isnan(value)]) for name, values in columns.items()}


def prefixed(prefix: str, row: Row) -> Row:
    """The same row under `prefix/name`."""
    return {f"{prefix}/{name}": value for name, value in row.items()}


def _single(metrics: dict[str, torch.Tensor]) -> Row:
    return {name: float(values[0]) for name, values in metrics.items()}


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values and all(map(math.isfinite, values)) else _infinite_mean(values)


def _infinite_mean(values: list[float]) -> float:
    return sum(values) if values else math.nan
