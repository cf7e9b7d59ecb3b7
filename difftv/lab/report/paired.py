"""Paired comparison of two sets of runs over the images that both were evaluated on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from difftv.lab.report.evaluated import unlike
from difftv.lab.report.settings import is_seed, lookup
from difftv.lab.report.sweep import Run

RESAMPLES = 10_000  # the ends of a 95 % interval then move by about 1 % of its length from seed to seed
_ELEMENTS_AT_ONCE = 2_000_000  # 16 MB of float64, however many images there are


@dataclass(frozen=True)
class Difference:
    """Mean over the images of (ours - theirs), with a 95 % bootstrap interval.

    `n` images entered; `seeds` is the larger number of runs behind either side.
    """

    mean: float
    low: float
    high: float
    n: int
    seeds: int = 1


def paired_difference(
    runs: Sequence[Run], metric: str, reference: Sequence[Run], reference_metric: str
) -> Difference | None:
    """How much better or worse `runs` are than `reference`, image by image and seed by seed.

        d_i = mean_seeds(ours_i) - mean_seeds(theirs_i),   mean(d) with a percentile bootstrap

    Images and seeds are resampled independently of each other, as rows and columns (Owen, The pigeonhole bootstrap,
    2007, section 3): the interval says what other images of the same kind and other seeds would give. Where both sides
    were run with the same seeds, a seed is drawn for both at once. The deviation of a seed from the mean of S seeds is
    enlarged by sqrt(S / (S - 1)), which makes the variance of a drawn mean s^2 / S instead of (S - 1) / S of that; with
    two or three seeds the interval is a rough one nevertheless. With one seed on either side only images are drawn.
    All draws come from a generator with a fixed seed: the same runs give the same interval.

    Args:
        runs: the seeds of one setting.
        metric: name in per_image.csv.
        reference: the seeds of the setting to compare with.
        reference_metric: name of the metric there (`baseline/psnr` for the scalar lambda).

    Returns:
        None where the two were not measured on the same images, crops and noise, or one lacks the metric. Images on
        which a value is not finite are left out and `n` is smaller. The interval is NaN for fewer than two images.
    """
    if unlike([run.settings for run in runs], [run.settings for run in reference]):
        return None
    names = _images(runs, metric)
    if not names or {*names} != {*_images(reference, reference_metric)}:
        return None
    pairs = _same_seeds(runs, reference)
    ours = np.array([[run.images[name][metric] for name in names] for run in runs])
    theirs = np.array([[run.images[name][reference_metric] for name in names] for run in pairs or reference])
    finite = np.isfinite(ours).all(0) & np.isfinite(theirs).all(0)
    ours, theirs = ours[:, finite], theirs[:, finite]
    if ours.size == 0:
        return None
    sides = [ours - theirs] if pairs else [ours, -theirs]
    mean = float(np.sum([side.mean(0) for side in sides], axis=0).mean())
    number = int(finite.sum())
    low, high = _interval(sides) if number > 1 else (math.nan, math.nan)
    return Difference(mean, low, high, number, max(len(runs), len(reference)))


def _images(runs: Sequence[Run], metric: str) -> list[str]:
    """The images of which every run has the metric; none where the runs were not measured on the same ones."""
    if not runs or any(run.images.keys() != runs[0].images.keys() for run in runs):
        return []
    return [name for name in runs[0].images if all(metric in run.images[name] for run in runs)]


def _same_seeds(runs: Sequence[Run], reference: Sequence[Run]) -> list[Run]:
    """The reference in the order of the runs, where each run has one of its seed; else nothing."""
    if runs is reference or list(runs) == list(reference):
        return list(reference)
    keys = sorted({key for run in (*runs, *reference) for key in run.settings if is_seed(key)})

    def of_seed(side: Sequence[Run]) -> dict[tuple, Run]:
        return {tuple(lookup(run.settings, key) for key in keys): run for run in side}

    ours, theirs = of_seed(runs), of_seed(reference)
    if len(ours) < len(runs) or len(theirs) < len(reference) or ours.keys() != theirs.keys():
        return []
    return [theirs[seed] for seed in ours]


def _interval(sides: Sequence[np.ndarray]) -> tuple[float, float]:
    """The 2.5 and the 97.5 % quantile of the sum of the means of (seeds, images) matrices with common images."""
    rng = np.random.default_rng(0)
    images = sides[0].shape[1]
    enlarged = []
    for side in sides:
        seeds, centre = len(side), side.mean(0)
        enlarged.append(side if seeds == 1 else centre + math.sqrt(seeds / (seeds - 1)) * (side - centre))
    means: list[np.ndarray] = []
    batch = max(1, _ELEMENTS_AT_ONCE // images)
    for start in range(0, RESAMPLES, batch):
        count = min(batch, RESAMPLES - start)
        chosen = rng.integers(0, images, (count, images))
        total = np.zeros(count)
        for side in enlarged:
            if len(side) == 1:
                total += side[0][chosen].mean(1)
                continue
            drawn = rng.multinomial(len(side), np.full(len(side), 1 / len(side)), count) / len(side)
            total += np.take_along_axis(drawn @ side, chosen, axis=1).mean(1)
        means.append(total)
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return float(low), float(high)
