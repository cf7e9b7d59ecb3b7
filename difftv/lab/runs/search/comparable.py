"""Whether the trials of a search can be compared: all of them are measured on the same noisy images."""

from collections.abc import Iterator, Sequence
from typing import Any

from difftv.errors import ConfigError
from difftv.lab.runs.config import leaves
from difftv.lab.runs.identity import what_counts
from difftv.lab.runs.plan import PlannedRun
from difftv.lab.runs.search.options import SearchOptions
from difftv.lab.runs.search.space import Parameter

MEASURED_ON = ("sigma", "evaluation.validation_images")
"""Keys that the validation images follow from, besides those of `data` and `noise`."""

TRAINING_ONLY = ("data.crops_per_image", "data.quarter_turns")


def probes(space: Sequence[Parameter]) -> Iterator[list[str]]:
    """Overrides that together try every option and both ends of every key, the first of each first."""
    sides = {parameter.key: _ends(parameter) for parameter in space}
    first = {parameter.key: parameter.word(sides[parameter.key][0]) for parameter in space}
    yield list(first.values())
    for parameter in space:
        for value in sides[parameter.key][1:]:
            yield list({**first, parameter.key: parameter.word(value)}.values())


def settings_of(runs: Sequence[PlannedRun], options: SearchOptions) -> dict[str, str]:
    """What a value of the objective depends on besides the keys that are searched: text by key.

    Args:
        runs: runs of `probes`.
        options: options of the search.

    Raises:
        ConfigError: two of them are measured on different images.
    """
    first, *others = runs
    expected = _measured_on(first)
    for run in others:
        for key, value in _measured_on(run).items():
            if value != expected.get(key):
                raise ConfigError(
                    f"{key} is {expected.get(key)} in one trial and {value} in another: their validation images "
                    "differ, so that nothing can be chosen by them. Search at one value of it."
                )
    fixed = {key: repr(value) for key, value in what_counts(first.config).items()}
    return {
        **fixed,
        "images": first.images,
        "metric": ",".join(options.metrics),
        "direction": ",".join(options.directions),
    }


def _ends(parameter: Parameter) -> list[Any]:
    distribution: Any = parameter.distribution
    if hasattr(distribution, "choices"):
        return list(distribution.choices)
    return [parameter.settled(value) for value in dict.fromkeys((distribution.low, distribution.high))]


def _measured_on(run: PlannedRun) -> dict[str, Any]:
    counts = what_counts(run.config)
    of_data = {key for key, _ in leaves({name: run.config.get(name, {}) for name in ("data", "noise")})}
    of_data -= {*TRAINING_ONLY}
    return {**{key: counts.get(key) for key in (*MEASURED_ON, *of_data) if key in counts}, "images": run.images}
