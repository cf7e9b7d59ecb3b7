"""The best single number of every problem: a coarse grid in powers of sqrt(2), then bisection in its logarithm.

Where the best point lies at an end of the grid, the grid grows in that direction first. The grid is not coarser because
the PSNR of a nearly flat image has two maxima: one where its noise is gone, one where it is constant.
"""

import math
from collections.abc import Callable

from tqdm import tqdm

SMALLEST = 0.01
STEP = 0.5
COARSE_EXPONENTS = tuple(STEP * index for index in range(13))
"""lambda = 0.01 * 2^exponent, 0.01 .. 0.64: sigma 5 to 100 of natural images; it grows where that is short."""

MOST_EXTENSIONS = 16
"""Steps beyond the coarse grid: 4e-5 .. 164, past which the image is untouched or constant."""


def search_line(
    score: Callable[[list[float]], list[float]], problems: int, refinements: int, label: str | None
) -> list[dict[float, float]]:
    """Everything that was tried, for every problem: value -> PSNR.

    Args:
        score: one value per problem -> the PSNR of each.
        problems: how many.
        refinements: bisections.
        label: text of the progress bar; None for no bar.
    """
    tried: list[dict[float, float]] = [{} for _ in range(problems)]
    rounds = len(COARSE_EXPONENTS) + 2 * refinements
    with tqdm(total=rounds, desc=label, unit="lambda", leave=False, disable=True if label is None else None) as bar:

        def try_values(exponents: list[float]) -> None:
            scores = score([weight(exponent) for exponent in exponents])
            for scored, exponent, value in zip(tried, exponents, scores, strict=True):
                scored[exponent] = -math.inf if math.isnan(value) else value
            bar.update()

        def best() -> list[float]:
            return [max(scored, key=scored.__getitem__) for scored in tried]

        for exponent in COARSE_EXPONENTS:
            try_values([exponent] * problems)
        for _ in range(MOST_EXTENSIONS):
            ends = [_beyond(scored, exponent) for scored, exponent in zip(tried, best(), strict=True)]
            if all(end in scored for scored, end in zip(tried, ends, strict=True)):
                break
            try_values(ends)
        step = STEP
        for _ in range(refinements):
            step /= 2
            centres = best()
            for side in (-step, step):
                try_values([centre + side for centre in centres])
    return [{weight(exponent): value for exponent, value in scored.items()} for scored in tried]


def weight(exponent: float) -> float:
    """The value of lambda at a point of the grid."""
    return SMALLEST * 2.0**exponent


def _beyond(scored: dict[float, float], best: float) -> float:
    """The next exponent past an end of the grid if the best point is that end, else the best point itself."""
    if best == max(scored):
        return best + STEP
    return best - STEP if best == min(scored) else best
