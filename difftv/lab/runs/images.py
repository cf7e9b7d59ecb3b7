"""The images of a run, and the patches that are taken from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from difftv.errors import DataError
from difftv.lab.data import (
    CleanImages,
    EvaluationPatches,
    NoisyEvaluation,
    NoisyScenes,
    NoisyTrainingPatches,
    Splits,
    TrainingPatches,
    open_images,
    open_second,
    warn_of_repeated,
)
from difftv.lab.data.colours import check_colour
from difftv.lab.data.crops import Size
from difftv.lab.forward import ForwardModel
from difftv.lab.runs.config import image_cache
from difftv.lab.runs.plan import PlannedRun
from difftv.noise import Noise, NoiseRange
from difftv.solvers.base import Solver


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


def open_patches(planned: PlannedRun, splits: Splits, solver: Solver, forward: ForwardModel | None = None) -> Images:
    """Decode the images of a run (through the cache) and take patches from them.

    Raises:
        DataError: no readable image, none as large as a patch, or none with a colour where colours are wanted.
        ProblemTooLargeError: whole images are evaluated and the solver cannot take the largest.
    """
    top, data, evaluation = planned.options.top, planned.options.data, planned.options.evaluation
    cache_path, noise = image_cache(planned.config), planned.options.noise()

    def opened(paths: Sequence[Path]) -> CleanImages:
        return open_images(paths, cache_path, splits.roots, colour=data.colour, axes=data.axes)

    def noisy_scenes(images: CleanImages) -> NoisyScenes:
        again = open_second(images, splits.again, cache_path, colour=data.colour, axes=data.axes)
        return NoisyScenes(images, again, noise)

    training, validation = opened(splits.train), opened(splits.validation)
    test = opened(splits.test) if splits.test else validation
    sets = {"training": training, "validation": validation} | ({"test": test} if splits.test else {})
    warn_of_repeated(sets)
    if data.colour:
        for kind, images in sets.items():
            check_colour(images, kind)

    scenes = {} if data.clean else {images: noisy_scenes(images) for images in dict.fromkeys(sets.values())}

    def fixed(
        images: CleanImages,
        side: Size | None,
        crops: int,
        limit: int | None,
        stream: int = 0,
        level: NoiseRange | Noise | None = None,
    ) -> EvaluationPatches:
        level = noise.middle if level is None else level
        try:
            if images in scenes:
                return NoisyEvaluation(
                    scenes[images], patch_size=side, sigma=level, crops_per_image=crops, limit=limit, stream=stream
                )
            return EvaluationPatches(
                images,
                patch_size=side,
                sigma=level,
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
        training=NoisyTrainingPatches(
            scenes[training],
            patch_size=top.patch_size,
            sigma=noise,
            seed=top.seed,
            crops_per_image=data.crops_per_image,
            quarter_turns=data.quarter_turns,
        )
        if scenes
        else TrainingPatches(
            training,
            patch_size=top.patch_size,
            sigma=noise,
            seed=top.seed,
            crops_per_image=data.crops_per_image,
            clip_noise=data.clip_noise,
            quarter_turns=data.quarter_turns,
            forward=forward,
        ),
        validation=fixed(validation, side, crops, evaluation.validation_images, level=noise),
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
