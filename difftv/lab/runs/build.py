"""The one place where a configuration becomes objects, wired by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from difftv.denoiser import Denoiser
from difftv.devices import choose_devices, place
from difftv.errors import ConfigError
from difftv.lab.data import (
    Splits,
)
from difftv.lab.data.base import ImageSource
from difftv.lab.data.crops import crop_size
from difftv.lab.forward import ForwardModel
from difftv.lab.losses import Deepinv, Sure, WithoutClean
from difftv.lab.models.place import find_model, named_models
from difftv.lab.models.reading import read_model
from difftv.lab.runs.images import Images, open_patches
from difftv.lab.runs.nodes import Node, model_of
from difftv.lab.runs.options import SURE, RunOptions, source_node
from difftv.lab.runs.plan import PlannedRun
from difftv.lab.runs.without_clean import check_noisy_files, check_without_clean
from difftv.lab.tracking.base import Tracker
from difftv.lab.training.loop import TrainingSetup
from difftv.linear import Mask
from difftv.linear.opponent import OPPONENT
from difftv.method import Method
from difftv.models.parts import NAME, TARGET
from difftv.models.stored import StoredModel
from difftv.network_denoiser import NetworkDenoiser
from difftv.noise import NoiseRange
from difftv.predictors.base import Predictor
from difftv.predictors.named import Named
from difftv.problem import DataTerm
from difftv.regularizers.base import Regularizer
from difftv.solvers.base import Solver
from difftv.space import KINDS
from difftv.volumes import SliceBySlice, joined_weight

__all__ = ["Images", "Objects", "build", "open_patches"]


@dataclass(frozen=True)
class Objects:
    """Everything a run works with, except its images; `stored` is the model that is measured beside the learned one,
    `forward` what measures the images."""

    setup: TrainingSetup
    tracker: Tracker
    splits: Splits
    stored: Method | None
    forward: ForwardModel


def build(planned: PlannedRun, rank: int = 0) -> Objects:
    """All objects of a run from its configuration; cheap, so that a mistake shows before any work.

    Args:
        planned: run to build.
        rank: number of this process, where several share the training.

    Raises:
        ConfigError: an option or a value does not fit; the message is the constructor's.
        DataError: the images are not there.
        MissingDependencyError: an optional package is not installed.
        ProblemTooLargeError: the solver cannot take the patch size on this machine.
    """
    options = planned.options
    nodes, source = options.nodes, source_node(planned.config)
    regularizer = nodes["regularizer"].make()
    forward: ForwardModel = nodes["forward"].make()
    _check_axes(regularizer, forward, options)
    noise = options.noise()
    if options.evaluation.scalar == SURE and (forward.measures or not isinstance(noise.middle, Sure.kinds)):
        raise ConfigError(
            "evaluation.scalar must be psnr behind a forward operator and for correlated noise: the risk estimate is "
            "that of white Gaussian or Poisson-Gaussian noise on the images."
        )
    _check_noise(noise, forward, nodes)
    solver: Solver = _solver(nodes["solver"].make(regularizer=regularizer), forward, options)
    for key, size in (("patch_size", options.top.patch_size), ("data.eval_patch_size", options.data.eval_patch_size)):
        if size is not None:
            solver.check_size(*crop_size(key, size, options.data.axes))
    # The global generator is left as it was: in a reused worker the next job starts from it.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.top.seed)
        with nodes["predictor"].keyed():
            complete = (
                nodes["method"]
                .target()
                .predictor_arguments(nodes["predictor"].values, regularizer, sigma_input=noise.told)
            )
        predictor = replace(nodes["predictor"], values=complete).make()
    loss = nodes["loss"].make()
    if not options.data.clean:
        check_noisy_files(options, loss, noise, forward)
    if isinstance(loss, (Sure, Deepinv)) and options.training.precision != "float32":
        raise ConfigError(
            f"loss={type(loss).__name__.lower()} takes differences that bfloat16 does not resolve: "
            "trainer.precision=float32."
        )
    if isinstance(loss, Deepinv) and noise.several:
        raise ConfigError(f"loss=deepinv takes one noise level, got sigma={options.top.sigma!r}. Give sigma=LEVEL.")
    if options.start is not None:
        for word in named_models(options.start):
            _start(predictor, word, regularizer, nodes)
    device = choose_devices(options.device, options.devices, "trainer.device")[rank]
    if options.devices > 1:
        _check_divisible(predictor)
        if isinstance(loss, Deepinv):
            raise ConfigError("trainer.devices: loss=deepinv draws for a whole batch at once. Set trainer.devices=1.")
    denoiser: Method = nodes["method"].make(predictor=place(predictor, device), solver=solver)
    make_optimizer, make_scheduler = nodes["optimizer"].make(), nodes["scheduler"].make()
    with nodes["optimizer"].keyed():
        optimizer = make_optimizer(denoiser.predictor.parameters())
    with nodes["scheduler"].keyed():
        scheduler = make_scheduler(optimizer)
    with source.keyed():
        made = source.make()
        _check_source(made, options.data.axes)
        splits = made.files()
    if options.data.clean and splits.again:
        raise ConfigError("data.again is for noisy images without clean ones: set data.clean=false, or leave it out.")
    if isinstance(loss, WithoutClean):
        check_without_clean(loss, options, splits, forward)
    return Objects(
        setup=TrainingSetup(denoiser, loss, optimizer, scheduler, device),
        tracker=nodes["tracker"].make(),
        splits=splits,
        stored=_stored(options.evaluation.model, regularizer, forward),
        forward=forward,
    )


def _check_axes(regularizer: Regularizer, forward: ForwardModel, options: RunOptions) -> None:
    """Refuse what is for images only where the data are volumes or signals, and the reverse.

    Raises:
        ConfigError: naming the key.
    """
    axes = options.data.axes
    if regularizer.axes != axes:
        raise ConfigError(
            f"The data are {KINDS[axes]} (data.axes={axes}), and regularizer={regularizer.name} is for "
            f"{KINDS[regularizer.axes]}. Take regularizer=anisotropic, isotropic, huber, tv_tv2, tvpwl or tgv."
        )
    if axes != 2 and options.data.colour:
        raise ConfigError(f"data.colour must be false for {KINDS[axes]}: they have one channel.")
    if axes != 2 and forward.measures:
        raise ConfigError(f"forward=identity is the only one for {KINDS[axes]} (data.axes={axes}).")


def _check_source(source: ImageSource, axes: int) -> None:
    """Refuse a data set that holds nothing with so many axes.

    Raises:
        ConfigError: naming data sets that do.
    """
    if axes not in source.axes:
        raise ConfigError(
            f"data.axes={axes}, and the data set holds {' or '.join(KINDS[each] for each in source.axes)}. "
            f"{KINDS[axes].capitalize()} come with data=folder data.axes={axes} data.root=PATH"
            f"{', or data=phantoms' if axes == 3 else ''}."
        )


def _check_noise(noise: NoiseRange, forward: ForwardModel, nodes: Mapping[str, Node]) -> None:
    """Refuse noise that a part of the run does not take.

    Raises:
        ConfigError: naming both.
    """
    if noise.white:
        return
    if forward.measures:
        raise ConfigError("noise must be gaussian behind a forward operator: measurements have white noise.")
    loss = nodes["loss"].target()
    if isinstance(loss, type) and issubclass(loss, WithoutClean) and not isinstance(noise.middle, loss.kinds):
        raise ConfigError(
            f"loss={loss.__name__.lower()} is wrong for {noise}. Take loss=noise2noise, or noise=gaussian."
        )
    if nodes["method"].target() is NetworkDenoiser and noise.varies:
        raise ConfigError("noise must be gaussian with method=network: there is no data term that could be weighted.")


def _solver(solver: Solver, forward: ForwardModel, options: RunOptions) -> Solver:
    """The solver, or what it chooses behind an operator.

    Raises:
        ConfigError: it takes no operator; or the forward model does not take such images.
    """
    if not forward.measures:
        return solver
    channels = solver.regularizer.channels
    if channels not in forward.image_channels:
        raise ConfigError(
            f"forward={type(forward).__name__.lower()} measures images of {forward.image_channels[0]} channel, "
            f"the images of the run have {channels}. Set data.colour=false."
        )
    if options.data.clip_noise:
        raise ConfigError("data.clip_noise must be false behind a forward operator: measurements are no intensities.")
    some = torch.zeros(1, channels, 8, 8)
    data = DataTerm(some, operator=Mask(torch.ones(8, 8)))
    worker = solver.worker(data)
    reason = worker.refusal(worker.regularizer, data)
    if reason is not None:
        raise ConfigError(f"solver={solver.name} takes no forward operator: {reason}. Take solver=admm or solver=auto.")
    return worker


def _check_divisible(predictor: Predictor) -> None:
    """Refuse a network whose answer to one patch depends on the others of its batch.

    Raises:
        ConfigError: it has a batch norm.
    """
    for name, module in predictor.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise ConfigError(
                f"trainer.devices: {type(module).__name__} ({name}) takes statistics over a batch, which no device "
                "holds as a whole. Set trainer.devices=1, or take a network with another norm."
            )


def _own_network(predictor: Predictor, stored: StoredModel, target: str) -> Callable[..., nn.Module] | None:
    """The class of the run's network, where it is none of this package and the stored model names the same."""
    node = stored.config.get("predictor")
    same = isinstance(node, Mapping) and node.get(TARGET) == target and not target.startswith("difftv.")
    return predictor.network_class if same and isinstance(predictor, Named) else None


