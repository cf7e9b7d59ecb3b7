"""Other people's solvers, for context: proxTV at equal error, scikit-image at a standstill."""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.accuracy import REFERENCE_TOL
from benchmarks.clock import Spread, mean_seconds, paired_ratio, take_turns, threads
from benchmarks.inputs import LAM, Inputs
from benchmarks.markdown import Table, between, milliseconds
from difftv.errors import MissingDependencyError, SolverError
from difftv.extras import require
from difftv.regularizers import AnisotropicTV, IsotropicTV
from difftv.solvers.exact.solver import TautString
from difftv.types import Image, Map

Gray = NDArray[np.float64]

STANDSTILL = 1e-4
"""Relative change of the objective on doubling the iterations at which an iteration counts as done."""

_MOST_ITERATIONS = 2**14
_BISECTIONS = 3


@dataclass(frozen=True)
class PeerRow:
    """One solver on one image, on one thread.

    Attributes:
        solver: its name.
        minimises: `anisotropic` or `isotropic`.
        height, width: sides of the image, in pixels.
        weights: `map` or `scalar`.
        setting: accuracy that it was set to.
        seconds: per round.
        over_ours: its time over that of taut_string in the first row of the same image, paired.
        error: root mean square of the difference to the minimiser, in intensity; None where that is another one.
        largest_error: its largest entry; None likewise.
        excess: relative excess of its objective over the minimum; None likewise.
    """

    solver: str
    minimises: str
    height: int
    width: int
    weights: str
    setting: str
    seconds: list[float]
    over_ours: Spread
    error: float | None
    largest_error: float | None
    excess: float | None


def require_prox_tv() -> None:
    """Raise a MissingDependencyError unless proxTV is installed."""
    require("peers", "prox_tv", by="proxTV, which builds from source with LAPACKE (liblapacke-dev on Debian),")


def require_scikit_image() -> None:
    """Raise a MissingDependencyError unless scikit-image is installed."""
    require("train", "skimage", by="The comparison with scikit-image")


def require_deepinv() -> None:
    """Raise a MissingDependencyError unless deepinv is installed and can be imported."""
    require("deepinv", "deepinv", by="deepinv's TVDenoiser, a contestant here,")
    try:
        import deepinv  # noqa: F401
    except Exception as error:  # as a rule a torchvision of another build than torch
        raise MissingDependencyError(f"deepinv is installed but cannot be imported: {error}") from error


