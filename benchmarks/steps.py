"""A training step of one of our solvers and of the cone solvers: time, in turns, beside the gradient's accuracy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.accuracy import AccuracyRow, measure_accuracy
from benchmarks.clock import Seconds, Spread, paired_ratio, spread, take_turns, total, training_step
from benchmarks.inputs import Inputs
from benchmarks.markdown import Table, between, milliseconds
from difftv.solvers import Solution, Solver
from difftv.types import Image, Map

Solve = Callable[[Image, Map], Solution]
"""A solver, or anything else that is called like one."""


@dataclass(frozen=True)
class StepRow:
    """One solver.

    Attributes:
        regularizer: its name.
        accuracy: the solver's name and tolerance, and its errors against the reference.
        patch_size: side of a patch in pixels.
        batch: patches per step.
        threads: threads of torch and of the solvers.
        seconds: seconds of `forward` and `backward`, per round.
        over_first: (forward + backward) over that of the first solver, paired.
    """

    regularizer: str
    accuracy: AccuracyRow
    patch_size: int
    batch: int
    threads: int
    seconds: Seconds
    over_first: Spread


def measure_steps(solvers: Mapping[str, Solve], reference: Solver, inputs: Inputs, repeats: int) -> list[StepRow]:
    """Time the solvers in turns, and set each against the reference.

    Args:
        solvers: solvers of one regularizer, by the name that is shown; times are compared to the first.
        reference: a solver that is exact, in its gradient too.
        inputs: images that they denoise.
        repeats: rounds, >= 1.
    """
    accuracy = measure_accuracy(solvers, reference, inputs)  # and the warm-up of every solver
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
        StepRow(
            regularizer=reference.regularizer.name,
            accuracy=row,
            patch_size=inputs.noisy.shape[-1],
            batch=inputs.noisy.shape[0],
            threads=torch.get_num_threads(),
            seconds=turns[row.solver],
            over_first=paired_ratio(total(turns[row.solver]), first),
        )
        for row in accuracy
    ]


def steps_table(rows: Sequence[StepRow], title: str, reference: str) -> Table:
    """One line per solver; `reference` says in words what the errors are measured against."""
    first = rows[0]
    return Table(
        title=title,
        remark=f"{len(first.seconds['forward'])} round(s) in turns; ratios are paired round "
        f"by round: median (smallest to largest). Errors against {reference}; gradient = of the mean squared error in "
        "the maps, image by image.",
        heads=(
            "regularizer, patch [px], batch",
            "solver",
            "threads",
            "forward [ms]",
            "backward [ms]",
            "step over the first",
            "largest error [intensity]",
            "gradient, relative error: median image",
            "worst image",
        ),
        rows=[
            (
                f"{row.regularizer} {row.patch_size}x{row.patch_size}, {row.batch}",
                row.accuracy.solver,
                str(row.threads),
                milliseconds(row.seconds["forward"]),
                milliseconds(row.seconds["backward"]),
                between(row.over_first),
                f"{row.accuracy.largest_error:.1e}",
                f"{spread(row.accuracy.lam_errors).median:.1e}",
                f"{max(row.accuracy.lam_errors):.1e}",
            )
            for row in rows
        ],
        words=2,
    )


def _denoised(solver: Solve, noisy: Image, lam: Map) -> Image:
    return solver(noisy, lam).denoised
