"""Noise that grows with the signal: photons counted by a sensor, and the sensor's own noise."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from difftv.noise.base import Noise, checked_argument, fitted, weight_of
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.space import average_pool
from difftv.types import Image

LEAST_LIGHT = 0.375
"""Photons: a variance is that of this many at least, so that none is 0."""

_AROUND = 5
"""px; side of the square (cube) whose mean is the intensity of a noisy pixel: on crops of six photographs, gain .01 to
.05, weights from means of 5x5 pixels gave .1 dB more than of 9x9; from single pixels they cost 3 dB at gain .05."""


class SignalDependent(Noise):
    """Noise of variance gain (u - b) + (sigma / 255)^2, which the generalised Anscombe transform makes white.

    Attributes:
        gain: intensity of one photon on images in [0, 1], > 0; larger = noisier. White is 1 / gain photons.
        sigma: standard deviation of the Gaussian part in 8-bit units, >= 0.
        black_level: b, the intensity of no light, on images in [0, 1], >= 0.
    """

    gain: float | Tensor
    sigma: float | Tensor
    black_level: float | Tensor

    def corrupt(self, clean: Image, *, seed: int, clip: bool = False) -> Image:
        """A noisy image; intensities below the black level are taken as that."""
        generator = torch.Generator("cpu").manual_seed(seed)
        pixels = clean.detach().to(device="cpu").to(dtype=torch.float64)
        gain, sigma, black = (fitted(value, pixels) for value in (self.gain, self.sigma, self.black_level))
        counted = black + gain * torch.poisson((pixels - black).clamp(min=0) / gain, generator=generator)
        read = sigma / EIGHT_BIT_RANGE
        noisy = counted + read * torch.randn(clean.shape, generator=generator, dtype=torch.float64, device="cpu")
        noisy = noisy.to(dtype=clean.dtype).to(device=clean.device)
        return noisy.clamp(0.0, 1.0) if clip else noisy

    def variance_without_bias(self, noisy: Image) -> Image:
        """gain (noisy - b) + (sigma / 255)^2: its mean is the variance, for averages; single values may be negative."""
        gain, sigma, black = (fitted(value, noisy) for value in (self.gain, self.sigma, self.black_level))
        return gain * (noisy - black) + (sigma / EIGHT_BIT_RANGE) ** 2

    def std(self, images: Image) -> Tensor:
        """sqrt(gain (images - b) + (sigma / 255)^2), shaped like the images; of pixels below b as of b."""
        gain, sigma, black = (fitted(value, images) for value in (self.gain, self.sigma, self.black_level))
        return (gain * (images - black).clamp(min=0) + (sigma / EIGHT_BIT_RANGE) ** 2).sqrt()

    def std_of_noisy(self, noisy: Image) -> Tensor:
        """The standard deviation at the means of 5x5 pixels (of volumes 5x5x5), of 3/8 photon at least."""
        means = average_pool(noisy)(noisy, _AROUND, stride=1, padding=_AROUND // 2, count_include_pad=False)
        return self.std(self._lit(means))

    def data_weight(self, images: Image) -> Image:
        """(mean variance) / variance, with 3/8 photon at least in every pixel: no variance is 0."""
        weight = weight_of(self.std(self._lit(images)), images)
        assert weight is not None
        return weight

    def _lit(self, images: Image) -> Image:
        least = fitted(self.black_level, images) + LEAST_LIGHT * fitted(self.gain, images)
        return images.clamp(min=least) if isinstance(least, float) else torch.maximum(images, least)


@final
@dataclass(frozen=True)
class PoissonGaussian(SignalDependent):
    """noisy = b + gain * Poisson((clean - b) / gain) + sigma / 255 * n:  variance = gain (clean - b) + (sigma / 255)^2.

    Args:
        gain: intensity of one photon on images in [0, 1], > 0; larger = noisier. White is 1 / gain photons. A number,
            or a tensor (batch,) with one per image, as the others.
        sigma: standard deviation of the Gaussian part in 8-bit units, >= 0; 0 is Poisson noise.
        black_level: b, the intensity of no light, on images in [0, 1], >= 0.

    Raises:
        ValueError: gain is not a positive finite number, or sigma or black_level not one >= 0.
    """

    gain: float | Tensor
    sigma: float | Tensor = 0.0
    black_level: float | Tensor = 0.0

    def __post_init__(self) -> None:
        for name, least in (("gain", None), ("sigma", 0.0), ("black_level", 0.0)):
            object.__setattr__(self, name, checked_argument(name, getattr(self, name), least))


@final
@dataclass(frozen=True)
class Poisson(SignalDependent):
    """noisy = b + gain * Poisson((clean - b) / gain): photons alone, variance = gain (clean - b).

    Args:
        gain: as for `PoissonGaussian`.
        black_level: as for `PoissonGaussian`.

    Raises:
        ValueError: gain is not a positive finite number, or black_level not one >= 0.
    """

    gain: float | Tensor
    black_level: float | Tensor = 0.0

    @property
    def sigma(self) -> float:  # type: ignore[override]  # no argument here
        """0: no Gaussian part."""
        return 0.0

    def __post_init__(self) -> None:
        for name, least in (("gain", None), ("black_level", 0.0)):
            object.__setattr__(self, name, checked_argument(name, getattr(self, name), least))
