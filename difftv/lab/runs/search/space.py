"""The space of a search: Hydra's words as Optuna's distributions, and the values of a trial as words again.

optimizer.lr=interval(1e-4, 1e-2)             a number in between; tag(log, interval(...)) on a logarithmic scale
predictor.depth=range(3, 9)                   3 to 8, as in a sweep; tag(log, ...) as well
predictor.width=int(interval(8, 64))          an integer, both ends included
solver=scs,ecos   loss=choice(mse, psnr)      one of these
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    RangeSweep,
    Transformer,
)

from difftv.errors import ConfigError
from difftv.lab.rundir.layout import has_no_effect

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = str | int | float

LOG = "log"
"""The one tag that means something."""

DIGITS = 4
"""Significant digits of a number that is drawn from an interval: it stands in names and tables."""


@dataclass(frozen=True)
class Parameter:
    """One key of the space.

    Attributes:
        key: as in an override, `optimizer.lr`.
        distribution: distribution of its values.
        text: words for people, and for comparing two spaces.
        grid: the values of a range, which arithmetic would round differently.
    """

    key: str
    distribution: "BaseDistribution"
    text: str
    grid: tuple[float, ...] = ()

    def settled(self, value: Value) -> Value:
        """The value as a trial takes it: one of a range, or a number of few digits."""
        if not isinstance(value, float):
            return value
        if self.grid:
            return min(self.grid, key=lambda known: abs(known - value))
        low, high = self.distribution.low, self.distribution.high  # type: ignore[attr-defined]
        return min(max(float(f"{value:.{DIGITS}g}"), low), high)

    def word(self, value: Value) -> str:
        """The override that gives the key this value."""
        return f"{self.key}={value if isinstance(value, str) else repr(value)}"


def split(overrides: Sequence[Override]) -> tuple[list[str], list[Parameter]]:
    """The overrides that all trials share, and the keys that are searched; of a key given twice the last one counts.

    Raises:
        ConfigError: a key has no effect on the result, or its values are none that can be searched; there is no key.
    """
    last = {override.get_key_element(): override for override in overrides}
    fixed = [_fixed(key, override) for key, override in last.items() if not override.is_sweep_override()]
    space = [_parameter(key, override) for key, override in last.items() if override.is_sweep_override()]
    if not space:
        raise ConfigError(
            "There is nothing to search. Give a key several values, for example "
            "'optimizer.lr=tag(log, interval(1e-4, 1e-2))' 'predictor.depth=range(3, 9)' loss=mse,psnr."
        )
    return fixed, space


def words(space: Sequence[Parameter], params: Mapping[str, Any]) -> list[str]:
    """The overrides of a trial.

    Raises:
        ConfigError: the values are not of this space: what a study on disk says is not trusted.
    """
    from optuna.trial import TrialState, create_trial

    distributions = {parameter.key: parameter.distribution for parameter in space}
    try:
        create_trial(state=TrialState.RUNNING, params=dict(params), distributions=distributions)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"A trial of the study on disk has values that are not of its space ({error}).") from error
    return [parameter.word(params[parameter.key]) for parameter in space]


def _fixed(key: str, override: Override) -> str:
    return key if override.is_delete() else f"{key}={override.get_value_element_as_str()}"


def _parameter(key: str, override: Override) -> Parameter:
    if has_no_effect(key.lstrip("+~")):
        raise ConfigError(f"{key} cannot be searched: it does not change what a run finds.")
    sweep: Any = override._value
    unknown: set[str] = getattr(sweep, "tags", set()) - {LOG}
    if unknown:
        raise ConfigError(f"{key}: the tag {sorted(unknown)[0]} means nothing here; tag(log, ...) does.")
    log = LOG in getattr(sweep, "tags", set())
    if isinstance(sweep, IntervalSweep):
        return _interval(key, sweep, log)
    if isinstance(sweep, RangeSweep):
        return _range(key, sweep, log)
    if isinstance(sweep, ChoiceSweep | Glob):
        return _choice(key, override, log)
    raise ConfigError(f"{key}: expected interval, range or values with commas, got {override.input_line}.")


def _interval(key: str, sweep: IntervalSweep, log: bool) -> Parameter:
    from optuna.distributions import FloatDistribution, IntDistribution

    low, high = sweep.start, sweep.end
    assert low is not None
    assert high is not None
    _check_ends(key, low, high, log)
    whole = isinstance(low, int) and isinstance(high, int)
    text = f"{'int(' * whole}interval({low!r}, {high!r}){')' * whole}{', log' * log}"
    kind = IntDistribution if whole else FloatDistribution
    return Parameter(key, kind(low, high, log=log), text)  # type: ignore[arg-type]


def _range(key: str, sweep: RangeSweep, log: bool) -> Parameter:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = list(sweep.range())
    if not values:
        raise ConfigError(f"{key}: range({sweep.start}, {sweep.stop}, {sweep.step}) is empty.")
    low, high, step = min(values), max(values), abs(sweep.step)
    text = f"{low!r} to {high!r} by {step!r}{', log' * log}"
    if log and not (isinstance(step, int) and step == 1):
        raise ConfigError(f"{key}: a logarithmic range has steps of 1. Give tag(log, interval(...)) or single values.")
    _check_ends(key, low, high, log, same=True)
    if all(isinstance(value, int) for value in values):
        return Parameter(key, IntDistribution(int(low), int(high), log=log, step=int(step)), text)
    if len(values) == 1:
        return Parameter(key, CategoricalDistribution([repr(low)]), text)
    distribution = FloatDistribution(float(low), float(high), step=float(step))
    return Parameter(key, distribution, text, tuple(map(float, values)))


def _choice(key: str, override: Override, log: bool) -> Parameter:
    from optuna.distributions import CategoricalDistribution

    if log:
        raise ConfigError(f"{key}: tag(log, ...) is for interval and range; values with commas have no order.")
    choices = list(dict.fromkeys(map(str, override.sweep_iterator(transformer=Transformer.str))))
    if not choices:
        raise ConfigError(f"{key}: there is no option for {override.input_line}.")
    return Parameter(key, CategoricalDistribution(choices), ",".join(choices))


def _check_ends(key: str, low: float, high: float, log: bool, *, same: bool = False) -> None:
    if not (low < high or (same and low == high)) or abs(low) == float("inf") or abs(high) == float("inf"):
        raise ConfigError(f"{key}: an interval goes from a lower to a higher number, got {low!r} to {high!r}.")
    if log and low <= 0:
        raise ConfigError(f"{key}: a logarithmic scale begins above 0, got {low!r}.")
