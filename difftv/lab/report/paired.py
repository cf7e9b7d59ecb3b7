"""Paired comparison of two sets of runs over the images that both were evaluated on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

from difftv.lab.report.evaluated import unlike
from difftv.lab.report.sweep import Run

RESAMPLES = 10_000  # the ends of a 95 % interval then move by about 1 % of its length from seed to seed
_ELEMENTS_AT_ONCE = 2_000_000  # 16 MB of float64, however many images there are


@dataclass(frozen=True)
class Difference:
    """Mean over the images of (ours - theirs), with a 95 % bootstrap interval; `n` images entered."""

    mean: float
    low: float
    high: float
    n: int


def paired_difference(
    runs: Sequence[Run], metric: str, reference: Sequence[Run], reference_metric: str
) -> Difference | None:
    """How much better or worse `runs` are than `reference`, image by image.

        d_i = mean_seeds(ours_i) - mean_seeds(theirs_i),   mean(d) with the percentile bootstrap over the images i.

    The images are resampled, not the seeds: the interval says what other images of the same kind would give. It is
    drawn from a generator with a fixed seed, so that the same runs give the same interval.

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
    ours, theirs = _per_image(runs, metric), _per_image(reference, reference_metric)
    if not ours or ours.keys() != theirs.keys():
        return None
    differences = np.array([ours[name] - theirs[name] for name in ours if math.isfinite(ours[name] + theirs[name])])
    if differences.size == 0:
        return None
    low, high = _interval(differences) if differences.size > 1 else (math.nan, math.nan)
    return Difference(float(differences.mean()), low, high, differences.size)


def _per_image(runs: Sequence[Run], metric: str) -> dict[str, float]:
    if not runs or any(run.images.keys() != runs[0].images.keys() for run in runs):
        return {}
    columns = [{name: row[metric] for name, row in run.images.items() if metric in row} for run in runs]
    return {
        name: sum(column[name] for column in columns) / len(columns)
        for name in columns[0]
        if all(name in c for c in columns)
    }


def _interval(differences: np.ndarray) -> tuple[float, float]:
    found = bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, _ELEMENTS_AT_ONCE // differences.size),
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)
