"""The learned map and scalar lambdas under the protocol of published tables of denoising, gray or RGB.

Numbers measured here may stand beside those of other papers; those of a run's own result.json may not (other noise,
no rounding, as a rule crops).
"""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from difftv.lab.baselines import loosened, scalar_denoiser, search_per_set
from difftv.lab.data import PublishedImages
from difftv.lab.data.colours import gray_names
from difftv.lab.report.markdown import escape, grid
from difftv.lab.training.evaluation import Row, mean_row
from difftv.method import Method
from difftv.metrics import psnr, quantize, ssim
from difftv.noise import GaussianNoise, Noise, NoiseRange, range_of
from difftv.noise.named import BY_NAME
from difftv.space import AXES, KINDS, by_size
from difftv.types import Image

NOISY, TUNED, ORACLE, LEARNED = "noisy", "scalar lambda, tuned", "scalar lambda, oracle", "learned map"
"""Ways of denoising, by the name in tables; see `MEANING`."""

NETWORK = "network, no map"
"""In place of the learned map, for a network that predicts the image."""

PREFIXES: Mapping[str, str] = {NOISY: "noisy/", TUNED: "tuned/", ORACLE: "set_oracle/", LEARNED: "", NETWORK: ""}
"""Name -> prefix of its metrics in files, as in result.json, whose own "oracle/" is chosen for each image."""

METRICS = ("psnr", "ssim")

FORMAT = 1
"""Raised whenever an older reader would misunderstand a newer JSON file."""

SEARCH_BATCH = 8
"""Images of one size that the search solves at a time."""


@dataclass(frozen=True)
class ProtocolNumbers:
    """A run and the other methods on one set of images.

    Attributes:
        noise: noise of the images.
        shapes: name of every image -> (height, width), of volumes with the depth first.
        numbers: name of every scalar way -> what is constant there, by name: lam; or lam1, lam2; or lam, gam.
        rows: name of every way -> one row per image with `psnr` (dB) and `ssim`.
        not_converged: images on which the learned map's solve stopped short of its tolerance.
        colour: whether the images are RGB.
        gray: names of the images whose three channels are equal.
    """

    noise: Noise
    shapes: Mapping[str, tuple[int, ...]]
    numbers: Mapping[str, Mapping[str, float]]
    rows: Mapping[str, list[Row]]
    not_converged: tuple[str, ...]
    colour: bool = False
    gray: tuple[str, ...] = ()

    @property
    def axes(self) -> int:
        """Number of axes: 2 for images, 3 for volumes."""
        return len(next(iter(self.shapes.values()), (0, 0)))

    @property
    def learned(self) -> str:
        """Name of what was learned."""
        return LEARNED if LEARNED in self.rows else NETWORK

    @property
    def means(self) -> dict[str, Row]:
        """Name of every way -> the mean row over the images."""
        return {name: mean_row(rows) for name, rows in self.rows.items()}


