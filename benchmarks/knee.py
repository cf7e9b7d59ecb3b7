"""Single-coil knee MRI, the public test set: PSNR and seconds of scalar and learned maps, beside published numbers.

    python -m benchmarks.knee path/to/npz
    python -m benchmarks.knee path/to/npz --only "learned (knee)" --model outputs/knee_mri/<run>
    python -m benchmarks.knee path/to/npz --seconds

The folder holds what `python -m benchmarks.knee_slices` writes, in pd/test_images, pd/val_images, pdfs/test_images and
pdfs/val_images: 2-fold, 16 % of the columns about frequency 0, noise .002, the same measurements for everybody. PSNR on
the central 320x320 of the real image. One weight for each set, tuned on its ten validation slices by half octaves, or
one factor on the maps of a model that was trained to denoise, tuned on four of them. The 4-fold row is one slice of
fat-suppressed scans, measured anew: 8 % about frequency 0, mask and noise of seed 0; its weights are tuned on
validation slices measured likewise.

Writes docs/measurements/knee.json (with `--only`, the other rows stay; `--seconds` measures times alone,
with the weights of the document, on an idle machine in some minutes), redraws the pages and prints the table. No image
is stored.
"""

import argparse
import functools
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from benchmarks.markdown import Table, three_digits, to_markdown
from benchmarks.study import uphill, write
from difftv.lab.data.measured import MeasuredImage, read_measured
from difftv.lab.forward import Mri
from difftv.lab.models.place import find_model
from difftv.linear import first_look
from difftv.maps import shared
from difftv.metrics import psnr
from difftv.reconstructor import Reconstructor
from difftv.regularizers import FilterBank, IsotropicTV, Regularizer
from difftv.solvers import Admm, Solution

FOURFOLD = "4-fold"
SETS: Mapping[str, str] = {"PD": "pd", "PDFS": "pdfs", FOURFOLD: "pdfs"}
"""Set -> its folder; the third is one slice, measured anew."""

SLICE = "file1001191"
"""The slice of the 4-fold row, that of the paper on SAFI."""

SIGMA = 0.51
"""Noise of the 4-fold measurements, .002 of [0, 1] in 8-bit units; in the others it is as it is."""

FACTOR_ON, TIMED_ON = 4, 3
"""Validation slices of a set that a factor is tuned on (a weight: all), and slices that `--seconds` solves."""

TOL, MAX_ITER = 3e-5, 500
_TOLD = 10.0
LOOK, LEARNED = "zero-filled", "learned (knee)"
_SCALAR: Mapping[str, tuple[Regularizer, float]] = {
    "isotropic TV": (IsotropicTV(), -10.5),
    "filters, one lam": (FilterBank(), -11.0),
}
_DENOISING: Mapping[str, str] = {"gray-small, one factor": "gray-small", "gray, one factor": "gray"}

PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "isotropic TV, published": {"PD": 39.22, "PDFS": 37.73},
    "CRR-NN (learned convex regularizer), published": {"PD": 40.95, "PDFS": 38.91},
    "SAFI, first of its convex solves, published": {FOURFOLD: 34.24},
    "SAFI, ten convex solves, 570 s on a GPU, published": {FOURFOLD: 36.44},
}
"""Goujon, Neumayer, Bohra, Ducotterd, Unser 2023, "A neural-network-based convex regularizer for inverse problems", and
Pourya, Neumayer, Unser 2024 on solution-driven adaptivity (SAFI), whose mask of the 4-fold slice is another one."""

COMMAND = "python -m benchmarks.knee path/to/npz"

Solve = Callable[[MeasuredImage, float], Solution]
"""Slice, weight or factor -> solution."""


@dataclass(frozen=True)
class KneeRow:
    """One method on one set of slices.

    Attributes:
        method: its name.
        set: one of `SETS`.
        slices: number of slices.
        weight: lam, or the factor on the maps; None where nothing was tuned.
        psnr: mean over the slices, dB.
        seconds: CPU seconds per slice, of one thread.
        iterations: median over the slices; None where nothing was solved.
        gap: largest relative duality gap; None where nothing was solved.
        not_converged: slices that stopped short of the tolerance.
    """

    method: str
    set: str
    slices: int
    weight: float | None
    psnr: float
    seconds: float
    iterations: float | None
    gap: float | None
    not_converged: int


