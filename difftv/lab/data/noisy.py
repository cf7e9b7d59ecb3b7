"""Noisy images as they are, without clean ones: their patches, and the noise level of every file."""

import logging
import statistics
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import torch

from difftv.errors import DataError, NoiseLevelWarning
from difftv.lab.data.cache import CleanImages, open_images
from difftv.lab.data.crops import Size, to_tensor
from difftv.lab.data.decoding import Pixels
from difftv.lab.data.evaluation import EvaluationItem, EvaluationPatches
from difftv.lab.data.patches import Batch, TrainingPatches
from difftv.noise import Noise, NoiseEstimate, NoiseRange, SigmaRange, estimate_white
from difftv.noise.estimate import CLIPPED, SMALLEST_SIDE
from difftv.space import by_size

log = logging.getLogger(__name__)

FAR_OFF = 1.25
"""Factor between a given noise level and the estimated one from which a warning says so: texture moves an estimate of
sigma 10 and more by less."""

_NAMED = 3


class NoisyScenes:
    """Files of noisy images, perhaps two of every scene, and their noise levels.

    Args:
        images: the noisy images.
        again: second images of the scenes, in the same order; None where there are none.
        sigma: noise level of all files in 8-bit units; of a range, that of every file is estimated within it.

    Attributes:
        images, again: as given.
        levels: noise level of every image in 8-bit units.

    Raises:
        DataError: the two images of a scene differ in size or are the same file, or an image is too small for its noise
            to be estimated.
    """

    def __init__(self, images: CleanImages, again: CleanImages | None, sigma: float | Sequence[float]) -> None:
        self.images, self.again = images, again
        if again is not None:
            _check_pairs(images, again)
        wanted = SigmaRange.of(sigma)
        found = [_estimated(pixels, path) for pixels, path in zip(images, images.paths, strict=True)]
        _warn_of_clipped(images, found)
        low, high = wanted.pair
        self.levels = tuple(min(max(level, low), high) for level, _ in found)
        if not wanted.several:
            _warn_of_level(wanted.low, [level for level, _ in found if level > 0])
        elif outside := [
            path for path, (level, _) in zip(images.paths, found, strict=True) if not low <= level <= high
        ]:
            log.warning(
                "the noise of %d of %d images is estimated outside sigma=[%g, %g], and taken as the nearest of these: "
                "%s. Widen the range.",
                len(outside),
                len(images),
                low,
                high,
                _listed(outside),
            )


@final
class NoisyTrainingPatches(TrainingPatches):
    """Crops of noisy images: no noise is added. Which of two images of a scene comes first is drawn like the crop."""

    def __init__(
        self,
        scenes: NoisyScenes,
        *,
        patch_size: Size,
        sigma: float | Sequence[float],
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
        sigma = torch.tensor([self.scenes.levels[number]], dtype=torch.float32, device="cpu")
        return Batch(None, noisy, sigma, again=again)


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
        return EvaluationItem(name, None, noisy, self.scenes.levels[image_index], None, again)


def open_second(
    images: CleanImages, second: Mapping[Path, Path], cache_dir: Path | None, *, colour: bool
) -> CleanImages | None:
    """The second noisy images of the scenes, in the order of the first ones; None where there are none.

    Raises:
        DataError: one cannot be read.
    """
    if not second:
        return None
    paths = [second[path] for path in images.paths]
    again = open_images(paths, cache_dir, colour=colour)
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


def _estimated(pixels: Pixels, path: Path) -> tuple[float, float]:
    """Noise level in 8-bit units, and share of clipped pixels."""
    image = to_tensor(pixels)
    if min(image.shape[2:]) < SMALLEST_SIDE:
        raise DataError(f"{path} has fewer than {SMALLEST_SIDE} pixels a side: its noise cannot be estimated.")
    at_limit = ((image == 0) | (image == 1)).any(dim=1, keepdim=True)
    # Of noise of one level in every colour the luma, scaled to norm 1, has that level.
    luma = image.sum(dim=1, keepdim=True) / image.shape[1] ** 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseLevelWarning)
        found: NoiseEstimate = estimate_white(luma, at_limit)
    return float(found.sigma[0]), float(found.clipped[0])


def _warn_of_clipped(images: CleanImages, found: Sequence[tuple[float, float]]) -> None:
    clipped = [path for path, (_, share) in zip(images.paths, found, strict=True) if share > CLIPPED]
    if clipped:
        log.warning(
            "%d of %d noisy images have more than %.0f %% of their pixels at black or white, where noise is cut off: "
            "noise levels, and losses that trust in them, are biased there: %s",
            len(clipped),
            len(images),
            100 * CLIPPED,
            _listed(clipped),
        )


def _warn_of_level(given: float, estimated: Sequence[float]) -> None:
    if not estimated:
        return
    typical = statistics.median(estimated)
    if not given / FAR_OFF <= typical <= given * FAR_OFF:
        log.warning(
            "sigma=%g was given, but the noise of the images is estimated at %.1f (median): estimates of the error are "
            "wrong where sigma is. Give sigma=%.3g, or a range such as sigma=[%.2g, %.2g] within which every file's "
            "level is estimated.",
            given,
            typical,
            typical,
            0.5 * min(estimated),
            2 * max(estimated),
        )


def _listed(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(path.name for path in paths[:_NAMED]) + more
