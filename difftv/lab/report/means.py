"""Means over the images on which every compared method has an answer.

A run writes the mean of each metric. Where the solver of one run or one method gave no answer on an image, that mean is
over fewer images than those beside it; an easy image left out on one side alone would look like a better method.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from difftv.lab.report.methods import METHODS
from difftv.lab.report.sweep import Run

_NAMED = 3  # images named in a remark


@dataclass(frozen=True)
class Means:
    """The mean of every metric of every run, over the images that all runs compared with it have an answer for.

    Attributes:
        changed: (name of the run, metric with its prefix) -> mean, where it differs from what the run wrote.
        remarks: parts that were left out, each with its reason.
    """

    changed: Mapping[tuple[str, str], float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def of(self, run: Run, metric: str) -> float | None:
        """The mean of a metric of a run; None where the run does not have it."""
        return self.changed.get((run.name, metric), run.metrics.get(metric))


def common_means(groups: Sequence[Sequence[Run]], metrics: Sequence[str]) -> Means:
    """The means of several groups of runs; within a group everything is compared with everything.

    Args:
        groups: runs that were measured on the same images, crops and noise. A run without per_image.csv keeps its own
            means.
        metrics: without the prefix of a method.
    """
    changed: dict[tuple[str, str], float] = {}
    said: dict[str, list[str]] = {}
    for group in groups:
        for metric in metrics:
            series = _series(group, metric)
            images = dict.fromkeys(image for values in series.values() for image in values)
            gaps = {image: [key for key, values in series.items() if math.isnan(values[image])] for image in images}
            left_out = [image for image in images if gaps[image]]
            # A metric that is not defined on an image, for none of them, is in no mean anyway.
            if not any(0 < len(gaps[image]) < len(series) for image in left_out):
                continue
            kept = [image for image in images if not gaps[image]]
            for key, values in series.items():
                changed[key] = _mean([values[image] for image in kept])
            said.setdefault(_remark(left_out, gaps, len(images)), []).append(metric)
    return Means(changed, tuple(f"{', '.join(names)}: {text}" for text, names in said.items()))


def _series(group: Sequence[Run], metric: str) -> dict[tuple[str, str], dict[str, float]]:
    """(run, metric with prefix) -> image -> value, NaN where there is none; without those that have none at all."""
    found = {}
    for run in group:
        for prefix in METHODS.values():
            name = prefix + metric
            values = {image: row.get(name, math.nan) for image, row in run.images.items()}
            if name in run.metrics and not all(map(math.isnan, values.values())):
                found[run.name, name] = values
    return found


def _remark(left_out: Sequence[str], gaps: Mapping[str, Sequence[tuple[str, str]]], total: int) -> str:
    names = ", ".join(left_out[:_NAMED]) + (", ..." if len(left_out) > _NAMED else "")
    prefixes = {prefix: method for method, prefix in METHODS.items() if prefix}
    runs: dict[str, list[str]] = {}
    for image in left_out:
        for run, metric in gaps[image]:
            runs.setdefault(run, []).append(prefixes.get(metric.partition("/")[0] + "/", "learned map"))
    who = "; ".join(f"{', '.join(dict.fromkeys(methods))} of {run}" for run, methods in runs.items())
    return f"{len(left_out)} of {total} images ({names}) left out of every mean, no answer from {who}."


def _mean(values: Sequence[float]) -> float:
    if not values:
        return math.nan
    # an infinite PSNR, of a perfect image, makes fsum raise beside its negative
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else sum(values) / len(values)
