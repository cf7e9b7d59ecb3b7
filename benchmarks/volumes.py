"""Signals, images and volumes through `exact` over the weight, and other packages beside it and `admm` at equal error.

    python -m benchmarks.volumes                   (some three minutes)
    python -m benchmarks.volumes --publish         (writes docs/measurements/volumes.json and redraws the page)
    python -m benchmarks.volumes --memory 128      (peak memory of one volume of that side, by both solvers)

Time is that of the process on one thread, the least of up to three rounds, so that a busy machine counts little. The
phantom is a ball in a box (a disc in a square), intensities 0 and 0.6, noise of standard deviation 0.1. The random
field has the spectrum of natural images, amplitudes that fall with the frequency, and a standard deviation of 0.25. The
signal has a thousand steps and noise 0.3. Isotropic and other iterative solvers run as long as brings them within
a root mean square of 1e-4 of the minimiser. proxTV needs the extra `peers`, deepinv the extra `deepinv`; what is not
installed is left out, and a line says so.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from benchmarks.markdown import Table, mebibytes, three_digits
from benchmarks.own_process import in_own_process, peak_bytes, resident_bytes
from benchmarks.peers import fewest, require_deepinv, require_prox_tv, require_scikit_image, rms
from difftv.errors import MissingDependencyError
from difftv.lab.report.markdown import grid
from difftv.regularizers import AnisotropicTV, IsotropicTV
from difftv.solvers import Admm, Exact

T = TypeVar("T")

COMMAND = "python -m benchmarks.volumes --publish"

LAM = (0.01, 0.03, 0.08, 0.2, 0.5, 1.0)
SIDES = (32, 64, 128)
PEER_SIDE, PEER_LAM = 64, 0.08
SAMPLES, SIGNAL_LAM = 1_000_000, 1.0

ALLOWED = 1e-4
"""Root mean square distance from the minimum, of images in [0, 1], at which iterative solvers are compared."""

MOST = 2**14
"""Iterations that are tried of other packages, at most; of proxTV, which solves for every line in each, a sixteenth."""

CHAMBOLLE, DEEPINV, PROX_TV = "scikit-image `denoise_tv_chambolle`", "deepinv `TVDenoiser`", "proxTV"
SINGLE = ("`tv1_1d`, hybridtautstring", "`tv1_1d`, condat", "`tv1_1d`, classictautstring")

_ROUNDS, _LONG = 3, 3.0


@dataclass(frozen=True)
class SolveRow:
    """One solve.

    Attributes:
        objective: `anisotropic` or `isotropic`.
        data: name of the data.
        space: sizes.
        lam: weight, in intensity.
        solver: its name.
        setting: its accuracy, "" where it is exact as it comes.
        seconds: time of the process on one thread.
        gap: relative duality gap of our solvers.
        error: root mean square of the difference to the minimiser, in intensity; None where it was not measured.
    """

    objective: str
    data: str
    space: tuple[int, ...]
    lam: float
    solver: str
    setting: str
    seconds: float
    gap: float | None
    error: float | None


def phantom(*space: int) -> Tensor:
    """(1, 1, *space)."""
    places = sum((place / size - 0.5) ** 2 for place, size in zip(np.indices(space), space, strict=True))
    noise = np.random.default_rng(0).normal(size=space)
    return torch.from_numpy(0.6 * (places < 0.1) + 0.1 * noise)[None, None]


def random_field(*space: int) -> Tensor:
    """(1, 1, *space), equal energy in every octave of frequency, as of natural images."""
    axes = len(space)
    frequencies = np.meshgrid(*(np.fft.fftfreq(size) for size in space), indexing="ij")
    radius = np.sqrt(sum(one**2 for one in frequencies))
    radius.flat[0] = np.inf
    white = np.fft.fftn(np.random.default_rng(0).normal(size=space))
    field = np.fft.ifftn(white * radius ** -(axes / 2)).real
    return torch.from_numpy(0.5 + 0.25 * field / field.std())[None, None]


def steps(samples: int) -> Tensor:
    """(1, 1, samples)."""
    generator = np.random.default_rng(0)
    clean = np.repeat(generator.normal(size=samples // 1000), 1000)
    return torch.from_numpy(clean + 0.3 * generator.normal(size=clean.shape))[None, None]


def measured(call: Callable[[], T]) -> tuple[T, float]:
    """What the call returns, and the least time of the process; long calls are made once."""
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.process_time()
        found = call()
        best = min(best, time.process_time() - started)
        if best > _LONG:
            break
    return found, best


def exact(name: str, y: Tensor, lams: Iterable[float]) -> Iterator[SolveRow]:
    """The exact solver over the weight."""
    space = tuple(y.shape[2:])
    solver = Exact(AnisotropicTV(axes=len(space)))
    small = (slice(None),) * 2 + (slice(8),) * len(space)
    solver(y[small].contiguous(), torch.full_like(y[small], 0.05))  # compile
    for lam in lams:
        found, seconds = measured(partial(solver, y, torch.full_like(y, lam)))
        yield SolveRow("anisotropic", name, space, lam, "`exact`", "", seconds, float(found.gap), None)


def isotropic(side: int, most: int = MOST) -> Iterator[SolveRow]:
    """`admm` with the loosest tolerance, the others with the fewest iterations, that come within the allowed error.

    Raises:
        MissingDependencyError: a package is not installed; the rows before it have been given.
    """
    y = phantom(side, side, side)
    maps = torch.full_like(y, PEER_LAM)
    regularizer = IsotropicTV(axes=3)
    best = Admm(regularizer, tol=1e-7, max_iter=5000, dtype=torch.float64)(y, maps).denoised.numpy()
    row = partial(SolveRow, "isotropic", "phantom", tuple(y.shape[2:]), PEER_LAM)
    single = y.float()
    for tol in (1e-4, 3e-5, 1e-5, 5e-6, 3e-6):
        found, seconds = measured(partial(Admm(regularizer, tol=tol), single, maps.float()))
        error = rms(found.denoised.numpy() - best)
        if error <= ALLOWED:
            yield row("`admm`, float32", f"tol={tol:g}", seconds, float(found.gap), error)
            break
    noisy = single[0, 0].numpy()
    require_scikit_image()
    from skimage.restoration import denoise_tv_chambolle

    def chambolle(count: int) -> np.ndarray:
        return denoise_tv_chambolle(noisy, PEER_LAM, eps=0.0, max_num_iter=count)

    yield _enough(partial(row, CHAMBOLLE), "max_num_iter", chambolle, best[0, 0], most)
    require_deepinv()
    from deepinv.models import TVDenoiser

    def deepinv(count: int) -> np.ndarray:
        denoiser = TVDenoiser(verbose=False, n_it_max=count, crit=0.0)
        with torch.no_grad():
            return denoiser(single, ths=PEER_LAM).numpy()

    yield _enough(partial(row, DEEPINV), "n_it_max", deepinv, best, most)


def anisotropic(side: int, most: int = MOST) -> Iterator[SolveRow]:
    """proxTV beside the exact solver on a volume.

    Raises:
        MissingDependencyError: a package is not installed; the rows before it have been given.
    """
    y = phantom(side, side, side)
    solver, maps = Exact(AnisotropicTV(axes=3)), torch.full_like(y, PEER_LAM)
    found, seconds = measured(partial(solver, y, maps))
    row = partial(SolveRow, "anisotropic", "phantom", tuple(y.shape[2:]), PEER_LAM)
    yield row("`exact`", "", seconds, float(found.gap), 0.0)
    require_prox_tv()
    import prox_tv

    noisy = y[0, 0].numpy()

    def theirs(count: int) -> np.ndarray:
        return prox_tv.tvgen(noisy, [PEER_LAM] * 3, [1, 2, 3], [1, 1, 1], n_threads=1, max_iters=count)

    yield _enough(partial(row, f"{PROX_TV} `tvgen`"), "max_iters", theirs, found.denoised[0, 0].numpy(), most // 16)


def signal(samples: int) -> Iterator[SolveRow]:
    """A long signal: `exact`, scikit-image as it comes, and the methods of proxTV.

    Raises:
        MissingDependencyError: a package is not installed; the rows before it have been given.
    """
    y = steps(samples)
    solver, maps = Exact(AnisotropicTV(axes=1)), torch.full_like(y, SIGNAL_LAM)
    found, seconds = measured(partial(solver, y, maps))
    best, noisy = found.denoised[0, 0].numpy(), y[0, 0].numpy()
    row = partial(SolveRow, "anisotropic", "signal", (samples,), SIGNAL_LAM)
    yield row("`exact`", "", seconds, float(found.gap), 0.0)
    require_scikit_image()
    from skimage.restoration import denoise_tv_chambolle

    theirs, seconds = measured(partial(denoise_tv_chambolle, noisy, SIGNAL_LAM))
    yield row(CHAMBOLLE, "as it comes", seconds, None, rms(theirs - best))
    require_prox_tv()
    import prox_tv

    for name in SINGLE:
        method = name.rpartition(" ")[2]
        theirs, seconds = measured(partial(prox_tv.tv1_1d, noisy, SIGNAL_LAM, method=method))
        yield row(f"{PROX_TV} {name}", "", seconds, None, rms(theirs - best))


def _enough(
    row: Callable[..., SolveRow], option: str, solve: Callable[[int], np.ndarray], best: np.ndarray, most: int
) -> SolveRow:
    """The row of the fewest iterations that come within the allowed error, or of the most that are tried."""
    count = fewest(lambda tried: rms(solve(tried) - best) <= ALLOWED, most) or most
    found, seconds = measured(partial(solve, count))
    return row(f"{option}={count}", seconds, None, rms(found - best))


def measure() -> tuple[list[SolveRow], list[str]]:
    """All rows, and why some are missing."""
    rows: list[SolveRow] = []
    missing = []
    parts = [exact("phantom", phantom(*[side] * 3), LAM) for side in SIDES]
    parts += [
        exact("random field", random_field(64, 64, 64), LAM),
        exact("phantom", phantom(512, 512), LAM),
        exact("signal", steps(SAMPLES), LAM),
        isotropic(PEER_SIDE),
        anisotropic(PEER_SIDE),
        signal(SAMPLES),
    ]
    for part in parts:
        try:
            for row in part:
                rows.append(row)
                print(f"{row.data} {row.space} lam {row.lam:g} {row.solver}: {row.seconds:.2f} s", flush=True)
        except MissingDependencyError as error:
            missing.append(str(error))
    return rows, missing


def times(rows: Sequence[SolveRow]) -> list[list[str]]:
    """Heads and lines: seconds of the exact solver, data by weight, and the largest gap."""
    own = [row for row in rows if row.error is None and row.solver == "`exact`"]
    lams = list(dict.fromkeys(row.lam for row in own))
    lines = [["data", *(f"lam = {lam:g}" for lam in lams), "largest relative gap"]]
    for place in dict.fromkeys((row.data, row.space) for row in own):
        at = {row.lam: row for row in own if (row.data, row.space) == place}
        gaps = [row.gap for row in at.values() if row.gap is not None]
        cells = [three_digits(at[lam].seconds) if lam in at else "" for lam in lams]
        lines.append([f"{place[0]} {_size(place[1])}", *cells, f"{max(gaps):.0e}"])
    return lines


def volumes_table(rows: Sequence[SolveRow]) -> Table:
    """The solvers beside each other, one block of lines per problem."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        if row.error is None:
            continue
        first = next(
            one for one in rows if one.error is not None and (one.objective, one.space) == (row.objective, row.space)
        )
        problem = f"{row.objective}, {row.data} {_size(row.space)}, lam {row.lam:g}"
        error = f"{row.error:.1e}" if row.error <= ALLOWED or row is first else f"{row.error:.1e} (not reached)"
        cells = three_digits(row.seconds), three_digits(row.seconds / first.seconds), error
        lines.append((problem, row.solver, row.setting, *cells))
    return Table(
        title="Signals and volumes",
        remark=f"One thread, time of the process; root mean square distance from the minimiser, {ALLOWED:g} allowed.",
        heads=("problem", "solver", "set to", "seconds", "over the first", "distance"),
        rows=lines,
        words=3,
    )


