"""`denoise_tv` beside the functions that it stands in for, gray and in colour, each as loose as one error allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from benchmarks.clock import Spread, mean_seconds, paired_ratio, take_turns
from benchmarks.denoisers import Contestant, Picture, contestants, minimiser
from benchmarks.inputs import LAM
from benchmarks.markdown import Table, between, milliseconds
from benchmarks.peers import fewest, rms

_MOST_ITERATIONS = 2**14
_LIMIT_FROM = 128


@dataclass(frozen=True)
class DropInRow:
    """One function on one image, which all are given in float32.

    Attributes:
        objective: objective that `over_ours` is paired by: `ISOTROPIC`, `ANISOTROPIC` or `COUPLED`.
        height, width, channels: shape of the image; its channels are independent but for `COUPLED`.
        solver: its name.
        works_in: the precision of its iterations.
        setting: accuracy that it was set to.
        threads: threads of torch and proxTV; scikit-image uses one.
        seconds: forward, per round.
        over_ours: its time over that of `denoise_tv` with the same objective on the same image, paired.
        asked: the error that all of them have to meet, root mean square, in intensity.
        error: root mean square of the difference to the minimiser of its own objective.
        other_minimiser: how far that minimiser is from the one of `denoise_tv`, likewise; None where they are one.
    """

    objective: str
    height: int
    width: int
    channels: int
    solver: str
    works_in: str
    setting: str
    threads: int
    seconds: list[float]
    over_ours: Spread
    asked: float
    error: float
    other_minimiser: float | None


@dataclass(frozen=True)
class _Fitted:
    contestant: Contestant
    level: float | None
    error: float
    other_minimiser: float | None


def measure_drop_in(picture: Picture, objective: str, error: float, repeats: int) -> list[DropInRow]:
    """All functions with an objective that are installed, forward, each as loose as still gives `error` (rms)."""
    noisy = np.ascontiguousarray(picture, dtype=np.float32)
    exact = minimiser(noisy, objective)
    fitted = [_fitted(one, noisy, exact, error) for one in contestants(objective)]
    runs = {one.contestant.name: partial(_timed, one, noisy) for one in fitted}
    turns = take_turns(runs, repeats, warm_up=False)  # the search for their settings has run them all
    ours = turns[fitted[0].contestant.name]["forward"]
    return [
        DropInRow(
            objective=objective,
            height=noisy.shape[0],
            width=noisy.shape[1],
            channels=1 if noisy.ndim == 2 else noisy.shape[2],
            solver=one.contestant.name,
            works_in=one.contestant.works_in,
            setting="exact" if one.level is None else f"{one.contestant.option}={one.level:g}",
            threads=torch.get_num_threads(),
            seconds=turns[one.contestant.name]["forward"],
            over_ours=paired_ratio(turns[one.contestant.name]["forward"], ours),
            asked=error,
            error=one.error,
            other_minimiser=one.other_minimiser,
        )
        for one in fitted
    ]


def drop_in_table(rows: Sequence[DropInRow]) -> Table:
    first = rows[0]
    return Table(
        title="denoise_tv and the functions that it stands in for",
        remark=f"Forward, batch 1, weight {LAM:g}, {first.threads} thread(s) (scikit-image: 1), {len(first.seconds)} "
        f"round(s) in turns. Each is as loose as still gives an rms error of {first.asked:.0e} to the minimiser of its "
        "own objective; the last column says how far that minimiser is from the one of denoise_tv, where it is "
        "another. Ratios are over denoise_tv with the same objective on the same image, paired round by round: median "
        "(smallest to largest). Channels are independent but where it says coupled; proxTV is called once for each. "
        "The image is float32, whatever they work in. exact: cannot be set looser.",
        heads=(
            "image [px]",
            "objective",
            "solver",
            "works in",
            "set to",
            "time [ms]",
            "over denoise_tv",
            "rms error [intensity]",
            "other minimiser [intensity]",
        ),
        rows=[
            (
                f"{'gray' if row.channels == 1 else 'colour'} {row.height}x{row.width}",
                row.objective,
                row.solver,
                row.works_in,
                row.setting,
                milliseconds(row.seconds),
                between(row.over_ours),
                f"{row.error:.1e}",
                "" if row.other_minimiser is None else f"{row.other_minimiser:.1e}",
            )
            for row in rows
        ],
        words=5,
    )


def _fitted(one: Contestant, noisy: Picture, exact: Picture, error: float) -> _Fitted:
    own = _limit(one, noisy, error) if one.own_objective else exact
    errors: dict[float | None, float] = {}

    def enough(level: float | None) -> bool:
        errors[level] = rms(one.at(level, noisy) - own)
        return errors[level] <= error

    level: float | None = None
    if one.levels:
        level = next((tol for tol in one.levels if enough(tol)), one.levels[-1])
    elif one.option is not None:
        level = fewest(enough, _MOST_ITERATIONS) or _MOST_ITERATIONS
    else:
        enough(level)
    return _Fitted(one, level, errors[level], rms(own - exact) if one.own_objective else None)


def _limit(one: Contestant, noisy: Picture, error: float) -> Picture:
    """Where its iteration leads in float64. Doubling the iterations changes it by a tenth of `error` at most; it
    converges linearly, and so has come much nearer than that."""
    picture, iterations = noisy.astype(np.float64), _LIMIT_FROM
    before, found = (one.at(count, picture) for count in (iterations, 2 * iterations))
    while rms(found - before) > error / 10 and iterations < _MOST_ITERATIONS:
        iterations *= 2
        before, found = found, one.at(2 * iterations, picture)
    return found


def _timed(one: _Fitted, noisy: Picture) -> dict[str, float]:
    return {"forward": mean_seconds(lambda: one.contestant.at(one.level, noisy))}
