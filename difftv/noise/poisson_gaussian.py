"""Noise that grows with the signal: photons counted by a sensor, and the sensor's own noise."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from difftv.arguments import not_negative, positive
from difftv.noise.base import Noise
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.types import Image


@final
@dataclass(frozen=True)
class PoissonGaussian(Noise):
    """noisy = b + gain * Poisson((clean - b) / gain) + sigma / 255 * n:  variance = gain (clean - b) + (sigma / 255)^2.

    Args:
        gain: intensity of one photon on images in [0, 1], > 0; larger = noisier. White is 1 / gain photons.
        sigma: standard deviation of the Gaussian part in 8-bit units, >= 0; 0 is Poisson noise.
        black_level: b, the intensity of no light, on images in [0, 1], >= 0.

    Raises:
        ValueError: gain is not a positive finite number, or sigma or black_level not one >= 0.
    """

    gain: float
    sigma: float = 0.0
    black_level: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "gain", positive("gain", self.gain))
        object.__setattr__(self, "sigma", not_negative("sigma", self.sigma))
        object.__setattr__(self, "black_level", not_negative("black_level", self.black_level))

    def corrupt(self, clean: Image, *, seed: int, clip: bool = False) -> Image:
        """A noisy image; intensities below the black level are taken as that."""
        generator = torch.Generator("cpu").manual_seed(seed)
        light = clean.detach().to(device="cpu").to(dtype=torch.float64) - self.black_level
        counted = self.black_level + self.gain * torch.poisson(light.clamp(min=0) / self.gain, generator=generator)
        read = self.sigma / EIGHT_BIT_RANGE
        noisy = counted + read * torch.randn(clean.shape, generator=generator, dtype=torch.float64, device="cpu")
        noisy = noisy.to(dtype=clean.dtype).to(device=clean.device)
        return noisy.clamp(0.0, 1.0) if clip else noisy

    def std(self, images: Image) -> Tensor:
        """sqrt(gain (images - b) + (sigma / 255)^2), shaped like the images; of pixels below b as of b."""
        return (self.gain * (images - self.black_level).clamp(min=0) + (self.sigma / EIGHT_BIT_RANGE) ** 2).sqrt()

    def data_weight(self, images: Image) -> Image:
        """(mean variance) / variance, with 3/8 photon at least in every pixel: no variance is 0."""
        variance = self.std(images.clamp(min=self.black_level + 0.375 * self.gain)).square()
        return variance.mean(dim=(1, 2, 3), keepdim=True) / variance
