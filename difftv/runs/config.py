"""From Hydra's configuration to plain containers, checked where a constructor would not."""

import contextlib
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from difftv.arguments import boolean, positive, positive_int
from difftv.data.base import Splits, default_cache_dir
from difftv.data.contents import content_identity
from difftv.errors import ConfigError, DataError, DiffTVError
from difftv.runs.identity import identity, readable_name

LOOK_AGAIN_SECONDS = 10.0
"""Naming a run asks for its images several times in a row, which takes 0.2 s for a thousand files each time."""

_looked_at: dict[str, tuple[float, str]] = {}

Rerun = Literal["failed", "all", "none"]


def resolved(config: DictConfig) -> dict[str, Any]:
    """The configuration of the run without Hydra's own node, every interpolation replaced by its value.

    Raises:
        ConfigError: a mandatory value is missing or an interpolation leads nowhere.
    """
    run_keys = [str(key) for key in config if key != "hydra"]
    try:
        plain = OmegaConf.to_container(OmegaConf.masked_copy(config, run_keys), resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigError(f"A value is missing: {error}. Give it on the command line as key=value.") from error
    except OmegaConfBaseException as error:
        raise ConfigError(f"The configuration cannot be resolved: {error}") from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def without_wrapping(error: OmegaConfBaseException) -> str:
    """What went wrong in a resolver, such as `run_name`, without OmegaConf's words around it."""
    return str(error).partition("\n")[0].rpartition("raised while resolving interpolation: ")[2]


def rerun_policy(config: dict[str, Any]) -> Rerun:
    """Which runs of the command are computed although they ended before.

    Raises:
        ConfigError: none of the three words.
    """
    policy = config["rerun"]
    if policy not in get_args(Rerun):
        raise ConfigError(
            "rerun must be failed (retry what failed), all (compute finished runs again as well) or none (leave failed "
            f"runs alone), got {policy!r}."
        )
    return policy


def check(config: dict[str, Any]) -> None:
    """Refuse top-level values that no run could use; everything below is checked by its own constructor.

    Raises:
        ConfigError: naming the key, what was expected and what came.
    """
    from difftv.noise import noise_std  # brings torch, which composing and skipping do without

    try:
        noise_std(config["sigma"])
        positive_int("patch_size", config["patch_size"])
        for key in ("search_images", "validation_images", "test_images"):
            if config["evaluation"][key] is not None or key == "search_images":
                positive_int(f"evaluation.{key}", config["evaluation"][key])
        for key in ("crops_per_image", "eval_crops_per_image"):
            positive_int(f"data.{key}", config["data"][key])
        if config["data"]["eval_patch_size"] is not None:
            positive_int("data.eval_patch_size", config["data"]["eval_patch_size"])
        positive_int("evaluation.refinements", config["evaluation"]["refinements"])
        boolean("evaluation.oracle", config["evaluation"]["oracle"])
        boolean("data.clip_noise", config["data"]["clip_noise"])
        if "download" in config["data"]:
            boolean("data.download", config["data"]["download"])
        if "validation_fraction" in config["data"]:
            positive("data.validation_fraction", config["data"]["validation_fraction"])
        _check_numbers(config)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    image_cache(config)
    seed = config["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed must be an integer >= 0, got {seed!r}.")


def _check_numbers(config: dict[str, Any]) -> None:
    """torch takes words for the numbers of its optimizers and schedulers, and fails on them epochs later."""
    for group in ("optimizer", "scheduler"):
        for key, value in config[group].items():
            if not key.startswith("_") and key not in ("mode", "threshold_mode") and isinstance(value, str):
                raise ValueError(f"{group}.{key} must be a number, got {value!r}.")


@dataclass(frozen=True)
class Identity:
    """What a run is recognised by: `digest`, and the content identity of its images that went into it."""

    digest: str
    images: str


def run_identity(config: dict[str, Any]) -> Identity:
    """The identity of a run; finds its images, downloads them where that is asked for, and opens none.

    Raises:
        ConfigError: the data set cannot be constructed.
        DataError: the images are not there.
    """
    data = repr(config["data"])
    seen, images = _looked_at.get(data, (-math.inf, ""))
    if time.monotonic() - seen > LOOK_AGAIN_SECONDS:
        images = content_identity(image_files_of(config), image_cache(config))
        _looked_at[data] = time.monotonic(), images
    return Identity(identity(config, images), images)


def image_files_of(config: dict[str, Any]) -> Splits:
    """The files of the data set; none is opened.

    Raises:
        ConfigError: the data set cannot be constructed.
        DataError: the images are not there; where the message speaks of an argument, with the key it belongs to.
    """
    source = make(config["data"], "source")
    try:
        return source.files()
    except DataError as error:
        key = "data." if re.match(r"[a-z_]+=", str(error)) else ""
        raise DataError(f"{key}{error}") from error


def image_cache(config: dict[str, Any]) -> Path | None:
    """The directory for what is remembered of images; None where the configuration wants none.

    Raises:
        ConfigError: no directory, or an empty one.
    """
    chosen = config["data"]["cache_dir"]
    if chosen is None:
        return None
    if not isinstance(chosen, str) or not chosen.strip():
        raise ConfigError(f"data.cache_dir must be a directory, auto or null, got {chosen!r}.")
    return default_cache_dir() if chosen == "auto" else Path(chosen).expanduser()


def make(config: dict[str, Any], group: str, **live_objects: Any) -> Any:
    """The object that a node of the configuration describes.

    Raises:
        ConfigError: the constructor's own message, with the group it belongs to.
        DiffTVError: as the constructor raised it.
    """
    with named(group):
        return instantiate(config[group], _convert_="all", **live_objects)


@contextlib.contextmanager
def named(group: str) -> Iterator[None]:
    """Bring the constructor's own message to the surface, with the group it belongs to."""
    try:
        yield
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, DiffTVError):
            raise cause from None
        raise ConfigError(f"{group}: {cause or error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{group}: {error}") from error


def run_name(folder: str = "", *, _root_: DictConfig) -> str:
    """`<readable overrides>-<identity>` of the configuration being composed: the name of the run's directory.

    The same run may have been asked for in other words (a default spelt out, sigma=25.0): where it lies in `folder`
    already, it keeps its name.
    """
    digest = run_identity(resolved(_root_)).digest
    known = sorted(path.name for path in Path(folder).glob(f"*-{digest}") if path.is_dir()) if folder else []
    return known[0] if known else readable_name(list(OmegaConf.select(_root_, "hydra.overrides.task") or []), digest)


def register_resolvers() -> None:
    """Make `${difftv.run_name:}` known to OmegaConf; safe to call in every process and more than once."""
    OmegaConf.register_new_resolver("difftv.run_name", run_name, replace=True)


def to_yaml(config: dict[str, Any]) -> str:
    """Plain containers as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(config))
