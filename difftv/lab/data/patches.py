"""Training patches: which crop, which symmetry and which noise follow from (seed, epoch, index) and nothing else."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from difftv.arguments import boolean, positive_int, random_seed
from difftv.lab.data.cache import CleanImages
from difftv.lab.data.crops import NUM_SYMMETRIES, Size, crop_size, cut, drawn, large_enough, to_tensor, turned
from difftv.lab.data.decoding import Pixels
from difftv.lab.forward import ForwardModel, Identity, Measured, joined
from difftv.noise import GaussianNoise, Noise, NoiseRange
from difftv.noise import joined as joined_noise
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.types import Image, PerImage

# Branches of the seed: the draws of one purpose never meet those of another.
_ORDER = 0
_PATCH = 1


class Batch(NamedTuple):
    """Float32 CPU tensors: `clean` in [0, 1] and `noisy`, not clipped, (batch, 1 or 3, *patch);
    `sigma`, the noise level of every patch in 8-bit units, (batch,); `measured`, the measurements where there is a
    forward operator: `noisy` is then the first look at them; `again`, second noisy images of the scenes, where the data
    set has them. `clean` is None where it has no clean images. Of a batch that several processes share these are the
    patches of one part: `first` is the place of its first one, `whole` the number of all (None: no other part). `kind`:
    the noise where it is not white Gaussian noise of level `sigma`, which is then that of the clean patch, as a root
    mean square."""

    clean: Image | None
    noisy: Image
    sigma: PerImage
    measured: Measured | None = None
    first: int = 0
    whole: int | None = None
    again: Image | None = None
    kind: Noise | None = None

    @property
    def images(self) -> int:
        """Patches of the whole batch."""
        return len(self.noisy) if self.whole is None else self.whole

    @property
    def noise(self) -> Noise | PerImage:
        """What a method is told: the noise, or the levels of white noise."""
        return self.sigma if self.kind is None else self.kind

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        names = ("clean", "noisy", "sigma", "measured", "again")
        parts = {name: part.to(device) for name in names if (part := getattr(self, name)) is not None}
        return self._replace(**parts)


class TrainingPatches:
    """Noisy crops of clean images, drawn anew in every epoch.

    Patch `index` of an epoch comes from image `index mod number of images`; its position (uniform), its symmetry (one
    of the 8 flips and quarter turns, or of the 4 flips; of volumes also with the depth flipped) and its noise are a
    pure function of (seed, epoch, index). So is the order of the patches, of (seed, epoch). No state is kept: any
    epoch, or any part of it, can be drawn again at any time.
    """

    def __init__(
        self,
        images: CleanImages,
        *,
        patch_size: Size,
        sigma: float | Sequence[float] | NoiseRange,
        seed: int,
        crops_per_image: int = 1,
        clip_noise: bool = False,
        quarter_turns: bool = True,
        forward: ForwardModel | None = None,
    ) -> None:
        """
        Args:
            images: the clean images; those smaller than the patch are left out and named in a warning.
            patch_size: side of a patch in pixels, or its sides along every axis.
            sigma: noise standard deviation in 8-bit units, of a range [low, high] every patch draws its own, uniformly;
                or noise of another kind.
            seed: >= 0; two runs with the same seed see the same patches.
            crops_per_image: patches drawn from every image in an epoch, >= 1.
            clip_noise: clamp the noisy patches to [0, 1].
            quarter_turns: whether patches are turned as well as flipped.
            forward: simulation that measures the patches, its operator drawn anew like the noise; None = denoising.

        Raises:
            ValueError: an argument is out of range.
            DataError: no image is as large as a patch.
        """
        self.patch_size = crop_size("patch_size", patch_size, images.axes)
        self.crops_per_image = positive_int("crops_per_image", crops_per_image)
        self.levels = NoiseRange.of(sigma)
        random_seed("seed", seed)
        self.seed = seed
        self.clip_noise = clip_noise
        self.quarter_turns = boolean("quarter_turns", quarter_turns)
        self.forward = Identity() if forward is None else forward
        self.images = images
        self._usable = large_enough(images, self.patch_size)

    def __len__(self) -> int:
        """Patches per epoch."""
        return len(self._usable) * self.crops_per_image

    def num_batches(self, batch_size: int) -> int:
        """Batches per epoch; the last one may be smaller."""
        return -(-len(self) // positive_int("batch_size", batch_size))

    def batches(self, epoch: int, batch_size: int, start_batch: int = 0, parts: int = 1) -> Iterator[Batch]:
        """The batches of one epoch, from `start_batch` on, without drawing those before it.

        Args:
            epoch: >= 0.
            batch_size: patches per batch, >= 1; it changes how the epoch is divided, not which patches it holds.
            start_batch: how many batches of this epoch are already done, at most `num_batches(batch_size)`.
            parts: processes that share every batch; this is the first part of each, see `part`.
        """
        number = self.num_batches(batch_size)
        if not 0 <= start_batch <= number:
            raise ValueError(f"start_batch must be in 0..{number} for batches of {batch_size}, got {start_batch}.")
        order = self._order(epoch)
        return (
            self._part(epoch, order[start : start + batch_size], 0, parts)
            for start in range(start_batch * batch_size, len(self), batch_size)
        )

    def part(self, epoch: int, batch_size: int, index: int, number: int, parts: int) -> Batch | None:
        """One part of one batch, whose patches are divided as evenly as they can be; None where it has none.

        Args:
            epoch: >= 0.
            batch_size: patches per batch.
            index: place of the batch in its epoch.
            number: which part, in 0..parts - 1.
            parts: how many.
        """
        indices = self._order(epoch)[index * batch_size : (index + 1) * batch_size]
        return self._part(epoch, indices, number, parts) if number < len(indices) else None

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng(self._branch(_ORDER, epoch)).permutation(len(self))

    def _part(self, epoch: int, indices: np.ndarray, number: int, parts: int) -> Batch:
        if parts == 1:
            return self._batch(epoch, indices)
        divided = np.array_split(indices, parts)
        first = sum(map(len, divided[:number]))
        return self._batch(epoch, divided[number])._replace(first=first, whole=len(indices))

    def _batch(self, epoch: int, indices: np.ndarray) -> Batch:
        parts = [self._patch(epoch, int(index)) for index in indices]
        clean, noisy, sigma, again = (_together(parts, name) for name in ("clean", "noisy", "sigma", "again"))
        measured = [one.measured for one in parts if one.measured is not None]
        kinds = [one.kind for one in parts if one.kind is not None]
        kind = joined_noise(kinds) if kinds else None
        assert noisy is not None
        assert sigma is not None
        return Batch(clean, noisy, sigma, joined(measured) if measured else None, again=again, kind=kind)

    def _patch(self, epoch: int, index: int) -> Batch:
        words = [*map(int, self._branch(_PATCH, epoch, index).generate_state(7 + self.levels.words, np.uint64))]
        return self._observed(self._usable[index % len(self._usable)], words)

    def _crop(self, image: Pixels, words: Sequence[int]) -> Image:
        """Crop and symmetry that the words stand for."""
        axes, (down, right, symmetry, *_, deep) = self.images.axes, words[:7]
        corner = drawn(image.shape[:axes], self.patch_size, (down, right, deep))
        crop = turned(
            cut(image, corner, self.patch_size), symmetry % NUM_SYMMETRIES, axes, quarter_turns=self.quarter_turns
        )
        return to_tensor(crop, axes)

    def _observed(self, number: int, words: Sequence[int]) -> Batch:
        """A patch of image `number`, drawn by seven random words, and more for noise with ranges."""
        noise_seed, level, operator_seed = words[3:6]
        clean = self._crop(self.images[number], words)
        noise = self.levels.draw(level, words[7:])
        noisy, measured = self.forward.corrupt(
            clean, noise, operator_seed=operator_seed, noise_seed=noise_seed, clip=self.clip_noise
        )
        sigma, kind = level_and_kind(noise, clean)
        return Batch(clean, noisy, torch.tensor([sigma], dtype=torch.float32, device="cpu"), measured, kind=kind)

    def _branch(self, *key: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.seed, spawn_key=key)


def level_and_kind(noise: Noise, clean: Image) -> tuple[float, Noise | None]:
    """The noise level of one image in 8-bit units, and the noise where it is not white Gaussian noise of that level."""
    if isinstance(noise, GaussianNoise):
        return float(noise.sigma), None
    return EIGHT_BIT_RANGE * float(noise.std_per_image(clean)), noise


def _together(batches: Sequence[Batch], name: str) -> torch.Tensor | None:
    parts = [getattr(one, name) for one in batches]
    return None if parts[0] is None else torch.cat(parts)
