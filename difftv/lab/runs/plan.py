"""The run that a composed configuration stands for: its identity, name and directory are derived nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from difftv.errors import ConfigError
from difftv.lab.data.fingerprint import content_identity
from difftv.lab.models.place import model_content
from difftv.lab.rundir.layout import MODELS
from difftv.lab.runs.config import image_cache, leaves, refuse_unread, resolved
from difftv.lab.runs.directory import RunDirectory
from difftv.lab.runs.identity import SCHEME, identity, readable_name
from difftv.lab.runs.nodes import model_of
from difftv.lab.runs.options import Rerun, RunOptions, class_nodes, rerun_policy, source_node, sweep_name


@dataclass(frozen=True)
class PlannedRun:
    """A run that could be carried out.

    Attributes:
        config: the resolved configuration, in plain containers.
        choices: the option taken in each of Hydra's groups, for tables; None where none was.
        overrides: the words of the command line.
        digest: its identity.
        images: the content identity of its images, which went into the digest.
        rerun: policy of the command where the run has ended before.
    """

    config: dict[str, Any]
    choices: Mapping[str, str | None]
    overrides: tuple[str, ...]
    digest: str
    images: str
    rerun: Rerun

    @classmethod
    def of(cls, composed: DictConfig, hydra: DictConfig | None = None) -> "PlannedRun":
        """The run of a composed configuration; finds its images, downloads them where asked to, and opens none.

        Args:
            composed: with interpolations.
            hydra: Hydra's node, where `composed` does not hold it any more.

        Raises:
            ConfigError: a value is missing, a key is read by nothing, or the data set cannot be constructed.
            DataError: the images are not there.
        """
        hydra = composed.get("hydra") if hydra is None else hydra
        plain = resolved(composed)
        refuse_unread(plain, composed, hydra)
        sweep_name(plain)
        rerun = rerun_policy(plain)
        source_node(plain).check()
        images = _images_identity(plain)
        choices = OmegaConf.to_container(hydra.runtime.choices) if hydra is not None else {}
        # As typed: what an override refers to need not be found from Hydra's own node.
        overrides = OmegaConf.to_container(hydra.overrides.task, resolve=False) if hydra is not None else []
        assert isinstance(choices, dict)
        assert isinstance(overrides, list)
        return cls(
            config=plain,
            choices={str(group): option for group, option in choices.items() if "/" not in str(group)},
            overrides=tuple(map(str, overrides)),
            digest=identity(plain, images, _models_content(plain)),
            images=images,
            rerun=rerun,
        )

    @property
    def name(self) -> str:
        """What trackers show, and the name of the directory of a new run."""
        return readable_name(self.overrides, self.digest)

    @property
    def recorded(self) -> dict[str, Any]:
        """What config.yaml, checkpoints and trackers hold; tables group by the options, which values do not tell."""
        recorded = {"scheme": SCHEME, "digest": self.digest, "images": self.images}
        return {**self.config, "choices": dict(self.choices), "identity": recorded}

    def at(self, path: Path | str) -> RunDirectory:
        """Its directory, where it is to be stored in this one."""
        return RunDirectory(Path(path), self.digest)

    @cached_property
    def options(self) -> RunOptions:
        """Its values, typed and checked.

        Raises:
            ConfigError: naming the key, what was expected and what came.
        """
        return RunOptions.from_container(self.config)

    def check(self) -> RunOptions:
        """Everything that can be refused before any work: keys, types and ranges; the typed values.

        Raises:
            ConfigError: naming the key.
        """
        self.check_nodes()
        options = self.options
        options.noise()
        channels, wanted = self.config["regularizer"].get("channels", 1), 3 if options.data.colour else 1
        if channels != wanted:
            kind = f"{'RGB' if wanted == 3 else 'gray'} (data.colour={str(options.data.colour).lower()})"
            takes = f"regularizer.channels is {channels!r}"
            raise ConfigError(
                f"{takes}, but the images are {kind}. Set regularizer.channels={wanted}"
                + (", of isotropic, huber, tvpwl, tv_tv2 or tgv, or data.colour=false." if wanted == 3 else ".")
            )
        return options

    def check_nodes(self) -> None:
        """Compare every group that names a class with its constructor; imports torch.

        Raises:
            ConfigError: naming the key.
        """
        for node in class_nodes(self.config).values():
            node.check()


def run_name(folder: str = "", *, _root_: DictConfig) -> str:
    """`<readable overrides>-<identity>` of the configuration being composed: the name of the run's directory.

    The same run may have been asked for in other words (a default spelt out, sigma=25.0): where it is in `folder`
    already, it keeps its name.
    """
    planned = PlannedRun.of(_root_)
    known = sorted(path.name for path in Path(folder).glob(f"*-{planned.digest}") if path.is_dir()) if folder else []
    return known[0] if known else planned.name


def register_resolvers() -> None:
    """Make `${difftv.run_name:}` known to OmegaConf; safe to call in every process and more than once."""
    OmegaConf.register_new_resolver("difftv.run_name", run_name, replace=True)


def _models_content(config: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for key, word in leaves(config):
        if key in MODELS and word and isinstance(word, str):
            with model_of(key):
                found[key] = model_content(word)
    return found


def _images_identity(config: Mapping[str, Any]) -> str:
    source = source_node(config)
    with source.keyed():
        return content_identity(source.make().files(), image_cache(config))
