"""The squared difference from a second noisy image."""

from typing import ClassVar, final

from torch import Tensor

from difftv.lab.losses.base import NoisyImages, WithoutClean
from difftv.noise import Noise
from difftv.space import inner
from difftv.types import Image, PerImage


@final
class Noise2Noise(WithoutClean):
    """Mean squared difference from a second noisy image of the scene, whose noise is independent; smaller = better.

    Its gradient is on average that of `Mse`; its value is larger by the variance of the noise.

    References: Lehtinen et al. 2018, "Noise2Noise: learning image restoration without clean data".
    """

    needs_again: ClassVar[bool] = True
    kinds: ClassVar[tuple[type[Noise], ...]] = (Noise,)

    def forward(self, denoised: Image, again: Image) -> Tensor:
        """
        Args:
            denoised: denoised images.
            again: second noisy images of the scenes.
        """
        return _differences(denoised, again).mean()

    def per_image(self, images: NoisyImages) -> PerImage:
        if images.again is None:
            raise ValueError("Noise2Noise compares with a second noisy image of every scene, and there is none.")
        return _differences(images.denoised, images.again)


def _differences(denoised: Image, again: Image) -> PerImage:
    return (denoised - again).square().mean(dim=inner(again))
