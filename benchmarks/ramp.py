"""Which regularizer draws a slope: a ramp with a disk on it, denoised with the best constants of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isclose

import numpy as np
import torch

from benchmarks.markdown import Table
from difftv.method import Method
from difftv.metrics import plateau_excess, psnr
from difftv.noise import add_noise
from difftv.regularizers import TGV, TVTV2, AnisotropicTV, HuberTV, IsotropicTV, Regularizer, TVpwL
from difftv.solvers import Solver, whole_image_solver
from difftv.types import Image

SIZE, RADIUS, CONTRAST = 96, 21.5, 0.2
SIGMA, SEED = 25.0, 0

Constants = tuple[float, ...]
"""One number per map, in the order of `map_names`."""


@dataclass(frozen=True)
class Candidate:
    """A regularizer and the constants among which it is tuned: every combination of `grid`, one tuple per map.

    Attributes:
        label: in the table.
        regularizer: with its widths.
        grid: the values of every map, ascending.
        ratios: whether `grid[1]` holds lam2 / lam1.
    """

    label: str
    regularizer: Regularizer
    grid: tuple[Constants, ...]
    ratios: bool = False

    def constants(self) -> Iterator[list[Constants]]:
        """All combinations, in batches that share the first constant."""
        first, *others = self.grid
        for value in first:
            rest = product(*others)
            yield [(value, *(value * other if self.ratios else other for other in chosen)) for chosen in rest]


@dataclass(frozen=True)
class RampRow:
    """The best of a grid by PSNR.

    Attributes:
        label: name of the candidate or of the model.
        solver: by its name on the command line.
        psnr: dB.
        plateau_excess: on the smooth part of the image; 0 is best.
        constants: by the name of the map.
        at_end: maps whose constant (or ratio) is the smallest or largest of its grid, so that the best may lie beyond.
        solves: constants tried.
        not_converged: number of solves that did not converge.
        denoised: (1, 1, 96, 96).
    """

    label: str
    solver: str
    psnr: float
    plateau_excess: float
    constants: Mapping[str, float]
    at_end: tuple[str, ...]
    solves: int
    not_converged: int
    denoised: Image


_LAM: Constants = (0.07, 0.085, 0.1, 0.12, 0.14)
_RATIO: Constants = (2.0, 4.0, 8.0, 16.0, 32.0)

CANDIDATES: tuple[Candidate, ...] = (
    Candidate("anisotropic", AnisotropicTV(), (_LAM,)),
    Candidate("isotropic", IsotropicTV(), (_LAM,)),
    *(Candidate(f"huber, delta {delta:g}", HuberTV(delta), (_LAM,)) for delta in (2e-3, 5e-3, 1e-2, 2e-2)),
    Candidate("tvpwl", TVpwL(), (_LAM, (2e-3, 3e-3, 4e-3, 5e-3, 6e-3))),
    Candidate("tv_tv2", TVTV2(), ((0.03, 0.05, 0.07, 0.085, 0.1), (0.06, 0.125, 0.25, 0.5, 1.0)), ratios=True),
    Candidate("tgv, delta (1e-3, 3e-4)", TGV(), ((0.1, 0.12, 0.14, 0.17), _RATIO), ratios=True),
    Candidate("tgv, exact", TGV((0.0, 0.0)), ((0.12, 0.14, 0.17), _RATIO), ratios=True),
)
"""Grids around the best constants at sigma 25, a step of about 1.2 in lam."""


def ramp_and_disk() -> tuple[np.ndarray, np.ndarray]:
    """A slope from 0.25 to 0.75 along the rows, and a disk of height 0.2, (96, 96) each; the image is their sum."""
    row, column = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    disk = CONTRAST * (row**2 + column**2 <= RADIUS**2)
    return np.tile(np.linspace(0.25, 0.75, SIZE), (SIZE, 1)), disk


def ramp_problem() -> tuple[Image, Image]:
    """The clean and the noisy image, (1, 1, 96, 96) in float64."""
    clean = torch.from_numpy(sum(ramp_and_disk()))[None, None]
    return clean, add_noise(clean, SIGMA, seed=SEED)


def measure_ramp(candidate: Candidate, clean: Image, noisy: Image) -> Iterator[RampRow]:
    """The best so far, after every batch of constants that was tried: the last one is the answer."""
    solver = whole_image_solver(candidate.regularizer)
    best: RampRow | None = None
    solves = not_converged = 0
    for batch in candidate.constants():
        row, failed = _best_of(candidate, solver, batch, clean, noisy)
        solves, not_converged = solves + len(batch), not_converged + failed
        if best is None or row.psnr > best.psnr:
            best = row
        yield RampRow(**{**vars(best), "solves": solves, "not_converged": not_converged})


def measure_model(name: str, denoiser: Method, clean: Image, noisy: Image) -> RampRow:
    """A trained model, with maps in place of constants."""
    with torch.no_grad():
        solution = denoiser.denoise(noisy.float(), SIGMA)
    denoised = solution.denoised.to(clean.dtype)
    return RampRow(
        label=f"model {name}",
        solver=denoiser.solver.name,
        psnr=float(psnr(denoised, clean)),
        plateau_excess=float(plateau_excess(denoised, clean)),
        constants={},
        at_end=(),
        solves=1,
        not_converged=int((~solution.converged).sum()),
        denoised=denoised,
    )


def _best_of(
    candidate: Candidate, solver: Solver, batch: Sequence[Constants], clean: Image, noisy: Image
) -> tuple[RampRow, int]:
    """The best of one batch, and how many did not converge."""
    maps = torch.tensor(batch, dtype=noisy.dtype)[:, :, None, None].expand(-1, -1, *noisy.shape[2:])
    with torch.no_grad():
        solution = solver(noisy.expand(len(batch), -1, -1, -1), maps)
    scores = psnr(solution.denoised, clean.expand_as(solution.denoised))
    index = int(scores.argmax())
    denoised, constants = solution.denoised[index : index + 1], batch[index]
    row = RampRow(
        label=candidate.label,
        solver=solver.name,
        psnr=float(scores[index]),
        plateau_excess=float(plateau_excess(denoised, clean)),
        constants=dict(zip(candidate.regularizer.map_names, constants, strict=True)),
        at_end=_at_end(candidate, constants),
        solves=len(batch),
        not_converged=0,
        denoised=denoised,
    )
    return row, int((~solution.converged).sum())


def _at_end(candidate: Candidate, constants: Constants) -> tuple[str, ...]:
    first, *others = constants
    tuned = (first, *(other / first if candidate.ratios else other for other in others))
    named = zip(candidate.regularizer.map_names, tuned, candidate.grid, strict=True)
    return tuple(name for name, value, grid in named if any(isclose(value, end) for end in (grid[0], grid[-1])))


def _named(row: RampRow, name: str) -> str:
    return f"{name} {row.constants[name]:.3g}{' (end)' if name in row.at_end else ''}"


def ramp_table(rows: Sequence[RampRow], noisy_psnr: float) -> Table:
    return Table(
        title="A ramp with a disk",
        remark=f"{SIZE}x{SIZE}, sigma {SIGMA:g}, one draw of the noise (seed {SEED}, {noisy_psnr:.2f} dB); the "
        "best PSNR of a small grid of constants. (end): the best of the grid is its smallest or largest value.",
        heads=("regularizer", "constants", "solver", "PSNR [dB]", "plateau_excess", "tried", "not converged"),
        rows=[
            (
                row.label,
                ", ".join(_named(row, name) for name in row.constants) or "learned maps",
                row.solver,
                f"{row.psnr:.2f}",
                f"{row.plateau_excess:.3f}",
                str(row.solves),
                str(row.not_converged),
            )
            for row in rows
        ],
        words=3,
    )
