"""The exact layer against the cone solvers: time, in turns, beside the accuracy of image and gradient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.accuracy import REFERENCE_TOL, AccuracyRow, measure_accuracy
from benchmarks.clock import Seconds, Spread, paired_ratio, spread, take_turns, total, training_step
from benchmarks.inputs import Inputs
from benchmarks.text import Table, between, milliseconds
from difftv.solvers import Solver
from difftv.types import Image, Map


@dataclass(frozen=True)
class ExactRow:
    """One solver.

    Attributes:
        accuracy: its name and tolerance, and its errors against the reference.
        patch_size: side of a patch in pixels.
        batch: patches per step.
        threads: of torch and of the solvers.
        seconds: of `forward` and `backward`, per round.
        over_first: (forward + backward) over that of the first solver, paired.
    """

    accuracy: AccuracyRow
    patch_size: int
    batch: int
    threads: int
    seconds: Seconds
    over_first: Spread


def measure_exact(solvers: Mapping[str, Solver], reference: Solver, inputs: Inputs, repeats: int) -> list[ExactRow]:
    """Time the solvers in turns, and set each against the reference.

    Args:
        solvers: by the name that is shown; times are compared to the first.
        reference: a solver that is exact, in its gradient too.
        inputs: what they denoise.
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
        ExactRow(
            accuracy=row,
            patch_size=inputs.noisy.shape[-1],
            batch=inputs.noisy.shape[0],
            threads=torch.get_num_threads(),
            seconds=turns[row.solver],
            over_first=paired_ratio(total(turns[row.solver]), first),
        )
        for row in accuracy
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
            f"step over that of {first.accuracy.solver}",
            "largest error [intensity]",
            "gradient, relative error: median image",
            "worst image",
        ),
        rows=[
            (
                row.accuracy.solver,
                milliseconds(row.seconds["forward"]),
                milliseconds(row.seconds["backward"]),
                between(row.over_first),
                f"{row.accuracy.largest_error:.1e}",
                f"{spread(row.accuracy.lam_errors).median:.1e}",
                f"{max(row.accuracy.lam_errors):.1e}",
            )
            for row in rows
        ],
    )


def _denoised(solver: Solver, noisy: Image, lam: Map) -> Image:
    return solver(noisy, lam).denoised
