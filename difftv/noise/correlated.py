"""Gaussian noise that neighbouring pixels share, as cameras leave it after they have processed an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from difftv.arguments import positive
from difftv.noise.base import Noise, standard_normal
from difftv.noise.gaussian import noise_std
from difftv.noise.level import checked_sigma
from difftv.types import Image


@final
@dataclass(frozen=True)
class CorrelatedGaussian(Noise):
    """noisy = clean + sigma / 255 * (G n), n standard normal, G a periodic Gaussian blur with G n of variance 1.

    A model of white noise leaves much of it: what a run on such images shows is how much.

    Args:
        sigma: standard deviation of every pixel in 8-bit units, > 0.
        width: standard deviation of the blur in pixels, > 0; neighbours have correlation exp(-1 / (4 width^2)) where it
            is about 1 or more.

    Raises:
        ValueError: sigma or width is not a positive finite number.
    """

    sigma: float
    width: float = 0.6

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", checked_sigma(self.sigma))
        object.__setattr__(self, "width", positive("width", self.width))

    def corrupt(self, clean: Image, *, seed: int, clip: bool = False) -> Image:
        white = standard_normal(clean.detach().to(device="cpu").to(dtype=torch.float64), seed)
        axes = tuple(range(2, clean.ndim))
        shared = torch.fft.ifftn(torch.fft.fftn(white, dim=axes) * self._transfer(clean.shape[2:]), dim=axes).real
        noisy = clean + noise_std(self.sigma) * shared.to(dtype=clean.dtype).to(device=clean.device)
        return noisy.clamp(0.0, 1.0) if clip else noisy

    def std(self, images: Image) -> Tensor:
        """sigma / 255, (1, 1, 1, 1) for images."""
        return images.new_full((1,) * images.ndim, noise_std(self.sigma))

    def _transfer(self, space: Sequence[int]) -> Tensor:
        """Gain of every frequency, of mean square 1."""
        frequencies = torch.meshgrid(
            *(torch.fft.fftfreq(side, dtype=torch.float64, device="cpu") for side in space), indexing="ij"
        )
        squared = torch.stack(frequencies).square().sum(dim=0)
        gains = torch.exp(-2 * (torch.pi * self.width) ** 2 * squared)
        return gains / gains.square().mean().sqrt()
