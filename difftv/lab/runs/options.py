"""The configuration of a run as typed values. Every value is checked where it is stored, by the name it has there."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from difftv.arguments import boolean, count, model_word, one_of, positive_int, random_seed
from difftv.axes import AXES, checked_axes
from difftv.errors import ConfigError
from difftv.lab.rundir.layout import NEUTRAL
from difftv.lab.runs.nodes import Node, keyed
from difftv.lab.runs.trackers import tracker_node
from difftv.lab.training.options import TrainingOptions
from difftv.noise.level import SigmaRange

if TYPE_CHECKING:
    from difftv.noise import NoiseRange

Rerun = Literal["failed", "all", "none"]

SUPPLIED: Mapping[str, tuple[str, ...]] = {
    "method": ("predictor", "solver", "sigma_range"),
    "predictor": ("num_maps", "channels", "axes"),
    "forward": (),
    "noise": ("sigma",),
    "regularizer": (),
    "solver": ("regularizer",),
    "loss": (),
    "optimizer": ("params",),
    "scheduler": ("optimizer",),
    "tracker": (),
}
"""Groups that name a class -> its arguments that are no plain values: the run adds them."""

Section = TypeVar("Section")


def checked_size(name: str, size: int | Sequence[int]) -> int | Sequence[int]:
    """The value itself, where it is a size of a crop for some number of axes: a side, or one per axis.

    Raises:
        ValueError: it is none.
    """
    several = isinstance(size, Sequence) and not isinstance(size, str)
    for side in size if several and len(size) in AXES else [size]:  # type: ignore[arg-type,union-attr]
        positive_int(name, side)  # type: ignore[arg-type]
    return size


@dataclass(frozen=True)
class DataOptions:
    """`data` without what its source takes.

    Raises:
        ValueError: a value that no run could use.
    """

    crops_per_image: int
    clip_noise: bool
    eval_patch_size: int | Sequence[int] | None
    eval_crops_per_image: int
    cache_dir: str | None
    colour: bool = False
    axes: int = 2
    quarter_turns: bool = True
    clean: bool = True

    def __post_init__(self) -> None:
        boolean("clean", self.clean)
        positive_int("crops_per_image", self.crops_per_image)
        boolean("clip_noise", self.clip_noise)
        boolean("colour", self.colour)
        checked_axes(self.axes)
        boolean("quarter_turns", self.quarter_turns)
        if self.eval_patch_size is not None:
            checked_size("eval_patch_size", self.eval_patch_size)
        positive_int("eval_crops_per_image", self.eval_crops_per_image)
        if self.cache_dir is not None and not isinstance(self.cache_dir, str):
            raise ValueError(f"cache_dir must be a directory, auto or null, got {self.cache_dir!r}.")


PSNR, SURE = "psnr", "sure"
"""Rules for the scalar baseline: the best PSNR on training crops, or Stein's risk estimate on every image itself."""


@dataclass(frozen=True)
class EvaluationOptions:
    """`evaluation`.

    Raises:
        ValueError: a value that no run could use.
    """

    validation_images: int | None
    test_images: int | None
    search_images: int
    refinements: int
    oracle: bool
    figures: int
    model: str | None = None
    scalar: str = PSNR

    def __post_init__(self) -> None:
        one_of("scalar", self.scalar, (PSNR, SURE))
        for name in ("validation_images", "test_images"):
            if getattr(self, name) is not None:
                positive_int(name, getattr(self, name))
        positive_int("search_images", self.search_images)
        positive_int("refinements", self.refinements)
        boolean("oracle", self.oracle)
        count("figures", self.figures)
        model_word("model", self.model)


@dataclass(frozen=True)
class TopLevel:
    """The keys outside any group.

    Raises:
        ValueError: a value that no run could use.
    """

    sigma: float | Sequence[float]
    patch_size: int | Sequence[int]
    seed: int
    rerun: Rerun
    sweep: str

    def __post_init__(self) -> None:
        checked_size("patch_size", self.patch_size)
        random_seed("seed", self.seed)


DEVICE = "device"
"""The key of `trainer` that says where the predictor runs; the others but `DEVICES`, `START` are `TrainingOptions`."""

DEVICES = "devices"
"""The key of `trainer` that says how many devices share every batch."""

START = "start"
"""The key of `trainer` that names the stored model whose weights training starts from."""

KNOWN: Mapping[str, frozenset[str]] = {
    "": frozenset({*(field.name for field in fields(TopLevel)), *SUPPLIED, "data", "evaluation", "trainer"}),
    "data": frozenset({*(field.name for field in fields(DataOptions)), "source"}),
    "evaluation": frozenset(field.name for field in fields(EvaluationOptions)),
    "trainer": frozenset({*(field.name for field in fields(TrainingOptions)), DEVICE, DEVICES, START}),
}
"""Keys that a run reads by itself, by their section; what is below a class's node the class reads."""


