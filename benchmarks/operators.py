"""`admm` behind an operator beside deepinv's and mrpro's primal-dual algorithms, at one error to the minimiser.

    make test-interop                                        # sets up the environment of both, once
    OMP_NUM_THREADS=2 .venv-interop/bin/python -m benchmarks.operators

256x256 photographs that ship with scikit-image, float32, without gradients, on one thread and on two; each with as many
iterations as it takes to be within an rms error of 1e-4 of the minimiser, which `admm` finds in float64. Then the
seconds and the peak memory of a gradient in y against the number of iterations: through the iterations by autograd, of
`admm` by its own backward. Some four minutes on an idle machine. Writes docs/measurements/operators.json, redraws
docs/benchmarks.md and prints the tables; `--tune` compares step sizes instead.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.clock import Spread, paired_ratio, take_turns, threads
from benchmarks.markdown import Table, between, mebibytes, milliseconds, three_digits, to_markdown
from benchmarks.own_process import in_own_process, peak_bytes, resident_bytes
from benchmarks.peers import rms
from benchmarks.primal_dual import CONTESTANTS, OURS, Problem, contestants
from difftv.linear import Fourier
from difftv.regularizers import IsotropicTV
from difftv.solvers import Admm

SIZE, ERROR, MOST = 256, 1e-4, 4000
BLUR, MRI = "blur", "MRI, complex"
RATIOS = {
    (BLUR, "deepinv PDCP, TVPrior"): 2.0**6,
    (BLUR, "deepinv PDCP, L12Prior"): 2.0**4.5,
    (BLUR, "mrpro pdhg on A and D"): 2.0**3,
    (BLUR, "mrpro pdhg on D"): 2.0**4.5,
    (MRI, "deepinv PDCP, L12Prior"): 2.0**4,
    (MRI, "mrpro pdhg on A and D"): 2.0**4,
    (MRI, "mrpro pdhg on D"): 2.0**4,
}
"""Root of the quotient of primal and dual step size with the fewest iterations, found with `--tune`."""

COMMAND = "OMP_NUM_THREADS=2 .venv-interop/bin/python -m benchmarks.operators"


@dataclass(frozen=True)
class OperatorRow:
    """One algorithm on one problem.

    Attributes:
        problem: its name.
        solver: name of the algorithm.
        threads: threads of torch.
        size: side of the image, pixels.
        iterations: as many as it takes.
        asked, error: rms error to the minimiser that was asked for, and that it has.
        seconds: time of the solve, per round.
        over_ours: its time over that of `admm`, paired round by round.
    """

    problem: str
    solver: str
    threads: int
    size: int
    iterations: int
    asked: float
    error: float
    seconds: list[float]
    over_ours: Spread


@dataclass(frozen=True)
class GradientRow:
    """One algorithm and one number of iterations: a solve and its gradient in y, in a process of its own.

    Attributes:
        problem, solver, threads, size, iterations: see `OperatorRow`.
        seconds: forward and backward.
        peak_bytes: memory above that of the process before.
    """

    problem: str
    solver: str
    threads: int
    size: int
    iterations: int
    seconds: float
    peak_bytes: int


def problems(size: int = SIZE) -> dict[str, Problem]:
    """Motion blur with a kernel of 15x15, noise .01; four-fold sampling of whole columns, noise .01."""
    from skimage import data

    from difftv.lab.forward import Deblurring, Mri

    top, left = 80, 140
    clean = torch.from_numpy(data.camera()[top : top + size, left : left + size] / 255).float()[None, None]
    generator = torch.Generator().manual_seed(0)
    blur = Deblurring("motion", 10, 15).operator((size, size), np.random.default_rng(0))
    y = blur.apply(clean)
    blurred = Problem(BLUR, blur, y + 0.01 * torch.randn(y.shape, generator=generator), 1e-3, 1)
    rows = torch.linspace(-1, 1, size)
    phase = 1.5 * (rows[:, None] + rows.square())
    image = torch.cat([clean * phase.cos(), clean * phase.sin()], dim=1)
    drawn = Mri(4).operator((size, size), np.random.default_rng(0))
    assert isinstance(drawn, Fourier)
    sampling = Fourier(drawn.mask, channels=2)
    k = sampling.apply(image)
    noise = torch.randn((*k.shape, 2), generator=generator)
    return {
        BLUR: blurred,
        MRI: Problem(MRI, sampling, k + 0.01 * drawn.mask * torch.view_as_complex(noise), 3e-3, 2),
    }


def minimiser(problem: Problem) -> Tensor:
    """u*, in float64."""
    y = problem.y.to(torch.complex128 if problem.y.is_complex() else torch.float64)
    maps = torch.full((1, 1, *problem.y.shape[2:]), problem.lam, dtype=torch.float64)
    solver = Admm(IsotropicTV(channels=problem.channels), tol=1e-7, max_iter=5000, dtype=torch.float64)
    found = solver(y, maps, operator=problem.operator)
    assert bool(found.converged.all())
    return found.denoised


def iterations_needed(problem: Problem, name: str, exact: Tensor, ratio: float, most: int = MOST) -> tuple[int, float]:
    """How many iterations, and the error then; more than `most` are not tried."""
    count, error = 0, float("inf")

    def watch(u: Tensor) -> bool:
        nonlocal count, error
        count, error = count + 1, rms((u.detach().double() - exact).numpy())
        return error <= ERROR

    with torch.no_grad():
        CONTESTANTS[name](problem, most, watch, ratio)
    return 10 * count if name == OURS else count, error


def measure(repeats: int, thread_numbers: Sequence[int]) -> list[OperatorRow]:
    """Times at equal error."""
    rows = []
    for problem in problems().values():
        with threads(1):
            exact = minimiser(problem)
            needed = {
                name: iterations_needed(problem, name, exact, RATIOS.get((problem.name, name), 1.0))
                for name in contestants(problem)
            }
        for number in thread_numbers:
            with threads(number), torch.no_grad():
                runs = {name: partial(_timed, problem, name, count) for name, (count, _) in needed.items()}
                turns = take_turns(runs, repeats)
            rows += [
                OperatorRow(
                    problem=problem.name,
                    solver=name,
                    threads=number,
                    size=SIZE,
                    iterations=count,
                    asked=ERROR,
                    error=error,
                    seconds=turns[name]["forward"],
                    over_ours=paired_ratio(turns[name]["forward"], turns[OURS]["forward"]),
                )
                for name, (count, error) in needed.items()
            ]
            print(*rows[-len(needed) :], sep="\n", file=sys.stderr)
    return rows


def measure_gradients(iterations: Sequence[int], problem: str = BLUR) -> list[GradientRow]:
    """Seconds and memory of a gradient, one thread."""
    rows = []
    for name in contestants(problems()[problem]):
        for count in iterations:
            seconds, peak = in_own_process(_gradient, problem, name, count)
            rows.append(GradientRow(problem, name, 1, SIZE, count, seconds, peak))
            print(rows[-1], file=sys.stderr)
    return rows


def _gradient(problem: str, name: str, iterations: int) -> tuple[float, int]:
    torch.set_num_threads(1)
    found = problems()[problem]
    ratio = RATIOS.get((problem, name), 1.0)
    with torch.no_grad():
        CONTESTANTS[name](found, 10, None, ratio)  # what is imported and planned on first use
    found = replace(found, y=found.y.requires_grad_())
    before, started = resident_bytes(), time.perf_counter()
    u = CONTESTANTS[name](found, iterations, None, ratio)
    u.square().sum().backward()
    seconds = time.perf_counter() - started
    assert found.y.grad is not None
    return seconds, peak_bytes() - before


def _timed(problem: Problem, name: str, iterations: int) -> dict[str, float]:
    started = time.perf_counter()
    CONTESTANTS[name](problem, iterations, None, RATIOS.get((problem.name, name), 1.0))
    return {"forward": time.perf_counter() - started}


def operators_table(rows: Sequence[OperatorRow]) -> Table:
    first = rows[0]
    return Table(
        title="TV behind an operator",
        remark=f"One image of {first.size}x{first.size}, isotropic TV, float32, no gradient, {len(first.seconds)} "
        f"round(s) in turns; each with as many iterations as bring it within an rms error of {first.asked:.0e} of the "
        "minimiser. Ratios are over `admm`, paired round by round: median (smallest to largest).",
        heads=("problem", "algorithm", "threads", "iterations", "rms error", "time [ms]", "over `admm`"),
        rows=[
            (
                row.problem,
                row.solver,
                str(row.threads),
                str(row.iterations) if row.error <= row.asked else f"more than {row.iterations}",
                f"{row.error:.1e}",
                milliseconds(row.seconds),
                "" if row.solver == OURS else between(row.over_ours),
            )
            for row in rows
        ],
        words=2,
    )


def gradients_table(rows: Sequence[GradientRow]) -> Table:
    first = rows[0]
    counts = sorted({row.iterations for row in rows})
    lines = []
    for name in dict.fromkeys(row.solver for row in rows):
        of_solver = {row.iterations: row for row in rows if row.solver == name}
        found = [of_solver[count] for count in counts]
        lines.append(
            (name, *(three_digits(row.seconds) for row in found), *(mebibytes(row.peak_bytes) for row in found))
        )
    return Table(
        title="The gradient behind an operator",
        remark=f"{first.problem}, {first.size}x{first.size}, {first.threads} thread: a solve of so many iterations and "
        "its gradient in y; memory above that of the process before.",
        heads=("algorithm", *(f"{count} [s]" for count in counts), *(f"{count} [MiB]" for count in counts)),
        rows=lines,
    )


def tune(most: int) -> None:
    """Print the iterations that every algorithm needs at some step sizes."""
    for problem in problems().values():
        exact = minimiser(problem)
        for name in contestants(problem):
            for exponent in range(3, 8) if name != OURS else [0]:
                count, error = iterations_needed(problem, name, exact, 2.0**exponent, most)
                print(f"{problem.name}, {name}, ratio 2^{exponent}: {count} iterations, error {error:.1e}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.published import DOCUMENTS, redraw
    from benchmarks.study import write_parts

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--tune", type=int, metavar="MOST", help="compare step sizes, up to so many iterations")
    options = parser.parse_args(arguments)
    if options.tune:
        tune(options.tune)
        return 0
    rows, gradients = measure(options.repeats, (1, 2)), measure_gradients((50, 100, 200))
    write_parts(DOCUMENTS / "operators.json", {"operators": rows, "gradients": gradients}, COMMAND)
    redraw()
    for table in (operators_table(rows), gradients_table(gradients)):
        print(to_markdown(table), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
