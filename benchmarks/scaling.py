"""How time and memory of the exact layer grow with the image, and what the predictor in front of it costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.clock import Seconds, Spread, paired_ratio, take_turns, total, training_step
from benchmarks.inputs import Inputs, natural_image
from benchmarks.markdown import Table, between, mebibytes, milliseconds, three_digits
from benchmarks.own_process import in_own_process, peak_bytes, resident_bytes
from difftv.regularizers import AnisotropicTV
from difftv.solvers import Solver
from difftv.solvers.exact.solver import Exact
from difftv.types import Image, Map

_WARM_UP = 128
"""Side of the image that is denoised first: compiled kernels and thread pools are not what is measured."""


@dataclass(frozen=True)
class ScalingRow:
    """`exact` on one image.

    Attributes:
        height, width: in pixels.
        threads: threads of torch and of the solver.
        iterations: sweeps that it took.
        seconds: seconds of `forward` and `backward`, per round.
        per_pixel_ratio: (forward + backward) per pixel over that of the smallest image, paired.
        peak: memory of a step at its peak over what the process held before (image and map included there), in bytes.
        image_bytes: the float64 image.
    """

    height: int
    width: int
    threads: int
    iterations: int
    seconds: Seconds
    per_pixel_ratio: Spread
    peak: int
    image_bytes: int


def measure_scaling(photograph: Path, sizes: Sequence[tuple[int, int]], repeats: int) -> list[ScalingRow]:
    """Denoise one photograph at several sizes (height, width) in turns; ratios are to the first."""
    solver = Exact(AnisotropicTV(1))
    images = {size: natural_image(photograph, *size) for size in sizes}
    iterations = {size: int(solver(image.noisy, image.lam).iterations) for size, image in images.items()}
    _step(solver, images[sizes[0]])  # the kernels of the backward
    turns = take_turns({size: partial(_step, solver, image) for size, image in images.items()}, repeats, warm_up=False)
    first = _per_pixel(turns[sizes[0]], sizes[0])
    threads = torch.get_num_threads()
    return [
        ScalingRow(
            height=height,
            width=width,
            threads=threads,
            iterations=iterations[height, width],
            seconds=turns[height, width],
            per_pixel_ratio=paired_ratio(_per_pixel(turns[height, width], (height, width)), first),
            peak=in_own_process(_peak_of_step, photograph, height, width, threads),
            image_bytes=8 * height * width,
        )
        for height, width in sizes
    ]


def scaling_table(rows: Sequence[ScalingRow]) -> Table:
    first = rows[0]
    return Table(
        title="exact on larger images",
        remark=f"Batch 1, {first.threads} thread(s), {len(first.seconds['forward'])} round(s) in turns; ratios are "
        "paired round by round: median (smallest to largest). Memory: peak of one step over what the process held "
        "before, image and map included there.",
        heads=(
            "image [px]",
            "sweeps",
            "forward [ms]",
            "backward [ms]",
            "step per pixel [us]",
            f"per pixel, over {first.height}x{first.width}",
            "peak [MiB]",
            "peak/float64 image",
        ),
        rows=[
            (
                f"{row.height}x{row.width}",
                str(row.iterations),
                milliseconds(row.seconds["forward"]),
                milliseconds(row.seconds["backward"]),
                # 1e-6 s = 1e-3 ms
                milliseconds([1e3 * value for value in _per_pixel(row.seconds, (row.height, row.width))]),
                between(row.per_pixel_ratio),
                mebibytes(row.peak),
                three_digits(row.peak / row.image_bytes),
            )
            for row in rows
        ],
    )


def _per_pixel(seconds: Seconds, size: tuple[int, int]) -> list[float]:
    return [value / (size[0] * size[1]) for value in total(seconds)]


def _step(solver: Solver, inputs: Inputs) -> dict[str, float]:
    return training_step(partial(_denoised, solver, inputs.noisy), inputs.lam, inputs.clean)


def _denoised(solver: Solver, noisy: Image, lam: Map) -> Image:
    return solver(noisy, lam).denoised


def _peak_of_step(photograph: Path, height: int, width: int, threads: int) -> int:
    torch.set_num_threads(threads)
    solver = Exact(AnisotropicTV(1))
    _step(solver, natural_image(photograph, _WARM_UP, _WARM_UP))
    image = natural_image(photograph, height, width)
    before = resident_bytes()
    _step(solver, image)
    return max(1, peak_bytes() - before)
