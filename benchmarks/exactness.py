"""Whether the exact layer is exact: image and gradient over weights, noise levels, sizes and kinds of image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from benchmarks.inputs import natural_image
from benchmarks.markdown import Table, three_digits
from difftv.noise import add_noise
from difftv.regularizers import AnisotropicTV
from difftv.solvers import Solution, Solver
from difftv.solvers.exact.solver import Exact
from difftv.types import Image, Map

LAMS = (1e-4, 1e-3, 1e-2, 0.1, 1.0)
SIGMAS = (0.0, 5.0, 25.0, 100.0)
SIZES = (16, 64, 256, 512, 1024)

DIFFERENCES_UP_TO = 256
"""Side up to which gradients are held against differences: larger images take the same steps, and minutes."""

AFFINE = 1e-3
"""A difference is believed where the two halves of its step agree to this share of it: the step crosses no kink."""


@dataclass(frozen=True)
class ExactnessRow:
    """One size and kind of image.

    Attributes:
        kind: kind of image.
        size: side in pixels.
        solves: images solved: every sigma, every weight, as a constant and as a map that varies.
        not_converged: number of solves that did not converge.
        gap: largest relative duality gap.
        image_error: bound of the rms error that this gap proves, in intensity, the largest.
        differences: number of those solves whose central difference could be believed.
        gradient_error: |<grad, d> - difference| / |difference| along a random direction in lam and y, the largest; None
            where there is no difference.
        over_sweeps: seconds over those of a solve that stops at a gap of 1e-4, median.
        seconds: the slowest solve.
    """

    kind: str
    size: int
    solves: int
    not_converged: int
    gap: float
    image_error: float
    differences: int
    gradient_error: float | None
    over_sweeps: float
    seconds: float


def measure_exactness(photograph: Path, size: int) -> list[ExactnessRow]:
    """Solve photograph, steps, ramp and constant image of one size, `size` x `size`."""
    return [_row(kind, size, clean) for kind, clean in _images(photograph, size)]


def exactness_table(rows: Sequence[ExactnessRow]) -> Table:
    return Table(
        title="Exactness of exact at its default",
        remark=f"lam {LAMS[0]:g} to {LAMS[-1]:g}, constant and as a map that varies by half, batch 1, "
        f"sigma {SIGMAS[0]:g} to {SIGMAS[-1]:g}; {torch.get_num_threads()} thread(s). The duality gap certifies the "
        "image; the gradient is held against central differences where these cross no kink (counted); worst of all "
        "solves.",
        heads=(
            "image",
            "size",
            "solves",
            "not converged",
            "relative gap",
            "image, rms error below",
            "differences",
            "gradient, relative error",
            "time over a solve to 1e-4",
            "slowest [ms]",
        ),
        rows=[
            (
                row.kind,
                f"{row.size}x{row.size}",
                str(row.solves),
                str(row.not_converged),
                f"{row.gap:.0e}",
                f"{row.image_error:.0e}",
                str(row.differences),
                "n/a" if row.gradient_error is None else f"{row.gradient_error:.0e}",
                f"{row.over_sweeps:.2f}",
                three_digits(1e3 * row.seconds),
            )
            for row in rows
        ],
    )


def _images(photograph: Path, size: int) -> Iterator[tuple[str, Image]]:
    place = torch.arange(size)
    ramp = torch.linspace(0, 0.5, size, dtype=torch.float64)
    yield "photograph", natural_image(photograph, size, size).clean
    yield "steps", ((place[:, None] * 4 // size + place * 3 // size) % 3 / 2).double()[None, None]
    yield "ramp", (ramp[:, None] + ramp)[None, None]
    yield "constant", torch.full((1, 1, size, size), 0.5, dtype=torch.float64)


def _row(kind: str, size: int, clean: Image) -> ExactnessRow:
    exact, loose = Exact(AnisotropicTV()), Exact(AnisotropicTV(), tol=1e-4)
    exact(clean, clean)  # the kernels are loaded
    gaps, bounds, errors, ratios, seconds, failed = [], [], [], [], [], 0
    for noisy, lam in _problems(clean):
        solution, direction, gradient = _slope(exact, noisy, lam)
        contrast = float((noisy - noisy.mean()).square().mean().sqrt())
        gaps.append(float(solution.gap))
        bounds.append(contrast * max(float(solution.gap), 0.0) ** 0.5)
        failed += int(not bool(solution.converged))
        small = clean.shape[-1] <= DIFFERENCES_UP_TO
        difference = _difference(exact, noisy, lam, direction) if small else None
        if difference is not None:
            errors.append(abs(gradient - difference) / abs(difference))
        seconds.append(solution.seconds.forward)
        ratios.append(solution.seconds.forward / loose(noisy, lam).seconds.forward)
    return ExactnessRow(
        kind=kind,
        size=size,
        solves=len(gaps),
        not_converged=failed,
        gap=max(gaps),
        image_error=max(bounds),
        differences=len(errors),
        gradient_error=max(errors, default=None),
        over_sweeps=median(ratios),
        seconds=max(seconds),
    )


def _problems(clean: Image) -> Iterator[tuple[Image, Map]]:
    random = torch.Generator().manual_seed(0)
    variation = 0.5 + torch.rand(clean.shape, generator=random, dtype=torch.float64)
    for sigma in SIGMAS:
        noisy = add_noise(clean, sigma, seed=0) if sigma else clean
        for lam in LAMS:
            yield noisy, torch.full_like(clean, lam)
            yield noisy, lam * variation


def _directions(noisy: Image, lam: Map) -> tuple[Tensor, Tensor, Tensor]:
    """Into the loss, in y and in lam; the last two in proportion to what they change."""
    random = torch.Generator().manual_seed(1)
    loss, toward_y, toward_lam = (torch.randn(noisy.shape, generator=random, dtype=torch.float64) for _ in range(3))
    return loss, toward_y, lam * toward_lam


def _slope(solver: Solver, noisy: Image, lam: Map) -> tuple[Solution, tuple[Tensor, Tensor, Tensor], float]:
    noisy, lam = noisy.clone().requires_grad_(), lam.clone().requires_grad_()
    direction = _directions(noisy.detach(), lam.detach())
    solution = solver(noisy, lam)
    gradients = torch.autograd.grad((solution.denoised * direction[0]).sum(), (noisy, lam))
    slope = sum(float((part * toward).sum()) for part, toward in zip(gradients, direction[1:], strict=True))
    return solution, direction, slope


def _difference(solver: Solver, noisy: Image, lam: Map, direction: tuple[Tensor, Tensor, Tensor]) -> float | None:
    """The central difference over the longest step that crosses no kink; None where rounding or kinks forbid it."""
    loss, toward_y, toward_lam = direction

    def value(step: float) -> float:
        with torch.no_grad():
            return float((solver(noisy + step * toward_y, lam + step * toward_lam).denoised * loss).sum())

    middle = value(0.0)
    for step in (1e-7, 1e-8, 1e-9):
        above, below = value(step) - middle, middle - value(-step)
        if abs(above - below) <= AFFINE * abs(above + below):
            return (above + below) / (2 * step)
    return None
