"""The trials of a search as reports read them: `search.json` beside the runs, written by the search, untrusted."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from difftv.files import write_atomically
from difftv.lab.rundir.layout import SEARCH
from difftv.lab.rundir.reading import UnreadableError, numbers, read_json
from difftv.lab.rundir.writing import json_value

LARGEST = 1e100
"""Numbers beyond are none that a search has written."""

FORMAT = 1
"""Raised whenever an older reader would misunderstand a newer file."""


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: from 0, in the order in which they were chosen.
        state: complete, pruned, failed or running.
        value: the objective; of a pruned trial the best that it had reached. NaN where there is none.
        params: key of the configuration -> value.
        run: name of the directory of its run.
        epochs: how many it had reported.
        values: every objective of a complete trial, `value` first; empty for the others.
    """

    number: int
    state: str
    value: float
    params: Mapping[str, str | int | float]
    run: str
    epochs: int = 0
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Search:
    """A search.

    Attributes:
        metric: its objective, `validation/psnr`.
        direction: maximize or minimize.
        trials: in the order of their numbers.
        log_scale: keys that are searched on a logarithmic scale.
        others: (metric, direction) of the objectives after the first, where there are several.
    """

    metric: str
    direction: str
    trials: tuple[Trial, ...] = ()
    log_scale: tuple[str, ...] = field(default=())
    others: tuple[tuple[str, str], ...] = ()

    @property
    def sign(self) -> int:
        """What makes larger better: -1 where the objective is minimised, else 1."""
        return -1 if self.direction == "minimize" else 1

    @property
    def metrics(self) -> tuple[str, ...]:
        """All objectives."""
        return (self.metric, *(metric for metric, _ in self.others))

    @property
    def front(self) -> tuple[Trial, ...]:
        """Complete trials that no other one beats: as good in every objective and better in one. By the first one.

        Trials of the same run, whose values were drawn again, stand there once.
        """
        signs = [-1 if direction == "minimize" else 1 for direction in (self.direction, *(d for _, d in self.others))]
        gains = {
            trial.number: tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
            for trial in self.trials
            if len(trial.values) == len(signs) and all(map(math.isfinite, trial.values))
        }
        kept = [
            trial
            for trial in self.trials
            if trial.number in gains and not any(_beats(other, gains[trial.number]) for other in gains.values())
        ]
        once = {trial.run: trial for trial in reversed(kept)}
        return tuple(sorted(once.values(), key=lambda trial: (gains[trial.number], -trial.number), reverse=True))

    @property
    def best(self) -> Trial | None:
        """The best complete trial, the first of equals."""
        complete = [trial for trial in self.trials if trial.state == "complete" and not math.isnan(trial.value)]
        return max(complete, key=lambda trial: self.sign * trial.value, default=None)


def write_search(directory: Path, search: Search) -> None:
    """Write `search.json`.

    Raises:
        OSError: it could not be written; what was there before is intact.
    """
    content = json_value({"format": FORMAT, **asdict(search)})
    write_atomically(directory / SEARCH, json.dumps(content, indent=1) + "\n")


def read_search(directory: Path) -> Search | None:
    """The search in the directory of a sweep; None where there is none, or none that can be read."""
    try:
        content = read_json(directory / SEARCH)
        if content.get("format") != FORMAT:
            return None
        return Search(
            str(content["metric"]),
            str(content["direction"]),
            tuple(_trial(entry) for entry in content["trials"]),
            tuple(map(str, content["log_scale"])),
            tuple((str(metric), str(direction)) for metric, direction in content.get("others", ())),
        )
    except (UnreadableError, AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None


def _beats(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    return all(a >= b for a, b in zip(ours, theirs, strict=True)) and tuple(ours) != tuple(theirs)


def _trial(entry: Any) -> Trial:
    return Trial(
        number=int(_drawable(int(entry["number"]))),
        state=str(entry["state"]),
        value=numbers({"value": entry["value"]}).get("value", math.nan),
        params={str(key): _drawable(value) for key, value in entry["params"].items()},
        run=str(entry["run"]),
        epochs=int(entry["epochs"]),
        values=tuple(float(_drawable(float(value))) for value in entry.get("values", ())),
    )  # fmt: skip


def _drawable(value: Any) -> str | int | float:
    """A number that an axis has a place for, or text."""
    if not isinstance(value, int | float):
        return str(value)
    if not abs(float(value)) < LARGEST:
        raise ValueError(f"{value!r} is no value of a search.")
    return value
