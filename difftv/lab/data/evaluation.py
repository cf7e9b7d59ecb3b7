"""The fixed patches or whole images that validation and evaluation see: the same for every run, seed and sigma."""

import abc
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch

from difftv.arguments import positive_int
from difftv.errors import DataError
from difftv.lab.data.cache import CleanImages
from difftv.lab.data.crops import Size, centre, crop_size, cut, drawn, large_enough, to_tensor
from difftv.lab.data.decoding import Pixels
from difftv.lab.data.patches import level_and_kind
from difftv.lab.forward import ForwardModel, Identity, Measured, joined
from difftv.noise import Noise, NoiseRange
from difftv.noise import joined as joined_noise
from difftv.types import Image


@dataclass(frozen=True, eq=False)
class EvaluationItem:
    """One test case.

    Attributes:
        name: the image's name, with `#1`, `#2`, ... from the second crop of an image on.
        clean: (1, 1 or 3, *space) float32 in [0, 1]; None where there are only noisy images.
        noisy: clean image with noise added, not clipped unless asked for; or the noisy image itself.
        sigma: standard deviation of that noise in 8-bit units, as a root mean square where it differs between pixels.
        measured: the measurements, where there is a forward operator: `noisy` is then the first look at them.
        again: second noisy image of the scene, where the data set has one.
        kind: the noise where it is not white Gaussian noise of level `sigma`.
    """

    name: str
    clean: Image | None
    noisy: Image
    sigma: float
    measured: Measured | None = None
    again: Image | None = None
    kind: Noise | None = None

    @property
    def reference(self) -> Image:
        """The clean image, where it is compared with.

        Raises:
            DataError: there is none.
        """
        if self.clean is None:
            raise DataError(f"{self.name} has no clean image to compare with.")
        return self.clean


def noise_of(group: Sequence[EvaluationItem], device: torch.device | str = "cpu") -> Noise | torch.Tensor:
    """What a method is told of the noise of some images: the noise, or the levels of white noise, (batch,)."""
    kinds = [item.kind for item in group if item.kind is not None]
    return joined_noise(kinds) if kinds else torch.tensor([item.sigma for item in group], device=device)


def measurements(group: Sequence[EvaluationItem], device: torch.device | str) -> Measured | None:
    """The measurements of images of one size as those of a batch; None where there is no forward operator."""
    parts = [item.measured for item in group if item.measured is not None]
    return joined(parts).to(device) if parts else None


class EvaluationItems(Sequence[EvaluationItem], abc.ABC):
    """Test cases that are made when they are asked for, the same each time. Subclasses write `__len__` and `item`."""

    @abc.abstractmethod
    def item(self, index: int) -> EvaluationItem:
        """Test case `index`, 0 <= index < len(self)."""

    @overload
    def __getitem__(self, index: int) -> EvaluationItem: ...
    @overload
    def __getitem__(self, index: slice) -> list[EvaluationItem]: ...
    def __getitem__(self, index: int | slice) -> EvaluationItem | list[EvaluationItem]:
        if isinstance(index, slice):
            return [self.item(each) for each in range(len(self))[index]]
        return self.item(range(len(self))[index])

    def batches(self, batch_size: int) -> Iterator[list[EvaluationItem]]:
        """The items in order, neighbours of equal size together, at most `batch_size` at a time."""
        positive_int("batch_size", batch_size)
        group: list[EvaluationItem] = []
        for item in self:
            if group and (len(group) == batch_size or item.noisy.shape != group[0].noisy.shape):
                yield group
                group = []
            group.append(item)
        if group:
            yield group


class EvaluationPatches(EvaluationItems):
    """Crops at fixed positions, or whole images, each with its own fixed noise.

    The first crop of an image is its centre; the others are at positions drawn from (image name, crop index). The
    noise is drawn from the same pair and scaled by sigma, so that runs with other seeds, and other sigmas, are compared
    on the same draws, and an image keeps its noise whatever other images there are.
    """

    def __init__(
        self,
        images: CleanImages,
        *,
        patch_size: Size | None,
        sigma: float | Sequence[float] | NoiseRange | Noise,
        crops_per_image: int = 1,
        clip_noise: bool = False,
        limit: int | None = None,
        stream: int = 0,
        forward: ForwardModel | None = None,
    ) -> None:
        """
        Args:
            images: the clean images; those smaller than the patch are left out and named in a warning.
            patch_size: side of a crop in pixels, or its sides along every axis; None takes whole images.
            sigma: noise standard deviation in 8-bit units, of a range [low, high] every crop has a level of its own,
                drawn like its noise; or noise of another kind.
            crops_per_image: crops of every image, >= 1; whole images allow only 1.
            clip_noise: clamp the noisy images to [0, 1].
            limit: keep only so many items, the first ones; None keeps all.
            stream: another number >= 0 gives other positions and other noise.
            forward: simulation that measures the images, its operator drawn like the noise; None = nothing, denoising.

        Raises:
            ValueError: an argument is out of range.
            DataError: no image is as large as a crop.
        """
        self.noise = sigma if isinstance(sigma, Noise) else NoiseRange.of(sigma)
        positive_int("crops_per_image", crops_per_image)
        if patch_size is None and crops_per_image > 1:
            raise ValueError(
                f"crops_per_image must be 1 for whole images (patch_size=None), got {crops_per_image}. "
                "Set a patch_size."
            )
        if limit is not None:
            positive_int("limit", limit)
        self.images = images
        self.patch_size = None if patch_size is None else crop_size("patch_size", patch_size, images.axes)
        self.clip_noise = clip_noise
        self.stream = stream
        self.forward = Identity() if forward is None else forward
        usable = list(range(len(images))) if self.patch_size is None else large_enough(images, self.patch_size)
        # Crop by crop, so that a limit takes as many images as it can.
        self._cases = [(image, crop) for crop in range(crops_per_image) for image in usable][:limit]

    def __len__(self) -> int:
        return len(self._cases)

    def item(self, index: int) -> EvaluationItem:
        image_index, crop_index = self._cases[index]
        key = (self.stream, zlib.crc32(self.images.names[image_index].encode("utf-8", "surrogateescape")), crop_index)
        more = 0 if isinstance(self.noise, Noise) else self.noise.words
        words = [*map(int, np.random.SeedSequence(0, spawn_key=key).generate_state(6 + more, np.uint64))]
        name = self.images.names[image_index] + (f"#{crop_index}" if crop_index else "")
        return self._observed(name, image_index, crop_index, words)

    def _crop(self, image: Pixels, crop_index: int, words: Sequence[int]) -> Image:
        """The centre, or where the words say; whole images as they are."""
        if self.patch_size is not None:
            shape, words_of_place = image.shape[: self.images.axes], (words[0], words[1], words[5])
            corner = drawn(shape, self.patch_size, words_of_place) if crop_index else centre(shape, self.patch_size)
            image = cut(image, corner, self.patch_size)
        return to_tensor(image, self.images.axes)

    def _observed(self, name: str, image_index: int, crop_index: int, words: Sequence[int]) -> EvaluationItem:
        """The test case of a crop, drawn by six random words, and more for noise with ranges."""
        noise_seed, level, operator_seed = words[2:5]
        clean = self._crop(self.images[image_index], crop_index, words)
        noise = self.noise if isinstance(self.noise, Noise) else self.noise.draw(level, words[6:])
        noisy, measured = self.forward.corrupt(
            clean, noise, operator_seed=operator_seed, noise_seed=noise_seed, clip=self.clip_noise
        )
        sigma, kind = level_and_kind(noise, clean)
        return EvaluationItem(name, clean, noisy, sigma, measured, kind=kind)
