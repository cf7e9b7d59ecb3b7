"""Predictors, regularizers, solvers and noise by name, as stored files describe them: data goes in, code never does.

A file that describes a model is untrusted. It names a class by its word on the command line (`unet`, `anisotropic`,
`exact`) and gives plain values for its arguments; only the classes that the packages list under `BY_NAME` can be
named, and nothing is imported. Files of earlier versions name the same classes by import path (`_target_`).
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from difftv import predictors, regularizers, solvers
from difftv._moved import todays_path
from difftv.arguments import with_todays_names
from difftv.errors import ConfigError
from difftv.noise.named import BY_NAME as NOISE_BY_NAME
from difftv.solvers.registry import EARLIER_CLASSES

CLASSES: Mapping[str, Mapping[str, type]] = {
    "predictor": predictors.BY_NAME,
    "regularizer": regularizers.BY_NAME,
    "solver": solvers.BY_NAME,
    "noise": NOISE_BY_NAME,
}
"""Group -> name -> class."""

PACKAGES: Mapping[str, str] = {group: f"difftv.{group}s" for group in CLASSES} | {"noise": "difftv.noise"}

NAME, TARGET = "name", "_target_"

Plain = str | int | float | None


def described(config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved configuration with its predictor, regularizer, solver and noise by name; other classes stay as is."""
    found = dict(config)
    for group in CLASSES:
        node = found.get(group)
        if isinstance(node, Mapping) and (name := _name_of(node.get(TARGET), group)):
            found[group] = {NAME: name, **{key: value for key, value in node.items() if key != TARGET}}
    return found


def spelt_out(config: Mapping[str, Any], group: str, source: object, **derived: Any) -> dict[str, Any]:
    """The node of a group by name, with every plain argument of its class, also those left to a default.

    Args:
        config: as for `construct`.
        group: predictor, regularizer, solver or noise.
        source: where the configuration comes from, for messages.
        derived: arguments that overrule the configuration's.

    Raises:
        ConfigError: there is no such group, or it names something else than a class of this package.
    """
    name, arguments = named(config, group, source)
    parameters = inspect.signature(CLASSES[group][name]).parameters.values()
    defaults = {it.name: it.default for it in parameters if _is_plain(it.default)}
    return {NAME: name, **defaults, **arguments, **derived}


def construct(
    config: Mapping[str, Any], group: str, source: object, own: Callable[..., Any] | None = None, **live_objects: Any
) -> Any:
    """The object that an untrusted configuration describes.

    Args:
        config: group -> {"name": ..., argument: plain value, ...}.
        group: predictor, regularizer or solver.
        source: where the configuration comes from, for messages.
        own: class of the caller's that is constructed where the configuration names one of that name and none of this
            package; the configuration decides its arguments alone.
        live_objects: arguments that are no plain values; they overrule the configuration's.

    Raises:
        ConfigError: there is no such group, it names something else than a class of this package, or an argument
            does not fit.
        MissingDependencyError: an optional package is not installed.
    """
    name, arguments = named(config, group, source, own)
    kind = CLASSES[group][name] if own is None else own
    try:
        return kind(**{**arguments, **live_objects})
    # torch reports a size that cannot be as a RuntimeError.
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ConfigError(f"{source}: {group}: {error}") from error


def named(
    config: Mapping[str, Any], group: str, source: object, own: Callable[..., Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """The name of a class on the list of the group, or of the caller's, and the plain arguments that go with it.

    Raises:
        ConfigError: as for `construct`.
    """
    node = config.get(group)
    if not isinstance(node, Mapping):
        raise ConfigError(f"The configuration of {source} has no {group}.")
    word = node.get(NAME) if NAME in node else node.get(TARGET)
    name = word if NAME in node else _name_of(word, group)
    arguments = {key: value for key, value in node.items() if key not in (NAME, TARGET)}
    if not all(isinstance(key, str) and _is_plain(value) for key, value in arguments.items()):
        raise ConfigError(f"{source}: {group} takes plain values only, its configuration holds {arguments!r}.")
    if own is not None:
        name = getattr(own, "__name__", "")
        if name != str(word).rpartition(".")[2]:
            raise ConfigError(f"The configuration of {source} names {word!r} as its {group}, and {name} was given.")
    elif not isinstance(name, str) or name not in CLASSES[group]:
        hint = " A network of your own is given by its class, as Denoiser.load(path, network=MyNetwork)."
        raise ConfigError(
            f"The configuration of {source} names {word!r} as its {group}. Only classes of {PACKAGES[group]} are "
            f"constructed ({', '.join(CLASSES[group])}): the run was made by another version, or the file is not to "
            f"be trusted.{hint if group == 'predictor' else ''}"
        )
    try:
        return name, with_todays_names(group, arguments)
    except ValueError as error:
        raise ConfigError(f"{source}: {group}: {error}") from error


def _is_plain(value: Any) -> bool:
    """A number, a word or nothing, or a list of numbers (bounds: or nothing)."""
    if isinstance(value, list | tuple):
        return all(entry is None or isinstance(entry, int | float) for entry in value)
    return isinstance(value, Plain)


def _name_of(target: Any, group: str) -> str | None:
    """The name of the class with this import path, from its package or its module; None where it is none of ours."""
    target = todays_path(str(target)) or target
    for name, kind in CLASSES[group].items():
        for known in (kind.__name__, *(earlier for earlier, now in EARLIER_CLASSES.items() if now == name)):
            if target in (f"{PACKAGES[group]}.{known}", f"{kind.__module__}.{known}"):
                return name
    return None
