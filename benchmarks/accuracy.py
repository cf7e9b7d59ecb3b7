"""How accurate a solver must be for its gradient to be any good: cone solvers against the exact closed form."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median

import torch
from torch import Tensor

from benchmarks.inputs import Inputs
from benchmarks.markdown import Table, three_digits
from difftv.solvers import Solution, Solver
from difftv.types import Image, Map, PerImage

REFERENCE_TOL = 1e-12
"""Relative duality gap of the reference: exact to rounding."""


@dataclass(frozen=True)
class AccuracyRow:
    """One solver against the reference; every list has one entry per image.

    Attributes:
        solver: its name and tolerance.
        forward, backward: seconds per image, over the batch.
        not_converged: images whose solve stopped short of the tolerance.
        largest_error: max |u - u*| over the batch, in intensity.
        image_errors: ||u - u*|| / ||u*||.
        lam_errors, noisy_errors: ||g - g*|| / ||g*|| of the gradient in the map and in the noisy image.
        lam_cosines, noisy_cosines: <g, g*> / (||g|| ||g*||) of the same.
    """

    solver: str
    forward: float
    backward: float
    not_converged: int
    largest_error: float
    image_errors: list[float]
    lam_errors: list[float]
    lam_cosines: list[float]
    noisy_errors: list[float]
    noisy_cosines: list[float]


@dataclass(frozen=True)
class _Answer:
    image: Image
    lam_gradient: Map
    noisy_gradient: Image
    forward: float
    backward: float
    not_converged: int


def measure_accuracy(
    solvers: Mapping[str, Callable[[Image, Map], Solution]],
    reference: Solver,
    inputs: Inputs,
    *,
    on_solver: Callable[[str], None] = lambda _: None,
) -> list[AccuracyRow]:
    """Set every solver against the reference, image by image.

    Args:
        solvers: solvers, or what is called like one, by the name that is shown.
        reference: a solver that is exact, in its gradients too.
        inputs: images that they denoise; the loss is the mean squared error to the clean images.
        on_solver: called with a name before its turn, for a progress bar.
    """
    exact = _answer(reference, inputs)
    rows = []
    for name, solver in solvers.items():
        on_solver(name)
        with torch.no_grad():
            solver(inputs.noisy[:1], inputs.lam[:1])  # compiles, which is no part of the time of a step
        found = _answer(solver, inputs)
        rows.append(
            AccuracyRow(
                solver=name,
                forward=found.forward / len(inputs.noisy),
                backward=found.backward / len(inputs.noisy),
                not_converged=found.not_converged,
                largest_error=float((found.image - exact.image).abs().max()),
                image_errors=_errors(found.image, exact.image),
                lam_errors=_errors(found.lam_gradient, exact.lam_gradient),
                lam_cosines=_cosines(found.lam_gradient, exact.lam_gradient),
                noisy_errors=_errors(found.noisy_gradient, exact.noisy_gradient),
                noisy_cosines=_cosines(found.noisy_gradient, exact.noisy_gradient),
            )
        )
    return rows


def accuracy_table(rows: Sequence[AccuracyRow], inputs: Inputs) -> Table:
    batch, _, height, width = inputs.noisy.shape
    threads = torch.get_num_threads()
    return Table(
        title=f"Solver accuracy and gradient accuracy, {height}x{width}",
        remark=f"{batch} natural patches, sigma 25, a smooth random map, {threads} thread(s). Against exact at "
        f"tol={REFERENCE_TOL:.0e} with its closed-form gradient of the mean squared error; median image (worst image). "
        "cosine = of the angle between the gradient and the exact one; the worst image is the smallest.",
        heads=(
            "solver",
            "u, relative error",
            "d/dlam, relative error",
            "d/dlam, cosine",
            "d/dy, relative error",
            "d/dy, cosine",
            "forward [ms/image]",
            "backward [ms/image]",
            "not converged",
        ),
        rows=[
            (
                row.solver,
                _error(row.image_errors),
                _error(row.lam_errors),
                _cosine(row.lam_cosines),
                _error(row.noisy_errors),
                _cosine(row.noisy_cosines),
                three_digits(1e3 * row.forward),
                three_digits(1e3 * row.backward),
                str(row.not_converged),
            )
            for row in rows
        ],
    )


def to_csv(rows: Sequence[AccuracyRow]) -> str:
    """One line per solver and image."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    per_image = [field.name for field in fields(AccuracyRow) if field.name.endswith(("errors", "cosines"))]
    whole = ["solver", "forward", "backward"]
    writer.writerow([*whole, "image", *(name[:-1] for name in per_image)])
    for row in map(asdict, rows):
        for image, values in enumerate(zip(*(row[name] for name in per_image), strict=True)):
            writer.writerow([*(row[name] for name in whole), image, *values])
    return text.getvalue()


def _answer(solver: Callable[[Image, Map], Solution], inputs: Inputs) -> _Answer:
    lam, noisy = (tensor.detach().clone().requires_grad_() for tensor in (inputs.lam, inputs.noisy))
    solution = solver(noisy, lam)
    in_lam, in_noisy = torch.autograd.grad((solution.denoised - inputs.clean).square().mean(), (lam, noisy))
    seconds, stopped = solution.seconds, int((~solution.converged).sum())
    return _Answer(solution.denoised.detach(), in_lam, in_noisy, seconds.forward, seconds.backward, stopped)


def _errors(found: Tensor, exact: Tensor) -> list[float]:
    return (_norms(found - exact) / _norms(exact)).tolist()


def _cosines(found: Tensor, exact: Tensor) -> list[float]:
    return ((found * exact).flatten(1).sum(dim=1) / (_norms(found) * _norms(exact))).tolist()


def _norms(tensor: Tensor) -> PerImage:
    return tensor.flatten(1).norm(dim=1)


def _error(values: Sequence[float]) -> str:
    return f"{median(values):.1e} ({max(values):.1e})"


def _cosine(values: Sequence[float]) -> str:
    return f"{median(values):.5f} ({min(values):.5f})"
