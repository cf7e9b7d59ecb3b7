"""A node of the configuration that names a class, and the object made of it; errors get the key where they arise.

The library speaks of its arguments ("eps must be ..."); what calls it `solver.eps` is this file.
"""

import contextlib
import difflib
import inspect
import pydoc
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from difftv.errors import CheckpointError, ConfigError, DiffTVError
from difftv.lab.rundir.layout import NEUTRAL

OF_HYDRA = frozenset({"_target_", "_partial_", "_args_", "_recursive_", "_convert_"})
"""Keys that are instructions to Hydra, not arguments."""


@dataclass(frozen=True)
class Node:
    """A class and its arguments, as the configuration states them.

    Attributes:
        key: its place in the configuration, `solver`.
        values: its content in plain containers.
        supplied: arguments that the run adds by itself; they are not for the configuration.
        outside: key -> arguments that the configuration states there instead, and this node takes from there by
            interpolation: `data.root` for the node `data.source`.
        as_class: the class that is constructed in place of the one that the configuration names: of a network, the
            predictors around it.
    """

    key: str
    values: Mapping[str, Any]
    supplied: tuple[str, ...] = ()
    outside: Mapping[str, Collection[str]] = field(default_factory=dict)
    as_class: Callable[[Any], Any] | None = None

    def key_of(self, argument: str) -> str:
        """The key under which a user states an argument."""
        outside = (key for key, arguments in self.outside.items() if argument in arguments)
        return f"{next(outside, self.key)}.{argument}"

    def check(self) -> None:
        """Compare the keys with the constructor's arguments; nothing is constructed.

        Raises:
            ConfigError: the class is not there, an argument is missing, or unknown, or null where it cannot be.
        """
        kind, parameters = self.target(), self.arguments()
        takes_any = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters.values())
        for name, value in self._read().items():
            if name in OF_HYDRA:
                continue
            if name in self.supplied:
                raise ConfigError(f"{self.key_of(name)} is set by the run itself. Leave it out.")
            if name not in parameters:
                if takes_any:
                    continue
                known = {self.key_of(known): None for known in parameters if known not in self.supplied}
                raise ConfigError(unread(self.key_of(name), value, known))
            self._check_value(name, value, parameters[name], of_torch=kind.__module__.startswith("torch."))
            if isinstance(value, Mapping) and "_target_" in value:
                Node(self.key_of(name), value).check()
        missing = [
            self.key_of(name)
            for name, parameter in parameters.items()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            and name not in self.values
            and name not in self.supplied
        ]
        if missing and "_args_" not in self.values:
            raise ConfigError(f"{missing[0]} is missing: {kind.__name__} needs it. Give it as {missing[0]}=VALUE.")

    def make(self, **live_objects: Any) -> Any:
        """The object; `live_objects` are the arguments that are no plain values.

        Raises:
            ConfigError: the constructor's own message, with the key of the argument that it begins with.
            DiffTVError: as the constructor raised it.
        """
        with self.keyed():
            values = self._read()
            if self.as_class is None:
                return instantiate(values, _convert_="all", **_allowed(values), **live_objects)
            arguments = {name: value for name, value in values.items() if name not in OF_HYDRA}
            return self.target()(**instantiate(arguments, _convert_="all", **_allowed(arguments)), **live_objects)

    @contextlib.contextmanager
    def keyed(self) -> Iterator[None]:
        """Give messages that begin with an argument of this class the key of that argument."""
        with keyed(self.key, {name: self.key_of(name) for name in self.arguments()}):
            yield

    def _read(self) -> dict[str, Any]:
        """Its values, without those that a class of the user's own need not know: at the value of configurations that
        do not have the key."""
        parameters = self.arguments()
        if any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters.values()):
            return dict(self.values)
        known = {*parameters, *OF_HYDRA}
        return {
            name: value
            for name, value in self.values.items()
            if name in known or (key := self.key_of(name)) not in NEUTRAL or value != NEUTRAL[key]
        }

    def target(self) -> Any:
        """The class.

        Raises:
            ConfigError: there is none.
        """
        target = self.values.get("_target_")
        if not isinstance(target, str):
            raise ConfigError(f"{self.key}._target_ must name a class, got {target!r}.")
        try:
            found = pydoc.locate(target)
        except pydoc.ErrorDuringImport as error:
            if isinstance(error.value, DiffTVError):
                raise error.value from error
            raise ConfigError(f"{self.key}._target_={target} cannot be imported: {error}") from error
        if found is None:
            raise ConfigError(f"{self.key}._target_={target} does not exist. Check the path and the name.")
        try:
            return found if self.as_class is None else self.as_class(found)
        except TypeError as error:
            raise ConfigError(f"{self.key}._target_={target}: {error}") from error

    def arguments(self) -> Mapping[str, inspect.Parameter]:
        """What its constructor takes.

        Raises:
            ConfigError: there is no such class.
        """
        kind = self.target()
        torch = sys.modules.get("torch")
        if torch is not None and getattr(kind, "__init__", None) is torch.nn.Module.__init__:
            return {}  # its signature takes anything, and its body nothing
        return inspect.signature(kind).parameters

    def _check_value(self, name: str, value: Any, parameter: inspect.Parameter, *, of_torch: bool) -> None:
        annotation = "" if parameter.annotation is parameter.empty else str(parameter.annotation)
        if value is None and parameter.default is not None and not re.search(r"None|Optional|^$", annotation):
            raise ConfigError(f"{self.key_of(name)} must not be null: {self.target().__name__} needs a value there.")
        # torch takes words for the numbers of its optimizers and schedulers, and fails on them epochs later.
        if of_torch and isinstance(value, str) and not re.search(r"str|Literal|^$", annotation):
            raise ConfigError(f"{self.key_of(name)} must be a number, got {value!r}.")