def peer_versions() -> dict[str, str]:
    """Version of every peer that is installed and no library of ours."""
    found = {}
    for name in ("deepinv", "prox-tv"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class _Contestant:
    name: str
    minimises: str
    setting: str
    solve: Callable[[], Image]


def measure_prox_tv(inputs: Inputs, error: float, repeats: int) -> list[PeerRow]:
    """taut_string and proxTV's `tv1w_2d`, each set as loose as still gives `error` (root mean square, in intensity).

    Raises:
        MissingDependencyError: proxTV is not installed.
    """
    require_prox_tv()
    import prox_tv

    y, lam = inputs.noisy[0, 0].numpy(), inputs.lam[0, 0].numpy()

    def prox(iterations: int) -> Image:
        return _image(prox_tv.tv1w_2d(y, lam[:-1], lam[:, :-1], max_iters=iterations, n_threads=1))

    with threads(1):
        exact = _minimiser(inputs, REFERENCE_TOL)
        tol = next(tol for tol in (10.0**-k for k in range(4, 13)) if rms(_minimiser(inputs, tol) - exact) <= error)
        iterations = fewest(lambda count: rms(prox(count) - exact) <= error, _MOST_ITERATIONS)
        if iterations is None:
            raise SolverError(f"proxTV is not accurate enough after {_MOST_ITERATIONS} iterations. Ask for less.")
        contestants = [
            _Contestant("taut_string", "anisotropic", f"tol={tol:.0e}", partial(_minimiser, inputs, tol)),
            _Contestant("proxTV tv1w_2d", "anisotropic", f"max_iters={iterations}", partial(prox, iterations)),
        ]
        return _rows(contestants, exact, inputs, "map", repeats)


def measure_scikit_image(inputs: Inputs, repeats: int) -> list[PeerRow]:
    """taut_string, split Bregman and Chambolle's iteration, with one scalar weight and iterated to a standstill.

    scikit-image has no maps. Its split Bregman treats the border in a way of its own: far from it (20 px at this
    weight) it reaches our minimiser to 1e-12, at it the two differ. Its Chambolle minimises the isotropic model.
    """
    from skimage.restoration import denoise_tv_bregman, denoise_tv_chambolle

    inputs = Inputs(inputs.clean, inputs.noisy, torch.full_like(inputs.lam, LAM))
    y = inputs.noisy[0, 0].numpy()

    def bregman(iterations: int) -> Image:
        # its weight is 1 / lam, whatever its documentation says; eps=0 = never stop early
        return _image(denoise_tv_bregman(y, 1 / LAM, max_num_iter=iterations, eps=0.0, isotropic=False))

    def chambolle(iterations: int) -> Image:
        return _image(denoise_tv_chambolle(y, LAM, max_num_iter=iterations, eps=0.0))

    with threads(1):
        contestants = [_Contestant("taut_string", "anisotropic", "as it comes", partial(_minimiser, inputs, None))]
        for name, minimises, solve in (
            ("denoise_tv_bregman", "anisotropic", bregman),
            ("denoise_tv_chambolle", "isotropic", chambolle),
        ):
            iterations = _standstill(solve, inputs, minimises)
            contestants.append(_Contestant(name, minimises, f"max_num_iter={iterations}", partial(solve, iterations)))
        return _rows(contestants, _minimiser(inputs, REFERENCE_TOL), inputs, "scalar", repeats)


def peer_table(rows: Sequence[PeerRow]) -> Table:
    return Table(
        title="Other solvers of the same family",
        remark=f"Batch 1, 1 thread, {len(rows[0].seconds)} round(s) in turns, forward only; ratios are paired round by "
        "round: median (smallest to largest). With a map: each as loose as still meets the same rms error. With a "
        f"scalar: iterated until doubling the iterations changes the objective by less than {STANDSTILL:.0e} of it. "
        "n/a: minimises another model; split Bregman differs at the border of the image only.",
        heads=(
            "solver",
            "minimises",
            "weights",
            "set to",
            "image [px]",
            "time [ms]",
            "over taut_string",
            "rms error [intensity]",
            "largest error [intensity]",
            "relative excess of the objective",
        ),
        rows=[
            (
                row.solver,
                row.minimises,
                row.weights,
                row.setting,
                f"{row.height}x{row.width}",
                milliseconds(row.seconds),
                between(row.over_ours),
                *("n/a" if value is None else f"{value:.1e}" for value in (row.error, row.largest_error, row.excess)),
            )
            for row in rows
        ],
        words=4,
    )


def _rows(
    contestants: Sequence[_Contestant], exact: Image, inputs: Inputs, weights: str, repeats: int
) -> list[PeerRow]:
    turns = take_turns({one.name: partial(_timed, one.solve) for one in contestants}, repeats, warm_up=False)
    height, width = inputs.noisy.shape[-2:]
    minimum = _objective(exact, inputs, "anisotropic")
    rows = []
    for one in contestants:
        answer = one.solve()
        same_model = one.minimises == "anisotropic"
        rows.append(
            PeerRow(
                solver=one.name,
                minimises=one.minimises,
                height=height,
                width=width,
                weights=weights,
                setting=one.setting,
                seconds=turns[one.name]["forward"],
                over_ours=paired_ratio(turns[one.name]["forward"], turns[contestants[0].name]["forward"]),
                error=rms(answer - exact) if same_model else None,
                largest_error=_largest(answer - exact) if same_model else None,
                excess=_objective(answer, inputs, one.minimises) / minimum - 1 if same_model else None,
            )
        )
    return rows


def _minimiser(inputs: Inputs, tol: float | None) -> Image:
    regularizer = AnisotropicTV(inputs.lam.shape[1])
    solver = TautString(regularizer) if tol is None else TautString(regularizer, tol=tol)
    with torch.no_grad():
        return solver(inputs.noisy, inputs.lam).denoised


def fewest(enough: Callable[[int], bool], most: int) -> int | None:
    """The smallest number of iterations that is enough, to 1 part in 2^_BISECTIONS: by doubling, then by halves.

    None where the last one that doubling tries, at most `most`, is not enough.
    """
    high = 1
    while not enough(high):
        high *= 2
        if high > most:
            return None
    low = high // 2
    for _ in range(_BISECTIONS):
        middle = (low + high) // 2
        if middle == low:
            break
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _standstill(solve: Callable[[int], Image], inputs: Inputs, minimises: str) -> int:
    iterations = 16
    before = _objective(solve(iterations), inputs, minimises)
    while iterations < _MOST_ITERATIONS:
        after = _objective(solve(2 * iterations), inputs, minimises)
        if abs(after - before) <= STANDSTILL * after:
            break
        iterations, before = 2 * iterations, after
    return iterations


def _objective(u: Image, inputs: Inputs, minimises: str) -> float:
    regularizer = AnisotropicTV(1) if minimises == "anisotropic" else IsotropicTV()
    return float(0.5 * (u - inputs.noisy).square().sum() + regularizer.value(u, inputs.lam))


def _timed(solve: Callable[[], Image]) -> dict[str, float]:
    return {"forward": mean_seconds(solve)}


def rms(difference: Map | NDArray[np.floating[Any]]) -> float:
    """Root mean square, in float64."""
    return float(np.sqrt(np.mean(np.square(np.asarray(difference, dtype=np.float64)))))


def _largest(difference: Map) -> float:
    return float(difference.abs().max())


def _image(array: Gray) -> Image:
    return torch.from_numpy(np.ascontiguousarray(array))[None, None]