def evaluate_published(
    denoiser: Method,
    items: PublishedImages,
    *,
    tuned: Mapping[str, float] | None,
    search: bool = True,
    device: torch.device | str = "cpu",
) -> ProtocolNumbers:
    """Measure the noisy images, scalar lambdas and the learned map, with progress bars.

    Args:
        denoiser: predictor and solver; the scalars are solved by the same solver.
        items: the images.
        tuned: the scalars found on other images (training crops of the run), by name; None where there are none.
        search: whether the best scalars for these images are searched, which takes longer than everything else.
        device: where the predictor lives.

    Raises:
        SolverError: the solver gave no answer for an image.
        ProblemTooLargeError: the solver cannot take an image of this size.
        DataError: the denoiser is one of colour images, and every image is gray.
    """
    for shape in items.images.shapes:
        denoiser.solver.check_size(*shape)
    gray = gray_names(items.images) if denoiser.colour else ()
    not_converged: list[str] = []

    def learned(noisy: Image, name: str) -> Image:
        solution = denoiser.denoise(noisy.to(device), items.noise)
        if not bool(solution.converged.all()):
            not_converged.append(name)
        return solution.denoised.cpu()

    stabilise = getattr(denoiser, "stabilise", True)
    names, used = denoiser.solver.regularizer.parameters, denoiser.solver.workplace.device_for(device)
    numbers = {} if tuned is None else {TUNED: tuned}
    if search:
        numbers[ORACLE] = search_per_set(
            loosened(denoiser.solver),
            items,
            batch_size=SEARCH_BATCH,
            label=f"search {', '.join(names)}",
            device=device,
            stabilise=stabilise,
        ).named()
    rows = {NOISY: [score(item.noisy, item.reference) for item in items]}
    for way, values in numbers.items():
        scalar = scalar_denoiser(denoiser.solver, [values[name] for name in names], stabilise).to(used)
        rows[way] = _rows(
            items,
            lambda noisy, _, at=scalar: at.denoise(noisy.to(used), items.noise).denoised.cpu(),  # type: ignore[misc]
            way,
        )
    way = LEARNED if denoiser.map_names else NETWORK
    rows[way] = _rows(items, learned, way)
    shapes = dict(zip(items.images.names, items.images.shapes, strict=True))
    return ProtocolNumbers(items.noise, shapes, numbers, rows, tuple(not_converged), denoiser.colour, gray)


def score(denoised: Image, clean: Image) -> Row:
    """`psnr` and `ssim` of a single image, as they are; of a signal there is no `ssim`, which is NaN."""
    found = ssim(denoised, clean) if clean.ndim > 3 else torch.full((1,), math.nan)
    return {"psnr": float(psnr(denoised, clean)), "ssim": float(found)}


def statement(noise: float | Noise | None, *, colour: bool = False, axes: int = 2) -> str:
    """The protocol in words, to stand next to every number; None where the white noise stands beside each."""
    noise = GaussianNoise(noise) if isinstance(noise, float | int) else noise
    what = f"{'RGB' if colour else 'gray'} images" if axes == 2 else KINDS[axes]
    each = KINDS[axes].removesuffix("s")
    how = f"not clipped, from torch.Generator().manual_seed(0), seeded anew for every {each}"
    if noise is None or isinstance(noise, GaussianNoise):
        level = "the stated sigma" if noise is None else f"sigma {noise.sigma:g}"
        kind = f"white Gaussian noise of {level} (8-bit units), {how} (float32 torch.randn of the {each}'s shape)"
    else:
        kind = f"{range_of(noise)} (sigma in 8-bit units), {how}"
    return (
        f"Protocol: whole {what}; {kind}; "
        f"denoised {each}s clamped to [0, 1] and rounded to 8 bit before PSNR and SSIM, no border cut. The noisy "
        f"{each}s are scored as they are.{' SSIM is the mean over the slices of a volume.' if axes == 3 else ''}"
    )


def to_markdown(found: ProtocolNumbers, *, title: str) -> str:
    """The protocol, PSNR of every image and the means, and what the columns are."""
    heads = ["image", "size", *found.rows]
    body = [
        [escape(name), by_size(shape[::-1]), *(f"{rows[index]['psnr']:.2f}" for rows in found.rows.values())]
        for index, (name, shape) in enumerate(found.shapes.items())
    ]
    count = f"{len(found.shapes)} {KINDS[found.axes][: len(KINDS[found.axes]) - (len(found.shapes) == 1)]}"
    for metric, text, digits in zip(METRICS, ("**mean PSNR (dB)**", "**mean SSIM**"), (2, 4), strict=True):
        body.append([text, count, *(f"**{row[metric]:.{digits}f}**" for row in found.means.values())])
    parts = [
        f"### {escape(title)}",
        statement(found.noise, colour=found.colour, axes=found.axes),
        grid([heads, *body], left=2),
        _legend(found),
    ]
    if found.gray:
        parts.append(
            f"GRAY, as three equal channels with noise of its own in each: {', '.join(map(escape, found.gray))}. Their "
            "numbers are none of gray denoising."
        )
    if found.not_converged:
        parts.append(f"NOT CONVERGED, {found.learned}: {', '.join(map(escape, found.not_converged))}.")
    return "\n\n".join(parts) + "\n"