def _start(predictor: Predictor, word: str, regularizer: Regularizer, nodes: Mapping[str, Node]) -> None:
    """Give the predictor the weights of a stored model.

    Raises:
        ConfigError: there is none of that name, or it is of another kind.
        CheckpointError: its file cannot be used.
    """
    with model_of("trainer.start"):
        stored = read_model(find_model(word))
        theirs, ours = stored.regularizer().map_names, regularizer.map_names
        # A model of gray images may be continued as one of RGB images, with its maps for every opponent colour, and as
        # one of volumes, with a map for the depth beside those for rows and columns.
        colours = tuple(f"{name}_{colour}" for colour in OPPONENT for name in theirs)
        depths = tuple(
            each for name in theirs for each in ([f"{name[:-2]}_d", name] if name.endswith("_v") else [name])
        )
        if ours not in (theirs, colours, depths):
            raise ConfigError(
                f"{word} predicts {', '.join(theirs)}, the regularizer of the run takes {', '.join(ours)}."
            )
        if stored.method is not nodes["method"].target():
            raise ConfigError(
                f"{word} is a {stored.method.__name__}, the run has method={nodes['method'].values[TARGET]}."
            )
        target = nodes["predictor"].values[TARGET]
        own = _own_network(predictor, stored, target)
        trained = stored.predictor(own)
        given = {NAME: target} if own is not None else stored.explicit_predictor()
    try:
        predictor.start_from(trained)
    except ValueError as error:
        made = " ".join(f"{key}={value}" for key, value in given.items() if key != NAME)
        raise ConfigError(
            f"trainer.start: {word} cannot be continued: {error} It was made with predictor={given[NAME]}: {made}."
        ) from error