def volumes_text(rows: Sequence[SolveRow]) -> str:
    """What the page shows."""
    table = volumes_table(rows)
    beside = grid([list(table.heads), *map(list, table.rows)], table.words)
    return f"Seconds of `exact` on one thread:\n\n{grid(times(rows), 1)}\n\n{table.remark}\n\n{beside}"


def _size(space: Sequence[int]) -> str:
    if len(space) == 1:
        return f"of {space[0]:,} samples"
    return f"{space[0]}^{len(space)}" if len(set(space)) == 1 else "x".join(map(str, space))


def solver_memory(name: str, side: int) -> tuple[float, float]:
    """Bytes at the peak of one solve over those before it, and its seconds, in a process of its own."""
    y = phantom(side, side, side)
    if name == "admm":
        y = y.float()
        solver: Any = Admm(IsotropicTV(axes=3), tol=1e-5)
    else:
        solver = Exact(AnisotropicTV(axes=3))
    maps = torch.full_like(y, PEER_LAM)
    small = y[..., :8, :8, :8].contiguous()
    solver(small, torch.full_like(small, PEER_LAM))
    before = resident_bytes()
    started = time.perf_counter()
    with torch.no_grad():
        solver(y, maps)
    return float(peak_bytes() - before), time.perf_counter() - started


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.published import DOCUMENTS, redraw
    from benchmarks.study import write

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publish", action="store_true", help="write the document and redraw the page")
    parser.add_argument("--memory", type=int, metavar="SIDE", help="measure the memory for such a volume, nothing else")
    options = parser.parse_args(arguments)
    if options.memory:
        for name in ("exact", "admm"):
            size, seconds = in_own_process(solver_memory, name, options.memory)
            per_voxel = size / options.memory**3
            print(f"{name}: {mebibytes(size)} MiB, {per_voxel:.0f} bytes per voxel, {seconds:.0f} s", flush=True)
        return 0
    torch.set_num_threads(1)
    rows, missing = measure()
    if options.publish:
        write(DOCUMENTS / "volumes.json", "volumes", rows, COMMAND)
        redraw()
    print(volumes_text(rows), *(f"Not measured: {reason}" for reason in missing), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
