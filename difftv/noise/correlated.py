"""Gaussian noise that neighbouring pixels share, as cameras leave it after they have processed an image."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from difftv.noise.base import Noise, checked_argument, fitted, standard_normal
from difftv.noise.level import EIGHT_BIT_RANGE, checked_sigma
from difftv.types import Image


@final
@dataclass(frozen=True)
class CorrelatedGaussian(Noise):
    """noisy = clean + sigma / 255 * (G n), n standard normal, G a periodic Gaussian blur with G n of variance 1.

    A model of white noise leaves much of it: what a run on such images shows is how much.

    Args:
        sigma: standard deviation of every pixel in 8-bit units, > 0. A number, or a tensor (batch,) with one per image,
            as `width`.
        width: standard deviation of the blur in pixels, > 0; neighbours have correlation exp(-1 / (4 width^2)) where it
            is about 1 or more.

    Raises:
        ValueError: sigma or width is not a positive finite number.
    """

    sigma: float | Tensor
    width: float | Tensor = 0.6

    def __post_init__(self) -> None:
        sigma = self.sigma
        sigma = checked_argument("sigma", sigma) if isinstance(sigma, Tensor) else checked_sigma(sigma)
        object.__setattr__(self, "sigma", sigma)
        object.__setattr__(self, "width", checked_argument("width", self.width))

    def corrupt(self, clean: Image, *, seed: int, clip: bool = False) -> Image:
        white = standard_normal(clean.detach().to(device="cpu").to(dtype=torch.float64), seed)
        axes = tuple(range(2, clean.ndim))
        shared = torch.fft.ifftn(torch.fft.fftn(white, dim=axes) * self._transfer(white), dim=axes).real
        shared = shared.to(dtype=clean.dtype).to(device=clean.device)
        noisy = clean + fitted(self.sigma, clean) / EIGHT_BIT_RANGE * shared
        return noisy.clamp(0.0, 1.0) if clip else noisy

    def std(self, images: Image) -> Tensor:
        """sigma / 255, (1, 1, 1, 1) for images; (batch, 1, 1, 1) of one per image."""
        std = fitted(self.sigma, images) / EIGHT_BIT_RANGE
        return std if isinstance(std, Tensor) else images.new_full((1,) * images.ndim, std)

    def _transfer(self, images: Tensor) -> Tensor:
        """Gain of every frequency, of mean square 1 for every image."""
        space = images.shape[2:]
        frequencies = torch.meshgrid(
            *(torch.fft.fftfreq(side, dtype=torch.float64, device="cpu") for side in space), indexing="ij"
        )
        squared = torch.stack(frequencies).square().sum(dim=0)
        gains = torch.exp(-2 * (torch.pi * fitted(self.width, images)) ** 2 * squared)
        axes = tuple(range(-len(space), 0))
        return gains / gains.square().mean(dim=axes, keepdim=True).sqrt()
