"""The one place where a configuration becomes objects, wired by hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from difftv.denoiser import Denoiser
from difftv.devices import choose_devices, place
from difftv.errors import ConfigError, DataError
from difftv.lab.data import (
    CleanImages,
    EvaluationPatches,
    Splits,
    TrainingPatches,
    open_images,
    warn_of_repeated,
)
from difftv.lab.data.base import ImageSource
from difftv.lab.data.colours import check_colour
from difftv.lab.data.crops import Size, crop_size
from difftv.lab.forward import ForwardModel
from difftv.lab.losses import Sure
from difftv.lab.models.place import find_model, named_models
from difftv.lab.models.reading import read_model
from difftv.lab.runs.config import image_cache
from difftv.lab.runs.nodes import Node, model_of
from difftv.lab.runs.options import RunOptions, source_node
from difftv.lab.runs.plan import PlannedRun
from difftv.lab.tracking.base import Tracker
from difftv.lab.training.loop import TrainingSetup
from difftv.linear import Mask
from difftv.linear.opponent import OPPONENT
from difftv.method import Method
from difftv.models.parts import NAME, TARGET
from difftv.models.stored import StoredModel
from difftv.noise import SigmaRange
from difftv.predictors.base import Predictor
from difftv.predictors.named import Named
from difftv.problem import DataTerm
from difftv.regularizers.base import Regularizer
from difftv.solvers.base import Solver
from difftv.space import KINDS
from difftv.volumes import SliceBySlice, joined_weight


@dataclass(frozen=True)
class Objects:
    """Everything a run works with, except its images; `stored` is the model that is measured beside the learned one,
    `forward` what measures the images."""

    setup: TrainingSetup
    tracker: Tracker
    splits: Splits
    stored: Method | None
    forward: ForwardModel


@dataclass(frozen=True)
class Images:
    """The patches of a run.

    `evaluation` holds the test images, or the validation images where the data set has no test images
    (`evaluated_on` says which); `search` the fixed training crops on which the scalar lambda is tuned.
    """

    training: TrainingPatches
    validation: EvaluationPatches
    evaluation: EvaluationPatches
    search: EvaluationPatches
    evaluated_on: str
    skipped: tuple[str, ...]


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
                .predictor_arguments(
                    nodes["predictor"].values, regularizer, sigma_input=SigmaRange.of(options.top.sigma).several
                )
            )
        predictor = replace(nodes["predictor"], values=complete).make()
    loss = nodes["loss"].make()
    if isinstance(loss, Sure) and options.training.precision != "float32":
        raise ConfigError("loss=sure takes differences that bfloat16 does not resolve: trainer.precision=float32.")
    if options.start is not None:
        for word in named_models(options.start):
            _start(predictor, word, regularizer, nodes)
    device = choose_devices(options.device, options.devices, "trainer.device")[rank]
    if options.devices > 1:
        _check_divisible(predictor)
    denoiser: Method = nodes["method"].make(predictor=place(predictor, device), solver=solver)
    make_optimizer, make_scheduler = nodes["optimizer"].make(), nodes["scheduler"].make()
    with nodes["optimizer"].keyed():
        optimizer = make_optimizer(denoiser.predictor.parameters())
    with nodes["scheduler"].keyed():
        scheduler = make_scheduler(optimizer)
    with source.keyed():
        made = source.make()
        _check_axes(made, regularizer, forward, options)
        splits = made.files()
    return Objects(
        setup=TrainingSetup(denoiser, loss, optimizer, scheduler, device),
        tracker=nodes["tracker"].make(),
        splits=splits,
        stored=_stored(options.evaluation.model, regularizer, forward),
        forward=forward,
    )


def _check_axes(source: ImageSource, regularizer: Regularizer, forward: ForwardModel, options: RunOptions) -> None:
    """Refuse volumes and signals where images are asked for, and the reverse.

    Raises:
        ConfigError: naming the key.
    """
    axes = options.data.axes
    if regularizer.axes != axes:
        raise ConfigError(
            f"The data are {KINDS[axes]} (data.axes={axes}), and regularizer={regularizer.name} is for "
            f"{KINDS[regularizer.axes]}. Take regularizer=anisotropic, isotropic, huber, tv_tv2, tvpwl or tgv."
        )
    if axes not in source.axes:
        raise ConfigError(
            f"data.axes={axes}, and the data set holds {' or '.join(KINDS[each] for each in source.axes)}. "
            f"{KINDS[axes].capitalize()} come with data=folder data.axes={axes} data.root=PATH"
            f"{', or data=phantoms' if axes == 3 else ''}."
        )
    if axes != 2 and options.data.colour:
        raise ConfigError(f"data.colour must be false for {KINDS[axes]}: they have one channel.")
    if axes != 2 and forward.measures:
        raise ConfigError(f"forward=identity is the only one for {KINDS[axes]} (data.axes={axes}).")


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
        # A model of gray images may be continued as one of RGB images, with its maps for every opponent colour.
        if ours not in (theirs, tuple(f"{name}_{colour}" for colour in OPPONENT for name in theirs)):
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
            return SliceBySlice(stored, joined_weight(regularizer))
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


def open_patches(planned: PlannedRun, splits: Splits, solver: Solver, forward: ForwardModel | None = None) -> Images:
    """Decode the images of a run (through the cache) and take patches from them.

    Raises:
        DataError: no readable image, none as large as a patch, or none with a colour where colours are wanted.
        ProblemTooLargeError: whole images are evaluated and the solver cannot take the largest.
    """
    top, data, evaluation = planned.options.top, planned.options.data, planned.options.evaluation
    cache_path = image_cache(planned.config)

    def opened(paths: Sequence[Path]) -> CleanImages:
        return open_images(paths, cache_path, splits.roots, colour=data.colour, axes=data.axes)

    training, validation = opened(splits.train), opened(splits.validation)
    test = opened(splits.test) if splits.test else validation
    sets = {"training": training, "validation": validation} | ({"test": test} if splits.test else {})
    warn_of_repeated(sets)
    if data.colour:
        for kind, images in sets.items():
            check_colour(images, kind)

    def fixed(
        images: CleanImages,
        side: Size | None,
        crops: int,
        limit: int | None,
        stream: int = 0,
        sigma: float | Sequence[float] | None = None,
    ) -> EvaluationPatches:
        try:
            return EvaluationPatches(
                images,
                patch_size=side,
                sigma=SigmaRange.of(top.sigma).middle if sigma is None else sigma,
                crops_per_image=crops,
                clip_noise=data.clip_noise,
                limit=limit,
                stream=stream,
                forward=forward,
            )
        except (DataError, ValueError) as error:
            raise type(error)(f"evaluation (data.eval_patch_size, data.eval_crops_per_image): {error}") from error

    side, crops = data.eval_patch_size, data.eval_crops_per_image
    if side is None:
        for shape in {*validation.shapes, *test.shapes}:
            solver.check_size(*shape)
    return Images(
        training=TrainingPatches(
            training,
            patch_size=top.patch_size,
            sigma=top.sigma,
            seed=top.seed,
            crops_per_image=data.crops_per_image,
            clip_noise=data.clip_noise,
            quarter_turns=data.quarter_turns,
            forward=forward,
        ),
        validation=fixed(validation, side, crops, evaluation.validation_images, sigma=top.sigma),
        evaluation=fixed(test, side, crops, evaluation.test_images),
        # Crops of the size that is evaluated (of patch_size where that is whole images): a best lambda depends a little
        # on how much border a crop has. A stream of their own: nothing is tuned on the noise of the evaluation.
        search=fixed(
            training,
            side or top.patch_size,
            -(-evaluation.search_images // max(len(training), 1)),
            evaluation.search_images,
            stream=1,
        ),
        evaluated_on="test" if splits.test else "validation",
        skipped=tuple(
            f"{path}: {reason}" for images in {training, validation, test} for path, reason in images.skipped
        ),
    )