def to_csv(found: ProtocolNumbers) -> str:
    """One line per image: `psnr`, `noisy/psnr`, `tuned/psnr`, `set_oracle/psnr`, ... and the same of `ssim`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [(way, metric) for way in found.rows for metric in METRICS]
    writer.writerow(["image", *AXES[found.axes], *(PREFIXES[way] + metric for way, metric in columns)])
    for index, (name, shape) in enumerate(found.shapes.items()):
        writer.writerow([name, *shape, *(repr(found.rows[way][index][metric]) for way, metric in columns)])
    return text.getvalue()


def to_json(found: ProtocolNumbers, origin: Mapping[str, object]) -> str:
    """The means, the lambdas and the protocol; `origin` says of what run, by what code."""
    means = {PREFIXES[way] + metric: row[metric] for way, row in found.means.items() for metric in METRICS}
    content = {
        "format": FORMAT,
        "protocol": statement(found.noise, colour=found.colour, axes=found.axes),
        **noise_entry(found.noise),
        "images": len(found.shapes),
        "lam": {
            PREFIXES[way] + name: value for way, numbers in found.numbers.items() for name, value in numbers.items()
        },
        "metrics": {name: value if math.isfinite(value) else None for name, value in means.items()},
        "not_converged": list(found.not_converged),
        **({"gray": list(found.gray)} if found.gray else {}),
        **origin,
    }
    return json.dumps(content, indent=2) + "\n"


def noise_entry(noise: Noise) -> dict[str, object]:
    """The noise in a JSON file: `sigma`, and `noise` with the kind and its other arguments where it is not white."""
    stated = range_of(noise)
    sigma = {"sigma": getattr(noise, "sigma", 0.0)}
    if stated.white:
        return sigma
    others = {name: value for name, value in stated.plain().items() if name != "sigma"}
    return {**sigma, "noise": {"name": stated.name, **others}}


def noise_in(content: Mapping[str, Any]) -> Noise:
    """The noise of such a file, which is untrusted.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    other = content.get("noise")
    if other is None:
        return GaussianNoise(float(content["sigma"]))
    arguments = {name: value for name, value in other.items() if name != "name"}
    return NoiseRange.of(content["sigma"], BY_NAME[other["name"]], arguments).middle


def _legend(found: ProtocolNumbers) -> str:
    lines = []
    if TUNED in found.numbers:
        lines.append(
            f"- {TUNED}: {_values(found.numbers[TUNED])}, the best on training crops of the run (result.json)."
        )
    if ORACLE in found.numbers:
        spacing = "4 %, 19 % between the others" if len(found.numbers[ORACLE]) > 1 else "4 %"
        lines.append(
            f"- {ORACLE}: {_values(found.numbers[ORACLE])}, the one choice with the best mean PSNR on these very "
            f"images, searched with the clean images in hand (spacing {spacing}): an upper bound for any scalar."
        )
    others = found.numbers or {NOISY: {}}
    gain = {name: found.means[found.learned]["psnr"] - found.means[name]["psnr"] for name in others}
    difference = ", ".join(f"{value:+.2f} dB to {name}" for name, value in gain.items() if math.isfinite(value))
    lines.append(f"- {found.learned}: {difference} (means).")
    return "\n".join(lines)


def _values(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name if len(numbers) > 1 else 'lambda'} = {value:.4g}" for name, value in numbers.items())


def _rows(items: PublishedImages, denoise: Callable[[Image, str], Image], label: str) -> list[Row]:
    with torch.no_grad():
        bar = tqdm(items, desc=label, unit="image", leave=False, disable=None)
        return [score(quantize(denoise(item.noisy, item.name)), item.reference) for item in bar]
