"""What every kind of noise answers."""

import abc

import torch
from torch import Tensor

from difftv.space import inner
from difftv.types import Image, PerImage


class Noise(abc.ABC):
    """Corruption of clean images in [0, 1] by noise of known statistics, independent from pixel to pixel.

    Objects are frozen: a noise is a value, like the number `sigma` that stands for white Gaussian noise.
    """

    @abc.abstractmethod
    def corrupt(self, clean: Image, *, seed: int, clip: bool = False) -> Image:
        """A noisy image, drawn from a generator of its own.

        Args:
            clean: (batch, channels, *space), intensities in [0, 1].
            seed: seed of the generator: the same seed, shape and noise give the same image on every device. The global
                random state is neither read nor changed.
            clip: clamp the result to [0, 1]. Off by default: clipping makes the noise neither Gaussian nor zero-mean.

        Returns:
            (batch, channels, *space), on the device and in the dtype of `clean`.
        """

    @abc.abstractmethod
    def std(self, images: Image) -> Tensor:
        """Standard deviation of the noise on images in [0, 1], in a shape that broadcasts to `images`.

        Args:
            images: (batch, channels, *space), the clean images; noisy or denoised ones give an estimate, where
                it depends on the intensity.

        Raises:
            ValueError: the noise is given for other images: another batch or another size.
        """

    def std_per_image(self, images: Image) -> PerImage:
        """Root of the mean variance of every image, on images in [0, 1]: (batch,)."""
        return self.std(images).expand(images.shape).square().mean(dim=inner(images)).sqrt()

    def data_weight(self, images: Image) -> Image | None:
        """Weight of every pixel in the data term, sum_i w_i/2 (u_i - y_i)^2, shaped like `images`; smaller = smoother.

        Returns:
            (mean variance) / variance, which is about 1; None where every pixel of an image has the same variance.
        """
        std = self.std(images)
        if std[0].numel() == 1:
            return None
        variance = std.square().expand(images.shape)
        return variance.mean(dim=inner(variance), keepdim=True) / variance


def standard_normal(like: Tensor, seed: int) -> Tensor:
    """Standard normal numbers of the shape, device and dtype of `like`, drawn on the CPU in float32."""
    generator = torch.Generator("cpu").manual_seed(seed)
    normal = torch.randn(like.shape, generator=generator, dtype=torch.float32, device="cpu")
    return normal.to(device=like.device).to(dtype=like.dtype)