@dataclass(frozen=True)
class Method:
    """A way of reconstructing.

    Attributes:
        solve: how it solves.
        start: exponent of two at which the search for a weight begins; None where nothing is tuned.
        tuned_on: validation slices that it is tuned on; None = all.
    """

    solve: Solve
    start: float | None = None
    tuned_on: int | None = None


def methods(model: str | Path = "knee") -> dict[str, Method]:
    """All methods by name; a model is loaded when its row is measured.

    Args:
        model: shipped model, model file or run of the learned row.
    """
    found = {LOOK: Method(lambda image, weight: _look(image))}
    for name, (regularizer, start) in _SCALAR.items():
        found[name] = Method(scalar(regularizer), start)
    for name, word in _DENOISING.items():
        found[name] = Method(learned(word), -4.0, FACTOR_ON)
    found[LEARNED] = Method(learned(model))
    return found


def scalar(regularizer: Regularizer) -> Solve:
    """The solve with one weight."""
    solver = Admm(regularizer, tol=TOL, max_iter=MAX_ITER)

    def solve(image: MeasuredImage, weight: float) -> Solution:
        y, operator = image.measured.data, image.measured.operator
        maps = torch.full_like(first_look(operator, y), weight)
        return solver(y, shared(regularizer, maps), operator=operator)

    return solve


def learned(model: str | Path) -> Solve:
    """The solve with the maps of a model, times the weight.

    Raises:
        ConfigError: there is no such model.
    """

    @functools.cache
    def given() -> Reconstructor:
        return Reconstructor.load(find_model(str(model))).requires_grad_(False)

    def solve(image: MeasuredImage, weight: float) -> Solution:
        predictor, regularizer = given().predictor, given().solver.regularizer
        reconstructor = Reconstructor(predictor, Admm(regularizer, tol=TOL, max_iter=MAX_ITER), weight)
        level = _TOLD if predictor.sigma_input else None
        return reconstructor(image.measured.data, image.measured.operator, sigma=level)

    return solve


def _look(image: MeasuredImage) -> Solution:
    y, operator = image.measured.data, image.measured.operator
    nothing = torch.zeros(1, dtype=torch.float64)
    # Without the factor of a first look, as published tables have it.
    return Solution(operator.adjoint(y), y.real[:, :0], nothing, nothing.long(), nothing == 0)


def slices(folder: Path, name: str, kind: str) -> Iterator[MeasuredImage]:
    """The slices of a set, one after the other.

    Args:
        folder: folder of pd and pdfs.
        name: one of `SETS`.
        kind: `test` or `val`.

    Raises:
        FileNotFoundError: there is none.
    """
    place = folder / SETS[name] / f"{kind}_images"
    files = sorted(place.glob("*.npz"))
    if name == FOURFOLD and kind == "test":
        files = [file for file in files if file.stem == SLICE]
    if not files:
        raise FileNotFoundError(f"{place} holds no slice; python -m benchmarks.knee_slices writes them.")
    for index, file in enumerate(files):
        image = read_measured(file)
        yield fourfold(file, image, index) if name == FOURFOLD else image


def fourfold(file: Path, image: MeasuredImage, seed: int) -> MeasuredImage:
    """A slice measured anew from its clean image, which must be whole.

    Raises:
        ValueError: the file holds the scored part alone.
    """
    clean = torch.from_numpy(np.load(file, allow_pickle=False)["clean"])[None, None]
    if clean.shape[2:] != image.measured.data.shape[2:]:
        raise ValueError(f"{file} holds the scored part of the clean image alone: it cannot be measured anew.")
    _, measured = Mri(4, 0.08).corrupt(clean, SIGMA, operator_seed=seed, noise_seed=seed)
    assert measured is not None
    return replace(image, measured=measured)


def tuned(solve: Solve, images: Sequence[MeasuredImage], start: float) -> float:
    """The weight with the best mean PSNR, uphill by half octaves from 2^start."""

    def score(exponent: float) -> float:
        return statistics.fmean(_psnr(image, solve(image, 2.0**exponent)) for image in images)

    return 2.0 ** uphill(score, start)


def measure(folder: Path, name: str, method: str, way: Method) -> KneeRow:
    """One row."""
    weight = None
    if way.start is not None:
        weight = tuned(way.solve, list(islice(slices(folder, name, "val"), way.tuned_on)), way.start)
    return solved(slices(folder, name, "test"), name, method, way, weight)


