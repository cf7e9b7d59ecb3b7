"""What `evaluate.py` does with measured data: a folder of .npz files instead of images (`difftv.lab.data.measured`)."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from difftv.denoiser import Denoiser
from difftv.errors import ConfigError
from difftv.lab.baselines import scalar_denoiser
from difftv.lab.data.measured import SUFFIX, MeasuredImage, read_measured
from difftv.lab.report.markdown import escape, grid
from difftv.linear import first_look
from difftv.metrics import psnr, ssim
from difftv.reconstructor import Reconstructor
from difftv.solvers import Admm, Solution
from difftv.types import Image

LOOK, TUNED, LEARNED = "first look", "scalar lambda, tuned", "learned map"

AS_THEY_ARE = "Protocol: measurements as they are in the files."
SCORED = "PSNR and SSIM on the crop of each file, peak 1, not clamped."

PREFIXES = {LOOK: "noisy/", TUNED: "tuned/", LEARNED: ""}


@dataclass(frozen=True)
class MeasuredRow:
    """One file: PSNR and SSIM of every method where the clean image is known, and how exact the learned solve is."""

    name: str
    scores: Mapping[str, float]
    gap: float
    iterations: int
    converged: bool


def files_of_measurements(paths: Sequence[Path]) -> list[Path] | None:
    """The .npz files among paths that are such files, or folders of them; None where there is none."""
    found = [file for path in paths for file in (sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path])]
    found = [file for file in found if file.suffix == SUFFIX]
    return found or None


def evaluate_measured(
    denoiser: Denoiser,
    files: Sequence[Path],
    *,
    tuned: Mapping[str, float] | None,
    folder: Path,
    factor: float = 1.0,
    sigma: float | None = None,
) -> list[MeasuredRow]:
    """Reconstruct every file, write `reconstruction`, `maps` and `gap` of each into a folder, and score it.

    Args:
        denoiser: predictor and solver; `Admm` stands in where that solver takes no operator.
        files: the .npz files.
        tuned: scalars in the units of the measurements, by name; None where there are none.
        folder: where the reconstructions go; it is made.
        factor: factor on the maps, for a model that was trained to denoise.
        sigma: noise level of the measurements for a predictor that has it as an input, in 8-bit units; it is told
            `Reconstructor.level`.

    Raises:
        DataError: a file that does not fit.
        ConfigError: the predictor needs a noise level.
    """
    if denoiser.sigma_input and sigma is None:
        raise ConfigError("The predictor has the noise level as an input: give it as --sigma.")
    regularizer, device = denoiser.solver.regularizer, next(denoiser.parameters()).device
    solver = denoiser.solver if isinstance(denoiser.solver, Admm) else Admm(regularizer)
    reconstructor = Reconstructor(denoiser.predictor, solver, factor, denoiser.looks)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with torch.no_grad():
        for path in files:
            image = read_measured(path, regularizer.channels)
            image = replace(image, measured=image.measured.to(device))
            y, operator = image.measured.data, image.measured.operator
            level = None
            if denoiser.sigma_input and sigma is not None:
                level = reconstructor.level(y, operator, sigma)  # as in training
            solution = reconstructor(y, operator, image.data_weight, sigma=level)
            ways = {LOOK: first_look(operator, y)}
            if tuned is not None:
                ways[TUNED] = _scalar(solver, solution, image, tuned)
            ways[LEARNED] = solution.denoised
            rows.append(_row(image, ways, solution))
            np.savez(
                folder / f"{image.name}{SUFFIX}",
                reconstruction=solution.denoised[0].cpu().numpy(),
                maps=solution.lam[0].cpu().numpy(),
                gap=solution.gap.numpy(),
            )
    return rows


def _scalar(solver: Admm, like: Solution, image: MeasuredImage, tuned: Mapping[str, float]) -> Image:
    values = [tuned[name] for name in solver.regularizer.parameters]
    maps = scalar_denoiser(solver, values).predictor(like.denoised[:, : solver.regularizer.channels])
    return solver(image.measured.data, maps, image.data_weight, operator=image.measured.operator).denoised


def _row(image: MeasuredImage, ways: Mapping[str, Image], solution: Solution) -> MeasuredRow:
    scores: dict[str, float] = {}
    if image.clean is not None:
        for way, found in ways.items():
            part = image.scored(_magnitude(found)).cpu()
            scores[f"{PREFIXES[way]}psnr"] = float(psnr(part, image.clean))
            scores[f"{PREFIXES[way]}ssim"] = float(ssim(part, image.clean))
    return MeasuredRow(
        image.name, scores, float(solution.gap[0]), int(solution.iterations[0]), bool(solution.converged[0])
    )


def _magnitude(image: Image) -> Image:
    """The image itself, or the magnitude of a complex one of two channels."""
    return image if image.shape[1] == 1 else image.square().sum(dim=1, keepdim=True).sqrt()


def means(rows: Sequence[MeasuredRow]) -> dict[str, float]:
    """The mean of every score over the files that have it; empty where no clean image is known."""
    names = dict.fromkeys(name for row in rows for name in row.scores)
    columns = {name: [row.scores[name] for row in rows if name in row.scores] for name in names}
    return {name: math.fsum(values) / len(values) for name, values in columns.items()}


def measured_markdown(rows: Sequence[MeasuredRow], *, title: str, tuned: Mapping[str, float] | None) -> str:
    """PSNR of every file and the means, and what the columns are."""
    ways = [way for way in (LOOK, TUNED, LEARNED) if any(f"{PREFIXES[way]}psnr" in row.scores for row in rows)]
    body = [
        [escape(row.name), *(f"{row.scores.get(f'{PREFIXES[way]}psnr', math.nan):.2f}" for way in ways),
         f"{row.gap:.1e}", str(row.iterations)]
        for row in rows
    ]  # fmt: skip
    average = means(rows)
    for metric, digits in (("psnr", 2), ("ssim", 4)):
        if ways:
            cells = [f"**{average[PREFIXES[way] + metric]:.{digits}f}**" for way in ways]
            body.append([f"**mean {metric.upper()}**", *cells, "", ""])
    scalar = "" if tuned is None else f" Scalar: {', '.join(f'{name} = {value:.4g}' for name, value in tuned.items())}."
    known = SCORED if ways else "No clean image is known."
    stopped = [row.name for row in rows if not row.converged]
    parts = [
        f"### {escape(title)}",
        f"{AS_THEY_ARE} {known}{scalar} gap: relative duality gap of the learned map's solve.",
        grid([["file", *ways, "gap", "iterations"], *body], left=1),
    ]
    if stopped:
        parts.append(f"NOT CONVERGED: {', '.join(map(escape, stopped))}.")
    return "\n\n".join(parts) + "\n"


def measured_csv(rows: Sequence[MeasuredRow]) -> str:
    """One line per file."""
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", *names, "gap", "iterations", "converged"])
    for row in rows:
        scores = (repr(row.scores[name]) if name in row.scores else "" for name in names)
        writer.writerow([row.name, *scores, repr(row.gap), row.iterations, int(row.converged)])
    return text.getvalue()


def measured_json(rows: Sequence[MeasuredRow], tuned: Mapping[str, float] | None, origin: Mapping[str, object]) -> str:
    """The means; `origin` says of what run, by what code."""
    content = {
        "format": 1,
        "measured": True,
        "files": len(rows),
        "lam": {f"tuned/{name}": value for name, value in (tuned or {}).items()},
        "metrics": means(rows),
        "not_converged": [row.name for row in rows if not row.converged],
        **origin,
    }
    return json.dumps(content, indent=2) + "\n"
