"""The fair opponent of a learned map: constant maps, found on a set of images (deployable) or per image (oracle).

A regularizer says which numbers that takes (`Regularizer.parameters`): one, the weight, for total variation;
(lam1, lam2) for `tgv` and `tv_tv2`; (lam, gam) for `tvpwl`.
"""

import math
from collections.abc import Sequence

import torch

from difftv.denoiser import Denoiser
from difftv.lab.baselines._line import search_line
from difftv.lab.baselines._plane import Axes, Point, grid_row, search_plane, whole_grid
from difftv.lab.baselines._scores import Scores
from difftv.lab.baselines.outcome import GridSearch
from difftv.lab.data import EvaluationItems
from difftv.predictors import Constant
from difftv.regularizers import Regularizer
from difftv.solvers.base import Solver


def search_per_set(
    solver: Solver,
    items: EvaluationItems,
    *,
    batch_size: int,
    refinements: int = 3,
    label: str | None = None,
    device: torch.device | str = "cpu",
    stabilise: bool = True,
) -> GridSearch:
    """The numbers with the best mean PSNR over `items`: what a user without the clean image could have tuned.

    Args:
        solver: solves with the regularizer that the learned map is used with.
        items: the images to tune on (training images, if the number is to be reported elsewhere).
        batch_size: images solved at a time, >= 1.
        refinements: bisections; the spacing of the last one is 2^(2^-refinements / 2), 4 % for 3. A second number is
            found to 19 %.
        label: text of the progress bar; None for no bar.
        device: device of the run; where the solver works, unless that is the CPU in any case.
        stabilise: treatment of noise that is not white, see `Denoiser`.
    """
    scores, regularizer = Scores(solver, items, batch_size, device, stabilise), solver.regularizer
    if len(regularizer.parameters) == 1:
        line = search_line(lambda lam: [scores.mean((lam[0],))], 1, refinements, label)
        return _on_line(regularizer, line)
    axes = Axes.of(regularizer)

    def score(points: list[Point | None]) -> list[float]:
        return [-math.inf if point is None else scores.mean(axes.numbers(point)) for point in points]

    return _in_plane(regularizer, axes, search_plane(score, 1, whole_grid(axes), refinements, label))


def search_per_image(
    solver: Solver,
    items: EvaluationItems,
    *,
    batch_size: int,
    start: Sequence[float],
    refinements: int = 3,
    label: str | None = None,
    device: torch.device | str = "cpu",
    stabilise: bool = True,
) -> GridSearch:
    """The best numbers of every image by itself, chosen with the clean image in hand: an upper bound for any scalar.

    A search for several numbers begins at `start` and with every weight at its other numbers, for a grid per image
    would cost too much; it is never worse than `start`.

    Args:
        start: the best numbers of a set; a search for one number does not look at it.

    Other arguments as for `search_per_set`.
    """
    scores, regularizer = Scores(solver, items, batch_size, device, stabilise), solver.regularizer
    if len(regularizer.parameters) == 1:
        tried = search_line(lambda lam: scores.per_image([(v,) for v in lam]), len(items), refinements, label)
        return _on_line(regularizer, tried)
    axes = Axes.of(regularizer)

    def score(points: list[Point | None]) -> list[float]:
        return scores.per_image([None if point is None else axes.numbers(point) for point in points])

    begin = axes.point(start)
    grid = [begin, *grid_row(begin[1:])]
    return _in_plane(regularizer, axes, search_plane(score, len(items), grid, refinements, label))


class ScalarDenoiser(Denoiser):
    """A denoiser with constant maps; behind a forward operator they are in the units of the measurements."""


def scalar_denoiser(solver: Solver, numbers: Sequence[float], stabilise: bool = True) -> ScalarDenoiser:
    """The denoiser with constant maps.

    Args:
        solver: solver of the minimisation.
        numbers: one value per name in `Regularizer.parameters`, > 0.
        stabilise: choice of `Denoiser`.
    """
    regularizer = solver.regularizer
    values = list(regularizer.constants(numbers))
    constant = Constant(regularizer.num_maps, initial_lam=values, channels=regularizer.channels, axes=regularizer.axes)
    return ScalarDenoiser(constant, solver, stabilise=stabilise)


def _on_line(regularizer: Regularizer, tried: list[dict[float, float]]) -> GridSearch:
    return _outcome(regularizer, (False,), [{(lam,): value for lam, value in scored.items()} for scored in tried])


def _in_plane(regularizer: Regularizer, axes: Axes, tried: list[dict[Point, float]]) -> GridSearch:
    found = [{axes.numbers(point): value for point, value in scored.items()} for scored in tried]
    return _outcome(regularizer, (False, *axes.relative), found)


def _outcome(
    regularizer: Regularizer, relative: tuple[bool, ...], tried: list[dict[tuple[float, ...], float]]
) -> GridSearch:
    best = [max(scored, key=scored.__getitem__) for scored in tried]
    return GridSearch(
        names=regularizer.parameters,
        relative=relative,
        values=tuple(best),
        psnr=tuple(scored[numbers] for scored, numbers in zip(tried, best, strict=True)),
        curve=tuple(tuple((*numbers, scored[numbers]) for numbers in sorted(scored)) for scored in tried),
    )