@dataclass(frozen=True)
class RunOptions:
    """All values of a run, and the nodes of the classes that it constructs."""

    top: TopLevel
    data: DataOptions
    evaluation: EvaluationOptions
    training: TrainingOptions
    device: str
    devices: int
    start: str | None
    nodes: Mapping[str, Node]

    @classmethod
    def from_container(cls, config: Mapping[str, Any]) -> "RunOptions":
        """The same from the resolved configuration.

        Raises:
            ConfigError: naming the key, what was expected and what came.
        """
        trainer, nodes = _mapping(config, "trainer"), class_nodes(config)
        training = _section(TrainingOptions, "trainer", trainer)
        if nodes["noise"].values.get("_target_") == NEUTRAL["noise._target_"]:
            with keyed("", {"sigma": "sigma"}):
                SigmaRange.of(config.get("sigma"))  # type: ignore[arg-type]  # refused with the reason
        return cls(
            top=_section(TopLevel, "", {**config, "rerun": rerun_policy(config), "sweep": sweep_name(config)}),
            data=_section(DataOptions, "data", _mapping(config, "data")),
            evaluation=_section(EvaluationOptions, "evaluation", _mapping(config, "evaluation")),
            training=training,
            device=trainer.get(DEVICE, "auto"),
            devices=_devices(trainer, training.batch_size),
            start=_start(trainer),
            nodes=nodes,
        )

    def noise(self) -> "NoiseRange":
        """The noise of the run: the kind of `noise` with `sigma` and its other arguments; imports torch.

        Raises:
            ConfigError: naming the key of what is none.
        """
        from difftv.noise import NoiseRange

        node = self.nodes["noise"]
        arguments = {name: value for name, value in node.values.items() if name != "_target_"}
        with keyed("noise", {**{name: node.key_of(name) for name in node.arguments()}, "sigma": "sigma"}):
            return NoiseRange.of(self.top.sigma, node.target(), arguments)


def class_nodes(config: Mapping[str, Any]) -> dict[str, Node]:
    """The nodes of the groups that name a class, by group."""
    later = {group: {"_target_": NEUTRAL[f"{group}._target_"]} for group in ("method", "forward", "noise")}
    config = {**later, **config}
    nodes = {group: Node(group, _mapping(config, group), supplied) for group, supplied in SUPPLIED.items()}
    predictor = replace(nodes["predictor"], as_class=_predictor_class)
    return {**nodes, "predictor": predictor, "tracker": tracker_node(nodes["tracker"].values)}


def _predictor_class(named: Any) -> Any:
    from difftv.predictors import predictor_class  # imports torch

    return predictor_class(named)


def source_node(config: Mapping[str, Any]) -> Node:
    """The node of the images; the user states its arguments in `data` itself."""
    data = _mapping(config, "data")
    return Node("data.source", _mapping(data, "source", "data.source"), outside={"data": [*data]})


def rerun_policy(config: Mapping[str, Any]) -> Rerun:
    """Which runs of the command are computed although they ended before.

    Raises:
        ConfigError: none of the three words.
    """
    policy: Any = config.get("rerun")
    if policy not in get_args(Rerun):
        raise ConfigError(
            "rerun must be failed (retry what failed), all (compute finished runs again as well) or none (leave failed "
            f"runs alone), got {policy!r}."
        )
    return policy


def sweep_name(config: Mapping[str, Any]) -> str:
    """The folder of the sweep, and the group of its runs in trackers.

    An integer is taken as it is written, sweep=20251125. Other values that YAML does not take for text have lost how
    they were written: 1e5 is 100000.0 by now.

    Raises:
        ConfigError: no text and no integer.
    """
    name = config.get("sweep")
    if isinstance(name, str):
        return name
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    raise ConfigError(
        f"sweep must be the name of a folder, got {name!r}, which YAML takes for something else than text. Quote it "
        "once for YAML and once for the shell, sweep=\"'1e5'\"."
    )


def _section(kind: type[Section], key: str, values: Mapping[str, Any]) -> Section:
    prefix = f"{key}." if key else ""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # a dataclass
    required = [field.name for field in fields(kind) if field.default is MISSING]  # type: ignore[arg-type]
    missing = [f"{prefix}{name}" for name in required if name not in values]
    if missing:
        raise ConfigError(f"{missing[0]} is missing. Give it as {missing[0]}=VALUE.")
    with keyed(key, {name: f"{prefix}{name}" for name in names}):
        return kind(**{name: values[name] for name in names if name in values})


def _devices(trainer: Mapping[str, Any], batch_size: int) -> int:
    with keyed("trainer", {DEVICES: f"trainer.{DEVICES}"}):
        devices = positive_int(DEVICES, trainer.get(DEVICES, 1))
    if batch_size % devices:
        raise ConfigError(
            f"trainer.devices={devices} does not divide trainer.batch_size={batch_size}: every device takes as many "
            f"patches of a batch as the others. Set trainer.batch_size={-(-batch_size // devices) * devices}, say."
        )
    return devices


def _start(trainer: Mapping[str, Any]) -> str | None:
    with keyed("trainer", {START: f"trainer.{START}"}):
        return model_word(START, trainer.get(START))


def _mapping(config: Mapping[str, Any], name: str, key: str | None = None) -> Mapping[str, Any]:
    found = config.get(name)
    if not isinstance(found, Mapping):
        raise ConfigError(f"{key or name} must be a group of keys, got {found!r}. Choose an option of conf/{name}.")
    return found
