"""The one place where a configuration becomes objects, wired by hand."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from difftv.data import (
    CleanImages,
    EvaluationPatches,
    Splits,
    TrainingPatches,
    open_images,
    warn_of_repeated,
)
from difftv.denoiser import Denoiser
from difftv.devices import choose_device, place
from difftv.errors import DataError
from difftv.predictors.base import starting_at
from difftv.runs.config import image_cache, image_files_of, make, named
from difftv.solvers.base import Solver
from difftv.tracking.base import Tracker
from difftv.training.loop import TrainingOptions


@dataclass(frozen=True)
class Objects:
    """Everything a run works with, except its images."""

    denoiser: Denoiser
    loss: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler
    options: TrainingOptions
    tracker: Tracker
    splits: Splits
    device: torch.device


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


def build(config: dict[str, Any]) -> Objects:
    """All objects of a run from its resolved configuration; cheap, so that a mistake shows before any work.

    Raises:
        ConfigError: an option or a value does not fit; the message is the constructor's.
        DataError: the images are not there.
        MissingDependencyError: an optional package is not installed.
        ProblemTooLargeError: the solver cannot take the patch size on this machine.
    """
    regularizer = make(config, "regularizer")
    solver: Solver = make(config, "solver", regularizer=regularizer)
    for side in (config["patch_size"], config["data"]["eval_patch_size"]):
        if side is not None:
            solver.check_size(side, side)
    # The global generator is left as it was: in a reused worker the next job starts from it.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config["seed"])
        with named("predictor"):
            complete = starting_at(config["predictor"], regularizer)
        predictor = make({"predictor": complete}, "predictor")
    device = choose_device(config["trainer"]["device"])
    denoiser = Denoiser(place(predictor, device), solver)
    make_optimizer, make_scheduler = make(config, "optimizer"), make(config, "scheduler")
    with named("optimizer"):
        optimizer = make_optimizer(denoiser.predictor.parameters())
    with named("scheduler"):
        scheduler = make_scheduler(optimizer)
    with named("trainer"):
        options = TrainingOptions(**{key: value for key, value in config["trainer"].items() if key != "device"})
    return Objects(
        denoiser=denoiser,
        loss=make(config, "loss"),
        optimizer=optimizer,
        scheduler=scheduler,
        options=options,
        tracker=make(config, "tracker"),
        splits=image_files_of(config),
        device=device,
    )


def open_patches(config: dict[str, Any], splits: Splits, solver: Solver) -> Images:
    """Decode the images of a run (through the cache) and cut them into patches.

    Raises:
        DataError: no readable image, or none as large as a patch.
        ProblemTooLargeError: whole images are evaluated and the solver cannot take the largest.
    """
    data, evaluation = config["data"], config["evaluation"]
    cache_path = image_cache(config)
    training, validation = (open_images(paths, cache_path, splits.roots) for paths in (splits.train, splits.validation))
    test = open_images(splits.test, cache_path, splits.roots) if splits.test else validation
    sets = {"training": training, "validation": validation}
    warn_of_repeated(sets | {"test": test} if splits.test else sets)

    def fixed(
        images: CleanImages, side: int | None, crops: int, limit: int | None, stream: int = 0
    ) -> EvaluationPatches:
        try:
            return EvaluationPatches(
                images,
                patch_size=side,
                sigma=config["sigma"],
                crops_per_image=crops,
                clip_noise=data["clip_noise"],
                limit=limit,
                stream=stream,
            )
        except (DataError, ValueError) as error:
            raise type(error)(f"evaluation (data.eval_patch_size, data.eval_crops_per_image): {error}") from error

    side, crops = data["eval_patch_size"], data["eval_crops_per_image"]
    if side is None:
        for shape in {*validation.shapes, *test.shapes}:
            solver.check_size(*shape)
    return Images(
        training=TrainingPatches(
            training,
            patch_size=config["patch_size"],
            sigma=config["sigma"],
            seed=config["seed"],
            crops_per_image=data["crops_per_image"],
            clip_noise=data["clip_noise"],
        ),
        validation=fixed(validation, side, crops, evaluation["validation_images"]),
        evaluation=fixed(test, side, crops, evaluation["test_images"]),
        # Crops of the size that is evaluated (of patch_size where that is whole images): a best lambda depends a little
        # on how much border a crop has. A stream of their own: nothing is tuned on the noise it is judged by.
        search=fixed(
            training,
            side or config["patch_size"],
            _crops_for(len(training), evaluation),
            evaluation["search_images"],
            stream=1,
        ),
        evaluated_on="test" if splits.test else "validation",
        skipped=tuple(
            f"{path}: {reason}" for images in {training, validation, test} for path, reason in images.skipped
        ),
    )


def _crops_for(images: int, evaluation: dict[str, Any]) -> int:
    return -(-evaluation["search_images"] // max(images, 1))
