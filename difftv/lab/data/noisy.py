"""Noisy images as they are, without clean ones: their patches, and the noise level of every file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import torch

from difftv.errors import DataError
from difftv.lab.data.cache import CleanImages, open_images
from difftv.lab.data.crops import Size
from difftv.lab.data.evaluation import EvaluationItem, EvaluationPatches
from difftv.lab.data.noise_of_files import noise_of_files
from difftv.lab.data.patches import Batch, TrainingPatches, level_and_kind
from difftv.noise import Noise, NoiseRange
from difftv.space import by_size


class NoisyScenes:
    """Files of noisy images, perhaps two of every scene, and their noise.

    Args:
        images: the noisy images.
        again: second images of the scenes, in the same order; None where there are none.
        sigma: noise level of all files in 8-bit units, of a range that of every file is estimated within it; or noise
            of another kind, with numbers or ranges. See `noise_of_files`.

    Attributes:
        images, again: as given.
        noises: noise of every image.

    Raises:
        DataError: the two images of a scene differ in size or are the same file, or the noise of an image cannot be
            estimated.
    """

    def __init__(
        self, images: CleanImages, again: CleanImages | None, sigma: float | Sequence[float] | NoiseRange
    ) -> None:
        self.images, self.again = images, again
        if again is not None:
            _check_pairs(images, again)
        self.noises = noise_of_files(images, NoiseRange.of(sigma))


@final
class NoisyTrainingPatches(TrainingPatches):
    """Crops of noisy images: no noise is added. Which of two images of a scene comes first is drawn like the crop."""

    def __init__(
        self,
        scenes: NoisyScenes,
        *,
        patch_size: Size,
        sigma: float | Sequence[float] | NoiseRange,
        seed: int,
        crops_per_image: int,
        quarter_turns: bool = True,
    ) -> None:
        super().__init__(
            scenes.images,
            patch_size=patch_size,
            sigma=sigma,
            seed=seed,
            crops_per_image=crops_per_image,
            quarter_turns=quarter_turns,
        )
        self.scenes = scenes

    def _observed(self, number: int, words: Sequence[int]) -> Batch:
        noisy, again = self._crop(self.scenes.images[number], words), None
        if self.scenes.again is not None:
            again = self._crop(self.scenes.again[number], words)
            if words[3] % 2:
                noisy, again = again, noisy
        sigma, kind = level_and_kind(self.scenes.noises[number], noisy)
        return Batch(None, noisy, torch.tensor([sigma], dtype=torch.float32, device="cpu"), again=again, kind=kind)


@final
class NoisyEvaluation(EvaluationPatches):
    """Fixed crops, or whole images, of noisy images."""

    def __init__(
        self,
        scenes: NoisyScenes,
        *,
        patch_size: Size | None,
        sigma: float | Sequence[float] | NoiseRange | Noise,
        crops_per_image: int = 1,
        limit: int | None = None,
        stream: int = 0,
    ) -> None:
        super().__init__(
            scenes.images,
            patch_size=patch_size,
            sigma=sigma,
            crops_per_image=crops_per_image,
            limit=limit,
            stream=stream,
        )
        self.scenes = scenes

    def _observed(self, name: str, image_index: int, crop_index: int, words: Sequence[int]) -> EvaluationItem:
        noisy = self._crop(self.scenes.images[image_index], crop_index, words)
        again = None if self.scenes.again is None else self._crop(self.scenes.again[image_index], crop_index, words)
        sigma, kind = level_and_kind(self.scenes.noises[image_index], noisy)
        return EvaluationItem(name, None, noisy, sigma, None, again, kind)


def open_second(
    images: CleanImages, second: Mapping[Path, Path], cache_dir: Path | None, *, colour: bool, axes: int = 2
) -> CleanImages | None:
    """The second noisy images of the scenes, in the order of the first ones; None where there are none.

    Raises:
        DataError: one cannot be read.
    """
    if not second:
        return None
    paths = [second[path] for path in images.paths]
    again = open_images(paths, cache_dir, colour=colour, axes=axes)
    if again.skipped:
        path, reason = again.skipped[0]
        raise DataError(f"{path}, the second noisy image of a scene, cannot be read: {reason}")
    return again


def _check_pairs(images: CleanImages, again: CleanImages) -> None:
    for index, (one, two) in enumerate(zip(images.paths, again.paths, strict=True)):
        if images.shapes[index] != again.shapes[index]:
            sizes = " and ".join(by_size(each.shapes[index]) for each in (images, again))
            raise DataError(f"{one} and {two} must be two noisy images of one scene, but have {sizes} pixels.")
        if images.digests and images.digests[index] == again.digests[index]:
            raise DataError(
                f"{one} and {two} are the same file. Two noisy images of a scene must have noise of their own."
            )
