"""The squared difference between two noisy images that are made of one."""

import math
from collections.abc import Callable
from typing import ClassVar, final

from difftv.arguments import positive
from difftv.lab.losses.base import NoisyImages, WithoutClean
from difftv.noise import CorrelatedGaussian, GaussianNoise, Noise
from difftv.space import inner
from difftv.types import Image, PerImage


@final
class Recorrupted(WithoutClean):
    """Recorrupted-to-recorrupted: one noisy image becomes two whose noises are independent; smaller = better.

        first  = (noisy + alpha z) / c,      c = sqrt(1 + alpha^2),      z noise drawn anew, like that of `noisy`
        second = noisy - z / alpha
        mean (c denoised(first) - second)^2 - c^2 s^2 / alpha^2,         s the noise's standard deviation

    The method is shown `first`, whose noise is that of `noisy`, of an image dimmed by c: it is trained at the noise
    level that it is used at. For Gaussian noise, white or correlated, the two noises are independent and the loss is on
    average mean (c denoised(first) - clean)^2, exactly. For photons they are not: such noise is refused.

    Args:
        alpha: standard deviation of the noise that is added over the noise's own, > 0; larger = less noise in `second`,
            of standard deviation s sqrt(1 + 1 / alpha^2), and a dimmer `first`. At .5 the gradient has about the noise
            of that of `Noise2Noise`, a ninth of that of `Sure`; 1 trains no better.

    Raises:
        ValueError: alpha is not a positive finite number.

    References: Pang et al. 2021, "Recorrupted-to-Recorrupted: unsupervised deep learning for image denoising"; Monroy
    et al. 2025, "Generalized recorrupted-to-recorrupted: self-supervised learning beyond Gaussian noise".
    """

    kinds: ClassVar[tuple[type[Noise], ...]] = (GaussianNoise, CorrelatedGaussian)

    def __init__(self, alpha: float = 0.5) -> None:
        super().__init__()
        self.alpha = positive("alpha", alpha)

    @property
    def dimming(self) -> float:
        """c = sqrt(1 + alpha^2)."""
        return math.sqrt(1 + self.alpha**2)

    def pair(self, noisy: Image, draw: Callable[[], Image]) -> tuple[Image, Image]:
        """`first` and `second`, with z as it is drawn; arguments as for any loss."""
        noise = draw()
        return (noisy + self.alpha * noise) / self.dimming, noisy - noise / self.alpha

    def per_image(self, images: NoisyImages) -> PerImage:
        """
        Args:
            images: `noisy` is `first`, `again` is `second`.
        """
        assert images.again is not None, "the pair is made before the images are denoised"
        difference = self.dimming * images.denoised - images.again
        offset = (self.dimming * images.noise_std / self.alpha).square()
        return difference.square().mean(dim=inner(difference)) - offset
