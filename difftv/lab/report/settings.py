"""The configuration of finished runs as flat keys, and which of the keys tell the runs of a sweep apart."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from difftv.arguments import EARLIER_KEYS
from difftv.lab.rundir.layout import NEUTRAL, has_no_effect

Value = str | int | float | None
"""A leaf of a configuration; lists and booleans are kept as the text that a yaml file would show."""

Settings = Mapping[str, Value]

EVALUATED_ON = "evaluated on"
NUM_IMAGES = "number of images"
PROTOCOL = (EVALUATED_ON, NUM_IMAGES)
"""What a number was measured on. The spaces keep these from ever colliding with a key of a configuration."""

IMAGES = "set of images"
EVALUATED_SET = "evaluated set"
SETS = (IMAGES, EVALUATED_SET)
"""Letters: equal where all images of two runs, or the crops that they were evaluated on, are the same."""

SIGMA, CLIPPED = "sigma", "data.clip_noise"

CHOICES = "choices."
MISSING = "-"
"""The value of a key that a run does not have, such as solver.eps for a solver without one."""

# What follows from the other keys, or says how the job was started: no part of what is compared.
_BOOKKEEPING_SECTIONS = frozenset({"identity", "hydra", "launcher"})
_SEED = re.compile(r"(.*[._])?seed$")
# YAML 1.1, which PyYAML speaks, wants a dot in a float: it reads 1e-5 as text.
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?e[+-]?\d+", re.IGNORECASE)
# The order in which keys that differ become rows; the rest follow, then `experiment`, which only names other changes,
# and the letters of the sets, which say least.
_FIRST = ("solver", "predictor", "regularizer", "loss", "data", "patch_size", "sigma")


def flatten(config: Mapping[Any, Any], prefix: str = "") -> dict[str, Value]:
    """Nested mappings -> {"solver.eps": 1e-05, ...}, by today's names; an empty mapping counts as null."""
    flat: dict[str, Value] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{name}.")
        else:
            flat[EARLIER_KEYS.get(name, name)] = _leaf(value)
    return flat


def _leaf(value: Any) -> Value:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return float(value) if _EXPONENT.fullmatch(value) else value
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show(_leaf(item)) for item in value) + "]"
    return value if isinstance(value, int | float) else None if not value else str(value)


def show(value: Value) -> str:
    """A value as a person writes it on the command line: 25, 0.5, 1e-5, null."""
    if value is None:
        return "null"
    if isinstance(value, float):
        return re.sub(r"e([+-])0+", lambda match: "e" + match[1].replace("+", ""), f"{value:.10g}")
    return str(value)


def as_written(text: str) -> str:
    """What `show` would make of a value typed on the command line: 25.0 -> 25, 0.001 -> 0.001."""
    try:
        return show(float(text))
    except ValueError:
        return text


def lookup(settings: Settings, key: str) -> Value:
    """The value of a key; the name of a group means the option chosen in it. `MISSING` where there is none.

    A run from before a key was there has the value at which it does nothing: it is a seed of those that state it.
    """
    key = EARLIER_KEYS.get(key, key)
    unstated = _leaf(NEUTRAL[key]) if key in NEUTRAL else MISSING
    return settings.get(CHOICES + key, settings.get(key, unstated))


def order(value: Value) -> tuple[bool, float, str]:
    """Sort key: numbers by size, then text."""
    if isinstance(value, int | float):
        return False, float(value), ""
    return True, 0.0, show(value)


def check_key(all_settings: Iterable[Settings], key: str) -> None:
    """Refuse a key that no run has.

    Raises:
        ValueError: with the nearest keys.
    """
    key = EARLIER_KEYS.get(key, key)
    known = {name.removeprefix(CHOICES) for settings in all_settings for name in settings}
    if key in known or key.removeprefix(CHOICES) in known:
        return
    near = get_close_matches(key, known, n=3, cutoff=0.5) or sorted(name for name in known if "." not in name)
    raise ValueError(f"No run has the key {key!r}. Did you mean: {', '.join(near)}?")


def is_seed(key: str) -> bool:
    """Whether a key holds a seed: `seed`, `data.seed`, ..."""
    return bool(_SEED.match(key))


def differing_keys(all_settings: Sequence[Settings]) -> list[str]:
    """Keys that do not have one value, without seeds and bookkeeping; the most telling first."""
    names = dict.fromkeys(name for settings in all_settings for name in settings)
    keys = dict.fromkeys(
        name.removeprefix(CHOICES) for name in names if not is_seed(name) and not _is_bookkeeping(name)
    )
    return sorted(
        (key for key in keys if len({lookup(s, key) for s in all_settings}) > 1), key=lambda k: _rank(k, names)
    )


def _is_bookkeeping(name: str) -> bool:
    key = name.removeprefix(CHOICES)
    return has_no_effect(key) or key.split(".")[0] in _BOOKKEEPING_SECTIONS


def _rank(key: str, names: Iterable[str]) -> tuple[bool, int, int, str]:
    first = _FIRST.index(key) if key in _FIRST else len(_FIRST) + (key == "experiment") + 2 * (key in SETS)
    return (key not in PROTOCOL, first, key.count(".") + (CHOICES + key not in names), key)


def separate(all_settings: Sequence[Settings], keys: Sequence[str]) -> tuple[str, ...]:
    """The fewest keys to add to `keys` so that runs which agree in all of them differ in nothing but the seed."""
    added: list[str] = []
    while True:
        groups: dict[tuple[Value, ...], list[Settings]] = {}
        for settings in all_settings:
            groups.setdefault(tuple(lookup(settings, key) for key in (*keys, *added)), []).append(settings)
        clashes = {key for group in groups.values() for key in differing_keys(group)}
        if not clashes:
            return tuple(added)
        names = {name for settings in all_settings for name in settings}
        added.append(min(clashes, key=lambda key: _rank(key, names)))


def confounded(all_settings: Sequence[Settings], keys: Sequence[str]) -> tuple[str, ...]:
    """Keys outside `keys` that change along with them, so that a difference between two rows has two causes.

    Left out: the keys below a chosen group (solver.eps belongs to solver=scs), copies of a key that is shown, and the
    letters of the sets, which get a note of their own.
    """
    shown = [tuple(lookup(settings, key) for settings in all_settings) for key in keys]
    groups = tuple(f"{key}." for key in keys if any(CHOICES + key in settings for settings in all_settings))
    return tuple(
        key
        for key in differing_keys(all_settings)
        if key not in (*keys, *SETS)
        and not key.startswith(groups)
        and tuple(lookup(settings, key) for settings in all_settings) not in shown
    )
