"""From Hydra's configuration to plain containers, checked where a constructor would not."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from difftv.errors import ConfigError
from difftv.limits import boolean, positive, positive_int
from difftv.noise import noise_std
from difftv.runs.identity import identity, readable_name


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


def check(config: dict[str, Any]) -> None:
    """Refuse top-level values that no run could use; everything below is checked by its own constructor.

    Raises:
        ConfigError: naming the key, what was expected and what came.
    """
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
    cache_dir = config["data"]["cache_dir"]
    if cache_dir is not None and not isinstance(cache_dir, str):
        raise ConfigError(f"data.cache_dir must be a directory, auto or null, got {cache_dir!r}.")
    seed = config["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed must be an integer >= 0, got {seed!r}.")


def _check_numbers(config: dict[str, Any]) -> None:
    """torch takes words for the numbers of its optimizers and schedulers, and fails on them epochs later."""
    for group in ("optimizer", "scheduler"):
        for key, value in config[group].items():
            if not key.startswith("_") and key not in ("mode", "threshold_mode") and isinstance(value, str):
                raise ValueError(f"{group}.{key} must be a number, got {value!r}.")


def run_name(*, _root_: DictConfig) -> str:
    """`<readable overrides>-<identity>` of the configuration being composed: the name of the run's directory."""
    overrides = OmegaConf.select(_root_, "hydra.overrides.task") or []
    return readable_name(list(overrides), identity(resolved(_root_)))


def register_resolvers() -> None:
    """Make `${difftv.run_name:}` known to OmegaConf; safe to call in every process and more than once."""
    OmegaConf.register_new_resolver("difftv.run_name", run_name, replace=True)


def save_config(config: dict[str, Any], path: Path) -> None:
    """Write the resolved configuration as YAML."""
    from difftv.files import write_atomically

    write_atomically(path, OmegaConf.to_yaml(OmegaConf.create(config)))