def solved(images: Iterator[MeasuredImage], name: str, method: str, way: Method, weight: float | None) -> KneeRow:
    """The row of some slices with a weight."""
    scores, seconds, solutions = [], [], []
    for image in images:
        started = time.process_time()
        solution = way.solve(image, 1.0 if weight is None else weight)
        seconds.append(time.process_time() - started)
        scores.append(_psnr(image, solution))
        solutions.append((int(solution.iterations), float(solution.gap), bool(solution.converged)))
    iterations, gaps, converged = zip(*solutions, strict=True)
    return KneeRow(
        method=method,
        set=name,
        slices=len(scores),
        weight=weight,
        psnr=statistics.fmean(scores),
        seconds=statistics.fmean(seconds),
        iterations=None if method == LOOK else statistics.median(iterations),
        gap=None if method == LOOK else max(gaps),
        not_converged=converged.count(False) if method != LOOK else 0,
    )


def _psnr(image: MeasuredImage, solution: Solution) -> float:
    assert image.clean is not None, "the public slices have clean images"
    return float(psnr(image.scored(solution.denoised), image.clean))


def knee_table(rows: Sequence[KneeRow]) -> Table:
    """One line per method, those of others among them."""
    lines = []
    for method in dict.fromkeys(row.method for row in rows):
        of_method = {row.set: row for row in rows if row.method == method}
        weights = [f"{row.weight:.2g}" for row in of_method.values() if row.weight is not None]
        marks = [_mark(of_method[name]) if name in of_method else "" for name in SETS]
        both = [row for row in of_method.values() if row.set != FOURFOLD]
        seconds = three_digits(statistics.fmean(row.seconds for row in both)) if both and method != LOOK else ""
        gaps = [row.gap for row in of_method.values() if row.gap is not None]
        lines.append((method, ", ".join(weights), *marks, seconds, f"{max(gaps):.0e}" if gaps else ""))
    for method, values in PUBLISHED.items():
        lines.append((method, "", *(f"{values[name]:.2f}" if name in values else "" for name in SETS), "", ""))
    counts = ", ".join(f"{row.slices} of {row.set}" for row in rows if row.method == LOOK and row.set != FOURFOLD)
    return Table(
        title="Knee MRI",
        remark=f"Mean PSNR in dB; slices: {counts}. CPU seconds per slice on one thread, network included; largest "
        "relative duality gap.",
        heads=("method", "lam, or factor", *(f"{name}, 2-fold" for name in ("PD", "PDFS")), "PDFS slice, 4-fold",
               "seconds", "gap"),
        rows=lines,
        words=2,
    )  # fmt: skip


def _mark(row: KneeRow) -> str:
    return f"{row.psnr:.2f}" + (f" ({row.not_converged} not converged)" if row.not_converged else "")


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.published import DOCUMENTS, redraw
    from benchmarks.stored import read

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of pd and pdfs, as benchmarks.knee_slices writes them")
    parser.add_argument("--model", default="knee", help="shipped model, model file or run of the learned row")
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="methods to measure; the other rows stay")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="sets to measure; the others stay")
    parser.add_argument("--seconds", action="store_true", help="times alone, of some slices, with the stored weights")
    parser.add_argument("--output", type=Path, default=DOCUMENTS / "knee.json", help="document")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    kept: list[KneeRow] = list(read(options.output).found["knee"].rows) if options.output.exists() else []
    found = methods(options.model)
    if unknown := set(options.only or ()) - set(found):
        parser.error(f"no method {', '.join(sorted(unknown))}: {', '.join(found)}")
    with torch.no_grad():
        if options.seconds:
            rows = [_timed(options.folder, row, found[row.method]) for row in kept]
        else:
            rows = list(kept)
            for method in options.only or found:
                for name in options.sets:
                    new = measure(options.folder, name, method, found[method])
                    print(new, file=sys.stderr, flush=True)
                    rows = [row for row in rows if (row.method, row.set) != (method, name)] + [new]
                    rows.sort(key=lambda row: (list(found).index(row.method), list(SETS).index(row.set)))
                    write(options.output, "knee", rows, COMMAND)
    write(options.output, "knee", rows, COMMAND)
    redraw()
    print(to_markdown(knee_table(rows)))
    return 0


def _timed(folder: Path, row: KneeRow, way: Method) -> KneeRow:
    some = islice(slices(folder, row.set, "test"), TIMED_ON)
    return replace(row, seconds=solved(some, row.set, row.method, way, row.weight).seconds)


if __name__ == "__main__":
    sys.exit(main())
