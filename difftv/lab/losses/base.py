"""The contract of losses that see no clean image."""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from difftv.noise import GaussianNoise, Noise
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.types import Image, PerImage


@dataclass(frozen=True, eq=False)
class NoisyImages:
    """What such a loss is given of a batch.

    Attributes:
        noisy: noisy images, (batch, 1 or 3, *space).
        sigma: standard deviation of the noise in 8-bit units, (batch,); as a root mean square where it is not white.
        denoised: answer of the method that is trained to `noisy`, with its graph.
        again: second noisy images of the scenes with noise of their own; None where there are none.
        denoise: the method: (images, sigma) -> denoised images, with a graph where gradients are wanted.
        seed: seed of what the loss draws; a training that is resumed gives the same one again.
        first, whole: place of the first image in a batch that several processes share, and the number of all (None:
            these are all); what is drawn is drawn for the whole batch.
        kind: the noise where it is not white Gaussian noise; `denoise` knows it.
    """

    noisy: Image
    sigma: PerImage
    denoised: Image
    again: Image | None
    denoise: Callable[[Image, PerImage], Image]
    seed: int
    first: int = 0
    whole: int | None = None
    kind: Noise | None = None

    @property
    def noise_std(self) -> PerImage:
        """Standard deviation of the noise on images in [0, 1], in the dtype of the images."""
        return (self.sigma / EIGHT_BIT_RANGE).to(dtype=self.noisy.dtype)


class WithoutClean(nn.Module, abc.ABC):
    """Loss of noisy images alone; smaller = better. A subclass writes `per_image`."""

    needs_again: ClassVar[bool] = False
    """Whether it compares with a second noisy image of the scene."""

    kinds: ClassVar[tuple[type[Noise], ...]] = (GaussianNoise,)
    """Kinds of noise that it is right for."""

    def pair(self, noisy: Image, draw: Callable[[], Image]) -> tuple[Image, Image] | None:
        """What the method is shown, and what its answer is compared with, where a loss makes both of one noisy image.

        Args:
            noisy: noisy images, (batch, channels, *space).
            draw: function that draws noise anew, with the covariance of that of `noisy`.

        Returns:
            Both; None, as here, where the method is shown the noisy images themselves.
        """
        return None

    @abc.abstractmethod
    def per_image(self, images: NoisyImages) -> PerImage:
        """The loss of every image, (batch,); training minimises the mean."""

    def of_batch(self, images: NoisyImages) -> Tensor:
        """The mean of `per_image`."""
        return self.per_image(images).mean()
