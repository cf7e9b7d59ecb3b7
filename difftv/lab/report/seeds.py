"""Runs that differ in the seed alone: which ones do, and their mean, standard deviation and number."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from difftv.lab.report.settings import Settings, Value, differing_keys, is_seed, lookup
from difftv.lab.report.sweep import Run


@dataclass(frozen=True)
class Estimate:
    """Mean over the seeds, with the sample standard deviation where there are several."""

    mean: float
    std: float | None
    n: int


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, standard deviation and number of one value per seed.

    Raises:
        ValueError: there is none.
    """
    if not values:
        raise ValueError("expected one value per seed, got none. Leave out what no run has measured.")
    # statistics would raise on the infinite PSNR of a perfect image
    finite = all(map(math.isfinite, values))
    return Estimate(
        mean=statistics.fmean(values) if finite else sum(values) / len(values),
        std=statistics.stdev(values) if finite and len(values) > 1 else None,
        n=len(values),
    )


def seed_groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Groups of runs that differ in nothing but the seed, in the order of their first runs."""
    keys = differing_keys([run.settings for run in runs])
    groups: dict[tuple[Value, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(lookup(run.settings, key) for key in keys), []).append(run)
    return list(groups.values())


def seed_keys(all_settings: Sequence[Settings]) -> tuple[str, ...]:
    """The keys that tell seeds apart, without those that change along with one before them; `seed` comes first."""
    names = dict.fromkeys(name for settings in all_settings for name in settings if is_seed(name))
    found: dict[tuple[Value, ...], str] = {}
    for name in sorted(names, key=lambda name: (name.count("."), name)):
        values = tuple(lookup(settings, name) for settings in all_settings)
        if len({*values}) > 1:
            found.setdefault(values, name)
    return tuple(found.values())


def mean_metrics(runs: Iterable[Run]) -> tuple[dict[str, float], dict[str, float]]:
    """Name of a metric -> mean over the seeds, and -> standard deviation; metrics that every run has."""
    runs = list(runs)
    shared = [name for name in runs[0].metrics if all(name in run.metrics for run in runs)]
    found = {name: estimate([run.metrics[name] for run in runs]) for name in shared}
    return (
        {name: each.mean for name, each in found.items()},
        {name: each.std for name, each in found.items() if each.std is not None},
    )
