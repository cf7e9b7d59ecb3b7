"""One training step and one evaluation of our layer, beside the bare `CvxpyLayer`: does the convenience cost time?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.clock import (
    Seconds,
    Spread,
    evaluation_step,
    paired_ratio,
    take_turns,
    total,
    training_step,
)
from benchmarks.inputs import Inputs
from benchmarks.markdown import Table, between, milliseconds
from benchmarks.reference_layer import bare_layer, bare_solve
from difftv.solvers import Solver
from difftv.solvers.cvxpy_layer import ConeSolver
from difftv.types import Image, Map

REFERENCE = "scs"
"""The bare layer that a solver without one of its own (exact) is set against."""


_CORNER = 4


@dataclass(frozen=True)
class LayerRow:
    """One solver at one patch size.

    Attributes:
        solver: ours.
        bare: the backend of the bare layer beside it.
        patch_size: side of a patch in pixels.
        batch: patches per step.
        threads: threads of torch, the solvers and diffcp.
        ours: seconds per round of `forward`, `backward` and `evaluation`.
        theirs: seconds of the reference layer.
        step_ratio: (forward + backward) of ours over theirs, paired; below 1 = ours is faster.
        evaluation_ratio: ratio of the forward pass without a gradient.
        evaluation_over_forward: time saved by leaving out the preparation of the gradient, ours.
        difference: largest difference between the two answers, in intensity.
    """

    solver: str
    bare: str
    patch_size: int
    batch: int
    threads: int
    ours: Seconds
    theirs: Seconds
    step_ratio: Spread
    evaluation_ratio: Spread
    evaluation_over_forward: Spread
    difference: float


def measure_layer(solvers: Mapping[str, Solver], inputs: Inputs, repeats: int) -> list[LayerRow]:
    """Time every solver and every bare backend in turns.

    Args:
        solvers: by name, all of one regularizer; `scs` must be among them.
        inputs: images that they denoise.
        repeats: rounds, >= 1.
    """
    if not isinstance(solvers.get(REFERENCE), ConeSolver):
        raise ValueError(f"solvers must hold {REFERENCE!r}, which the others are set against, got {list(solvers)}.")
    noisy = inputs.noisy
    layer = bare_layer(solvers[REFERENCE].regularizer, *noisy.shape[-2:])
    ours = {name: partial(_denoised, solver, noisy) for name, solver in solvers.items()}
    theirs = {
        name: bare_solve(layer, solver, noisy) for name, solver in solvers.items() if isinstance(solver, ConeSolver)
    }
    # Load what a gradient needs on something small; the first evaluation compiles the programs.
    corner = Inputs(*(tensor[..., :_CORNER, :_CORNER] for tensor in (inputs.clean, noisy, inputs.lam)))
    for solver in solvers.values():
        training_step(partial(_denoised, solver, corner.noisy), corner.lam, corner.clean)
    with torch.no_grad():
        answers = {name: solve(inputs.lam) for name, solve in ours.items()}
        bare_answers = {name: solve(inputs.lam) for name, solve in theirs.items()}
    turns = take_turns(
        {
            (name, side): partial(_step_and_evaluation, solve, inputs)
            for name in solvers
            for side, solve in (("ours", ours[name]), ("bare", theirs.get(name)))
            if solve is not None
        },
        repeats,
        warm_up=False,
    )
    rows = []
    for name in solvers:
        bare = name if name in theirs else REFERENCE
        mine, other = turns[name, "ours"], turns[bare, "bare"]
        rows.append(
            LayerRow(
                solver=name,
                bare=bare,
                patch_size=noisy.shape[-1],
                batch=noisy.shape[0],
                threads=torch.get_num_threads(),
                ours=mine,
                theirs=other,
                step_ratio=paired_ratio(total(mine), total(other)),
                evaluation_ratio=paired_ratio(mine["evaluation"], other["evaluation"]),
                evaluation_over_forward=paired_ratio(mine["evaluation"], mine["forward"]),
                difference=float((answers[name] - bare_answers[bare]).abs().max()),
            )
        )
    return rows


def layer_table(rows: Sequence[LayerRow]) -> Table:
    first = rows[0]
    return Table(
        title="A training step, beside the bare CvxpyLayer",
        remark=f"Batch {first.batch}, {first.threads} thread(s), {len(first.ours['forward'])} rounds in turns. Ratios "
        "are ours over bare, paired round by round: median (smallest to largest); at most 1.05 is the aim.",
        heads=(
            "solver",
            "patch [px]",
            "bare backend",
            "forward [ms]",
            "backward [ms]",
            "step, bare [ms]",
            "step, ours/bare",
            "evaluation [ms]",
            "evaluation, ours/bare",
            "evaluation/forward",
            "largest difference [intensity]",
        ),
        rows=[
            (
                row.solver,
                str(row.patch_size),
                row.bare,
                milliseconds(row.ours["forward"]),
                milliseconds(row.ours["backward"]),
                milliseconds(total(row.theirs)),
                between(row.step_ratio),
                milliseconds(row.ours["evaluation"]),
                between(row.evaluation_ratio),
                between(row.evaluation_over_forward),
                f"{row.difference:.1e}",
            )
            for row in rows
        ],
        words=3,
    )


def _denoised(solver: Solver, noisy: Image, lam: Map) -> Image:
    return solver(noisy, lam).denoised


def _step_and_evaluation(solve: Callable[[Map], Image], inputs: Inputs) -> dict[str, float]:
    return {**training_step(solve, inputs.lam, inputs.clean), **evaluation_step(solve, inputs.lam)}
