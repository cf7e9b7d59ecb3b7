"""The exact layer against the cone solvers: time, error of the image and error of the gradient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.clock import Seconds, Spread, paired_ratio, spread, take_turns, total, training_step
from benchmarks.inputs import Inputs
from benchmarks.text import Table, between, milliseconds
from difftv.solvers import Solver
from difftv.types import Image, Map, PerImage

REFERENCE_TOL = 1e-12
"""Relative duality gap of the reference: exact to rounding."""


@dataclass(frozen=True)
class ExactRow:
    """One solver.

    Attributes:
        solver: its name and tolerance.
        patch_size: side of a patch in pixels.
        batch: patches per step.
        threads: of torch and of the solvers.
        seconds: of `forward` and `backward`, per round.
        over_first: (forward + backward) over that of the first solver, paired.
        image_error: largest error in intensity.
        gradient_errors: ||g - g*|| / ||g*|| of every image, for the gradient in the map of the mean squared error.
    """

    solver: str
    patch_size: int
    batch: int
    threads: int
    seconds: Seconds
    over_first: Spread
    image_error: float
    gradient_errors: list[float]


def measure_exact(solvers: Mapping[str, Solver], reference: Solver, inputs: Inputs, repeats: int) -> list[ExactRow]:
    """Time the solvers in turns, and set each against the reference.

    Args:
        solvers: by the name that is shown; times are compared to the first.
        reference: a solver that is exact, in its gradient too.
        inputs: what they denoise.
        repeats: rounds, >= 1.
    """
    exact_image, exact_gradient = _answer(reference, inputs)
    errors = {}
    for name, solver in solvers.items():  # the warm-up at the same time
        image, gradient = _answer(solver, inputs)
        off = _norms(gradient - exact_gradient) / _norms(exact_gradient)
        errors[name] = float((image - exact_image).abs().max()), off.tolist()
    turns = take_turns(
        {
            name: partial(training_step, partial(_denoised, solver, inputs.noisy), inputs.lam, inputs.clean)
            for name, solver in solvers.items()
        },
        repeats,
        warm_up=False,
    )
    first = total(turns[next(iter(solvers))])
    return [
        ExactRow(
            solver=name,
            patch_size=inputs.noisy.shape[-1],
            batch=inputs.noisy.shape[0],
            threads=torch.get_num_threads(),
            seconds=turns[name],
            over_first=paired_ratio(total(turns[name]), first),
            image_error=errors[name][0],
            gradient_errors=errors[name][1],
        )
        for name in solvers
    ]


def exact_table(rows: Sequence[ExactRow]) -> Table:
    first = rows[0]
    return Table(
        title=f"The exact layer and the cone solvers, {first.patch_size}x{first.patch_size}",
        remark=f"Batch {first.batch}, {first.threads} thread(s), {len(first.seconds['forward'])} round(s) in turns; "
        f"ratios are paired round by round: median (smallest to largest). Errors against taut_string at tol="
        f"{REFERENCE_TOL:.0e}; gradient = of the mean squared error "
        "in the map, image by image; it is far off where the image shows another component than the exact one does.",
        heads=(
            "solver",
            "forward [ms]",
            "backward [ms]",
            f"step over that of {first.solver}",
            "largest error [intensity]",
            "gradient, relative error: median image",
            "worst image",
        ),
        rows=[
            (
                row.solver,
                milliseconds(row.seconds["forward"]),
                milliseconds(row.seconds["backward"]),
                between(row.over_first),
                f"{row.image_error:.1e}",
                f"{spread(row.gradient_errors).median:.1e}",
                f"{max(row.gradient_errors):.1e}",
            )
            for row in rows
        ],
    )


def _denoised(solver: Solver, noisy: Image, lam: Map) -> Image:
    return solver(noisy, lam).denoised


def _norms(gradient: Map) -> PerImage:
    return gradient.flatten(1).norm(dim=1)


def _answer(solver: Solver, inputs: Inputs) -> tuple[Tensor, Tensor]:
    lam = inputs.lam.detach().requires_grad_()
    denoised = solver(inputs.noisy, lam).denoised
    (gradient,) = torch.autograd.grad((denoised - inputs.clean).square().mean(), lam)
    return denoised.detach(), gradient
