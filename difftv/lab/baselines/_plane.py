"""The best numbers of every problem where there are several: a coarse grid, then steps along the axes that get shorter.

    (lam, lam2 / lam)   or   (lam, gam),   each in powers of two

From the best point of the grid every neighbour along an axis is tried and the best one is gone to, until none is
better; then the step is halved. Nothing is tried twice for a problem. The first axis is refined further than the
others, along which the PSNR is flat. The search is deterministic.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from difftv.lab.baselines._line import COARSE_EXPONENTS, STEP, weight
from difftv.regularizers import Regularizer

RATIOS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Exponents of a ratio, around the one that training starts from."""

CONSTANTS = (-4.0, 0.0, 1.0, 2.0, 3.0, 4.0)
"""Exponents of gam, from where training starts: 6e-5, nearly total variation, then 1e-3 .. 0.016, slopes of images."""

FIRST_STEP = 1.0
FINEST_OF_OTHERS = 0.25
"""A factor of 1.19; at sigma 25 half of that moves the PSNR by less than 0.01 dB."""

BOUNDS = ((-8.0, 14.0), (-12.0, 12.0))
"""Exponents of the first number (as far as a search for a single one goes) and of the others."""

Point = tuple[float, ...]
"""One exponent per number."""


@dataclass(frozen=True)
class Axes:
    """What the exponents of a point mean.

    Attributes:
        scales: scale of every number but the first: its ratio to the first one, or its value, at exponent 0.
        relative: whether it is a ratio.
    """

    scales: tuple[float, ...]
    relative: tuple[bool, ...]

    @classmethod
    def of(cls, regularizer: Regularizer) -> "Axes":
        """Those of a regularizer, around the numbers that training starts from."""
        first_maps = [regularizer.first_map(name) for name in regularizer.parameters[1:]]
        return cls(
            tuple(spec.ratio if spec.ratio else spec.offset for spec in first_maps),
            tuple(bool(spec.ratio) for spec in first_maps),
        )

    def numbers(self, point: Point) -> tuple[float, ...]:
        """The numbers themselves."""
        first = weight(point[0])
        others = (
            scale * 2.0**exponent * (first if relative else 1.0)
            for scale, relative, exponent in zip(self.scales, self.relative, point[1:], strict=True)
        )
        return first, *others

    def point(self, numbers: Sequence[float]) -> Point:
        """The exponents of given numbers, without what rounding adds to those of a grid."""
        kinds = zip(self.scales, self.relative, strict=True)
        units = (scale * (numbers[0] if relative else 1.0) for scale, relative in kinds)
        quotients = (number / unit for number, unit in zip(numbers, (weight(0.0), *units), strict=True))
        return tuple(round(math.log2(quotient), 9) for quotient in quotients)


def whole_grid(axes: Axes) -> list[Point]:
    """The coarse grid: every second weight, and every weight where the others are as training starts."""
    rows = itertools.product(*(RATIOS if relative else CONSTANTS for relative in axes.relative))
    return [point for row in rows for point in grid_row(row, every=1 if not any(row) else 2)]


def grid_row(others: Point, *, every: int = 2) -> list[Point]:
    """Weights from the coarse grid of a single number, with the other numbers as given."""
    return [(exponent, *others) for exponent in COARSE_EXPONENTS[::every]]


def search_plane(
    score: Callable[[list[Point | None]], list[float]],
    problems: int,
    grid: Iterable[Point],
    refinements: int,
    label: str | None,
) -> list[dict[Point, float]]:
    """Everything that was tried, for every problem: point -> PSNR.

    Args:
        score: one point per problem, None = nothing to try there -> the PSNR of each.
        problems: how many.
        grid: the points to begin with.
        refinements: the last step along the first axis is 2^(2^-refinements / 2), 4 % for 3.
        label: text of the progress bar; None for no bar.
    """
    tried: list[dict[Point, float]] = [{} for _ in range(problems)]
    begin = list(grid)
    total = len(begin) + sum(len(list(_moves(step, len(begin[0])))) for step in _steps(refinements))
    with tqdm(total=total, desc=label, unit="solve", leave=False, disable=True if label is None else None) as bar:

        def try_points(points: Sequence[Point]) -> None:
            unscored = [
                point if point not in scored and _inside(point) else None
                for scored, point in zip(tried, points, strict=True)
            ]
            if any(point is not None for point in unscored):
                for scored, point, value in zip(tried, unscored, score(unscored), strict=True):
                    if point is not None:
                        scored[point] = -math.inf if math.isnan(value) else value
                bar.update()
                bar.total = max(bar.total or 0, bar.n)

        def best() -> list[Point]:
            return [max(scored, key=scored.__getitem__) for scored in tried]

        for point in begin:
            try_points([point] * problems)
        for step in _steps(refinements):
            centres = None
            while centres != (centres := best()):
                for move in _moves(step, len(begin[0])):
                    try_points([tuple(map(sum, zip(centre, move, strict=True))) for centre in centres])
    return tried


def _steps(refinements: int) -> list[float]:
    finest = STEP * 0.5**refinements
    return [FIRST_STEP * 0.5**index for index in range(round(math.log2(FIRST_STEP / finest)) + 1)]


def _moves(step: float, numbers: int) -> Iterator[Point]:
    for axis in range(numbers if step >= FINEST_OF_OTHERS else 1):
        for signed in (-step, step):
            yield tuple(signed if index == axis else 0.0 for index in range(numbers))


def _inside(point: Point) -> bool:
    (low, high), (lowest, highest) = BOUNDS
    return low <= point[0] <= high and all(lowest <= exponent <= highest for exponent in point[1:])