@contextlib.contextmanager
def model_of(key: str) -> Iterator[None]:
    """Put the key that names a stored model before what is wrong with it.

    Raises:
        ConfigError, CheckpointError: as they come, with the key.
    """
    try:
        yield
    except (ConfigError, CheckpointError) as error:
        raise type(error)(f"{key}: {error}") from error


@contextlib.contextmanager
def keyed(key: str, arguments: Mapping[str, str]) -> Iterator[None]:
    """Bring a constructor's own message to the surface, with the key that it is about.

    Args:
        key: key of the node; a message that begins with none of the arguments is put behind it.
        arguments: argument -> its key.

    Raises:
        ConfigError: what was a TypeError or ValueError.
        DiffTVError: of the class that it had.
    """
    try:
        yield
    except DiffTVError as error:
        raise _reworded(error, arguments) from error
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, DiffTVError):
            raise _reworded(cause, arguments) from cause
        raise ConfigError(_with_key(str(cause or error), key, arguments)) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(_with_key(str(error), key, arguments)) from error


def unread(key: str, value: Any, known: Collection[str]) -> str:
    """What is said of a key that nothing reads, with the nearest of those that are read."""
    inside = [name for name in known if "." in name or "." not in key]
    nearest = difflib.get_close_matches(key, inside, n=1)
    if not nearest:  # the right name in the wrong group
        last = {name.rpartition(".")[2]: name for name in inside}
        nearest = [last[name] for name in difflib.get_close_matches(key.rpartition(".")[2], last, n=1, cutoff=0.9)]
    advice = f"Did you mean {nearest[0]}?" if nearest else "Remove it."
    return f"Unknown key {key} (={value!r}). {advice}"


def _with_key(message: str, key: str, arguments: Mapping[str, str]) -> str:
    named = _named(message, arguments)
    if named == message and not message.startswith(f"{key}."):
        return f"{key}: {message}" if key else message
    return named


def _named(message: str, arguments: Mapping[str, str]) -> str:
    first = re.match(r"[A-Za-z_]\w*(?![\w.])", message)
    if first and first[0] in arguments:
        return arguments[first[0]] + message[first.end() :]
    return message


def _reworded(error: DiffTVError, arguments: Mapping[str, str]) -> DiffTVError:
    message = str(error)
    named = _named(message, arguments)
    return error if named == message else type(error)(named)


def _allowed(values: Any) -> dict[str, list[str]]:
    """The classes of a node as Hydra 1.4 wants them said where they are constructed; earlier ones know no such word."""
    if "_execution_whitelist_" not in inspect.signature(instantiate).parameters:
        return {}
    return {"_execution_whitelist_": [*_targets(values)]}


def _targets(values: Any) -> Iterator[str]:
    if isinstance(values, Mapping):
        if isinstance(target := values.get("_target_"), str):
            yield target
        values = [*values.values()]
    for value in values if isinstance(values, (list, tuple)) else ():
        yield from _targets(value)