def _stored(word: str | None, regularizer: Regularizer, forward: ForwardModel) -> Method | None:
    """The model of evaluation.model, on the CPU; one of images is applied to the slices of volumes, which are joined.

    Raises:
        ConfigError: there is none of that name, it takes images of other channels, or measurements and no images.
        CheckpointError: its file cannot be used.
    """
    if word is None:
        return None
    with model_of("evaluation.model"):
        found = read_model(find_model(word))
        if found.forward is not None and not forward.measures:
            raise ConfigError(
                f"{word} was trained behind a forward operator ({found.forward}), and the run denoises images. Set "
                f"forward={found.forward}, or name another model."
            )
        stored = found.denoiser()
        channels, axes = regularizer.channels, regularizer.axes
        if axes == 3 and isinstance(stored, Denoiser) and stored.predictor.axes == 2 and channels == 1:
            return SliceBySlice(stored, joined_weight(regularizer.spacing))
        if stored.predictor.axes != axes:
            raise ConfigError(
                f"{word} is a model of {KINDS[stored.predictor.axes]}, and data.axes={axes}. Name another one."
            )
        if stored.predictor.channels != channels:
            raise ConfigError(
                f"{word} takes images of {stored.predictor.channels} channel(s), the images of the run have "
                f"{channels}. Name a model of {'colour' if channels == 3 else 'gray'} images, or evaluation.model=null."
            )
        return stored
