"""From Hydra's configuration to plain containers, in which every key is read and no path is empty."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from difftv.arguments import with_todays_names
from difftv.errors import ConfigError
from difftv.lab.data.base import default_cache_dir
from difftv.lab.runs.nodes import unread
from difftv.lab.runs.options import KNOWN, SUPPLIED

REFERENCE = re.compile(r"\$\{([\w.\[\]]+)\}")
"""An interpolation of another key; relative ones begin with dots."""

WANTED = {"data.root": "the directory of the training images, for example data.root=path/to/images"}
"""What a value is that the options in conf/ leave to the user."""


def resolved(config: DictConfig) -> dict[str, Any]:
    """The configuration of the run without Hydra's own node, every interpolation replaced by its value.

    Raises:
        ConfigError: a mandatory value is missing or an interpolation leads nowhere.
    """
    run = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        missing = [key for key, value in leaves(OmegaConf.to_container(run, resolve=False)) if value == "???"]
        if missing:
            raise ConfigError(
                f"{missing[0]} has no value yet. Give {WANTED.get(missing[0], f'it as {missing[0]}=VALUE')}."
            )
        plain = OmegaConf.to_container(run, resolve=True)
    except OmegaConfBaseException as error:
        where = f"{error.full_key}: " if error.full_key else ""
        first = str(error).partition("\n")[0]
        raise ConfigError(f"The configuration cannot be resolved: {where}{first}.") from error
    assert isinstance(plain, dict)
    return {str(key): _of_today(str(key), value) for key, value in plain.items()}


def _of_today(group: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    try:
        return with_todays_names(group, value)
    except ValueError as error:
        raise ConfigError(f"{group}.{error}") from error


def refuse_unread(plain: Mapping[str, Any], composed: DictConfig, hydra: DictConfig | None = None) -> None:
    """Refuse keys that a run would pass over, and text without a character in it.

    Args:
        plain: the resolved configuration.
        composed: configuration with its interpolations: a key that one of them names is read.
        hydra: Hydra's own node, whose interpolations count as well.

    Raises:
        ConfigError: naming the key, and the nearest one that is read.
    """
    unresolved = [("", OmegaConf.to_container(composed, resolve=False))]
    if hydra is not None:
        unresolved.append(("hydra", OmegaConf.to_container(hydra, resolve=False)))
    referenced = {name for place, node in unresolved for name in _references(node, place)}
    known = {f"{section}.{name}" if section else name for section, names in KNOWN.items() for name in names}
    for key, value in leaves(plain):
        if isinstance(value, str) and not value.strip():
            raise ConfigError(
                f"{key} is empty, as an unset variable of the shell leaves it. Give a value, or leave {key}= out."
            )
        if not _is_read(key, referenced):
            if key.partition(".")[0] == "experiment":
                raise ConfigError(
                    f"Unknown key {key}: the first line of an experiment's file must be `# @package _global_`, "
                    "with nothing before it, not even a byte-order mark."
                )
            raise ConfigError(unread(key, value, known | {leaf for leaf, _ in leaves(plain) if leaf != key}))


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested mappings."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def without_wrapping(error: OmegaConfBaseException) -> str:
    """What went wrong in a resolver, such as `run_name`, without OmegaConf's words around it."""
    first = str(error).partition("\n")[0]
    return first.rpartition("raised while resolving interpolation: ")[2]


def image_cache(config: Mapping[str, Any]) -> Path | None:
    """The directory for what is remembered of images; None where the configuration wants none."""
    chosen = config["data"].get("cache_dir")
    if chosen == "auto":
        return default_cache_dir()
    return Path(chosen).expanduser() if isinstance(chosen, str) else None


def to_yaml(config: dict[str, Any]) -> str:
    """Plain containers as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(config))


def _is_read(key: str, referenced: set[str]) -> bool:
    section, _, name = key.rpartition(".")
    top = key.partition(".")[0]
    if top in SUPPLIED or key.startswith("data.source."):
        return True  # compared with the constructor's arguments
    parts = key.split(".")
    return name in KNOWN.get(section, ()) or any(
        ".".join(parts[:length]) in referenced for length in range(1, len(parts) + 1)
    )


def _references(node: Any, place: str) -> Iterator[str]:
    """Keys that interpolations name, below `place`."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _references(value, f"{place}.{key}" if place else str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _references(value, place)
    elif isinstance(node, str):
        for found in REFERENCE.findall(node):
            yield _absolute(found.replace("[", ".").replace("]", ""), place)


def _absolute(name: str, place: str) -> str:
    """`..key` means the key beside the parent of the node at `place`, one step up for every dot."""
    bare = name.lstrip(".")
    steps = len(name) - len(bare)
    return ".".join([*place.split(".")[:-steps], bare]) if steps else bare
