"""One row of numbers per image: for the learned map, the noisy input and the baselines alike."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn
from tqdm import tqdm

from difftv.errors import SolverError
from difftv.lab.data import Batch, EvaluationItem, EvaluationPatches
from difftv.lab.data.evaluation import measurements, noise_of
from difftv.lab.losses import Sure, WithoutClean
from difftv.lab.training.maps import solution_metrics
from difftv.lab.training.restoration import restore
from difftv.lab.training.without_clean import estimated_mse, loss_per_image
from difftv.method import Method
from difftv.metrics import image_metrics
from difftv.noise import arguments_of, joined
from difftv.solvers.base import Solution
from difftv.types import Image

log = logging.getLogger(__name__)

Row = dict[str, float]
"""Metric name -> value, for one image."""


@dataclass(frozen=True)
class Evaluated:
    """One image after evaluation: its numbers, and what a figure of it needs.

    `denoised` (1, 1 or 3, height, width) and `lam` (1, maps, height, width) are on the CPU, or None where the solver
    gave no answer; the row then holds no image metrics and `solver/failed` is 1. `lam` is also None where there are no
    maps. `auxiliary` is the field v (1, 2 or 6, height, width) of a regularizer that has one. `metrics_seconds` is what
    measuring it cost.
    """

    item: EvaluationItem
    row: Row
    denoised: torch.Tensor | None
    lam: torch.Tensor | None
    metrics_seconds: float = 0.0
    auxiliary: torch.Tensor | None = None


def evaluate(
    denoiser: Method,
    items: EvaluationPatches,
    *,
    batch_size: int,
    device: torch.device | str = "cpu",
    label: str | None = None,
    factor: float = 1.0,
    loss: nn.Module | None = None,
) -> list[Evaluated]:
    """Denoise every image without a gradient and measure it.

    Args:
        denoiser: denoiser of a run; one with `sigma_input` is given the noise levels of the images.
        items: the images; neighbours of equal size are solved together.
        batch_size: images at a time, >= 1.
        device: where the predictor is.
        label: text of the progress bar; None for no bar.
        factor: factor on the maps behind a forward operator, see `restore`.
        loss: loss that images without clean ones are measured by, besides the error that is estimated of them.

    Returns:
        One entry per item, in their order.
    """
    evaluated: list[Evaluated] = []
    bar = tqdm(total=len(items), desc=label, unit="image", leave=False, disable=True if label is None else None)
    with bar:
        for group in items.batches(batch_size):
            evaluated += evaluate_group(denoiser, group, device, factor, loss)
            bar.update(len(group))
    return evaluated


@torch.no_grad()
def evaluate_group(
    denoiser: Method,
    group: Sequence[EvaluationItem],
    device: torch.device | str = "cpu",
    factor: float = 1.0,
    loss: nn.Module | None = None,
) -> list[Evaluated]:
    """The same for images of one size, solved together; where that fails, one by one."""
    noisy = torch.cat([item.noisy for item in group]).to(device)
    measured = measurements(group, device)
    score = "estimated_mse" if group[0].clean is None else "psnr"
    clean = None if group[0].clean is None else torch.cat([item.reference for item in group])
    try:
        found = restore(denoiser, noisy, noise_of(group, noisy.device), measured, factor)
        solution = _on_cpu(found)
        started = time.perf_counter()
        if clean is None:
            metrics = _without_clean(denoiser, group, found, loss)
        else:
            metrics = image_metrics(solution.denoised, clean)
    except SolverError as error:
        if len(group) > 1:
            return [row for item in group for row in evaluate_group(denoiser, [item], device, factor, loss)]
        log.warning("%s is left out of the means: %s", group[0].name, error)
        return [Evaluated(group[0], {score: math.nan, "solver/failed": 1.0, "solver/not_converged": 1.0}, None, None)]
    if denoiser.map_names:
        metrics |= solution_metrics(solution, clean, denoiser.solver.regularizer)
    seconds = (time.perf_counter() - started) / len(group)
    metrics |= {
        "solver/iterations": solution.iterations,
        "solver/gap": solution.gap,
        "solver/not_converged": ~solution.converged,
        "solver/failed": torch.zeros(len(group), device="cpu"),
    }
    return [
        Evaluated(
            item,
            {name: float(values[index]) for name, values in metrics.items()},
            solution.denoised[index : index + 1],
            solution.lam[index : index + 1] if denoiser.map_names else None,
            seconds,
            None if solution.auxiliary is None else solution.auxiliary[index : index + 1],
        )
        for index, item in enumerate(group)
    ]


def evaluate_plain(denoise: Callable[[Image], Image], items: Iterable[EvaluationItem]) -> list[Row]:
    """The image metrics of any function from noisy to denoised images, one image at a time."""
    return [_single(_plain(denoise, item)) for item in items]


def _plain(denoise: Callable[[Image], Image], item: EvaluationItem) -> dict[str, torch.Tensor]:
    denoised = denoise(item.noisy)
    if item.clean is not None:
        return image_metrics(denoised, item.clean)
    sigma = torch.tensor([item.sigma], device="cpu")
    found = estimated_mse(lambda noisy, _: denoise(noisy), item.noisy, sigma, denoised, item.name, item.kind)
    return {"estimated_mse": found}


def _without_clean(
    denoiser: Method, group: Sequence[EvaluationItem], solution: Solution, loss: nn.Module | None
) -> dict[str, torch.Tensor]:
    """The estimated error and the loss of images of one size."""
    noisy = torch.cat([item.noisy for item in group]).to(solution.denoised.device)
    sigma = torch.tensor([item.sigma for item in group], device=noisy.device)
    seconds = [item.again for item in group if item.again is not None]
    kinds = [item.kind for item in group if item.kind is not None]
    batch = Batch(
        None,
        noisy,
        sigma,
        again=torch.cat(seconds).to(noisy.device) if seconds else None,
        kind=joined(kinds) if kinds else None,
    )
    found = {"estimated_mse": loss_per_image(Sure(), denoiser, batch, solution, group[0].name)}
    if isinstance(loss, Sure):
        found["loss"] = found["estimated_mse"]
    elif isinstance(loss, WithoutClean):
        found["loss"] = loss_per_image(loss, denoiser, batch, solution, group[0].name)
    return {name: values.cpu() for name, values in found.items()}


def mean_row(rows: Iterable[Row], methods: Sequence[str] = ("",)) -> Row:
    """The mean over images of every metric, over the images on which every method has a value (not NaN).

    A metric that is infinite on some image (the PSNR of a perfect one) has an infinite mean. A method that has no value
    on any image has the mean NaN, and does not keep the others from theirs.

    Args:
        rows: one per image.
        methods: groups of metrics that are compared side by side in a row: `baseline` for the metrics `baseline/psnr`,
            `baseline/ssim`, ...; the empty word for those without such a prefix.
    """
    table = list(rows)
    names = list(dict.fromkeys(name for row in table for name in row))
    compared: dict[str, list[str]] = {}
    for name in names:
        if any(not math.isnan(row.get(name, math.nan)) for row in table):
            compared.setdefault(_bare(name, methods), []).append(name)
    return {
        name: _mean([row[name] for row in table if name in row and _answered(row, [name, *compared.get(bare, [])])])
        for name, bare in ((name, _bare(name, methods)) for name in names)
    }


def left_out(rows: Iterable[Row], methods: Sequence[str]) -> int:
    """How many images are in no mean of the PSNR (or the estimated error), as one of the methods has none there."""
    score = score_name(rows := list(rows))
    names = [f"{method}/{score}" if method else score for method in methods]
    return sum(not _answered(row, names) for row in rows)


def evaluated_set(items: Iterable[EvaluationItem]) -> str:
    """A digest of the clean crops (of the noisy ones, where there are none) and their names, in their order.

    Runs with one digest, one sigma and one setting of clipping were evaluated on the same data. Behind a forward
    operator the measurements are part of it, and so is noise of another kind than white Gaussian noise, but sigma.
    """
    digest = hashlib.sha256()
    for item in items:
        shown = item.noisy if item.clean is None else item.clean
        digest.update(repr((item.name, tuple(shown.shape))).encode(errors="backslashreplace"))
        digest.update(shown.cpu().to(torch.float32).numpy().tobytes())
        if item.again is not None:
            digest.update(item.again.cpu().to(torch.float32).numpy().tobytes())
        if item.kind is not None:
            values = {name: value for name, value in arguments_of(item.kind).items() if name != "sigma"}
            digest.update(repr((type(item.kind).__name__, values)).encode())
        if item.measured is not None:
            digest.update(item.measured.data.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def score_name(rows: Iterable[Mapping[str, float]]) -> str:
    """`psnr`, or `estimated_mse` where there are no clean images."""
    return "estimated_mse" if any("estimated_mse" in row for row in rows) else "psnr"


def prefixed(prefix: str, row: Row) -> Row:
    """The same row under `prefix/name`."""
    return {f"{prefix}/{name}": value for name, value in row.items()}


def _on_cpu(solution: Solution) -> Solution:
    auxiliary = None if solution.auxiliary is None else solution.auxiliary.cpu()
    return replace(solution, denoised=solution.denoised.cpu(), lam=solution.lam.cpu(), auxiliary=auxiliary)


def _bare(name: str, methods: Sequence[str]) -> str:
    return next((name.removeprefix(f"{m}/") for m in methods if m and name.startswith(f"{m}/")), name)


def _answered(row: Row, names: Sequence[str]) -> bool:
    return not any(math.isnan(row.get(name, math.nan)) for name in names)


def _single(metrics: dict[str, torch.Tensor]) -> Row:
    return {name: float(values[0]) for name, values in metrics.items()}


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values and all(map(math.isfinite, values)) else _infinite_mean(values)


def _infinite_mean(values: list[float]) -> float:
    return sum(values) if values else math.nan
