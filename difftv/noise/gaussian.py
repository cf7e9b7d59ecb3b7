"""Additive white Gaussian noise, and the one place where `sigma` (8-bit units) becomes `noise_std` ([0,1] units)."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from difftv.noise.base import Noise, standard_normal
from difftv.noise.level import EIGHT_BIT_RANGE, checked_sigma
from difftv.space import per_image
from difftv.types import Image, PerImage


@final
@dataclass(frozen=True)
class GaussianNoise(Noise):
    """noisy = clean + sigma / 255 * n, n standard normal.

    Args:
        sigma: standard deviation in 8-bit units, > 0: a number, a tensor (batch,) with one per image, or one of
            the dimensions of the images that broadcasts to them: a known standard deviation at every pixel.

    Raises:
        ValueError: sigma is not positive and finite everywhere, or has another number of dimensions.
    """

    sigma: float | Tensor

    def __post_init__(self) -> None:
        if not isinstance(self.sigma, Tensor):
            object.__setattr__(self, "sigma", checked_sigma(self.sigma))
            return
        if self.sigma.ndim not in (0, 1, 3, 4, 5):
            raise ValueError(f"sigma must be {_FORMS}, got a tensor of shape {tuple(self.sigma.shape)}.")
        if not bool(((self.sigma > 0) & self.sigma.isfinite()).all()):
            odd = self.sigma[~((self.sigma > 0) & self.sigma.isfinite())].flatten()[:3].tolist()
            raise ValueError(f"sigma must be positive and finite everywhere, in 8-bit units, got {odd}.")

    def corrupt(self, clean: Image, *, seed: int, clip: bool = False) -> Image:
        """clean + sigma / 255 * n; the seed alone chooses n, so that a sweep over sigma compares like with like."""
        std = noise_std(self.sigma) if not isinstance(self.sigma, Tensor) else self.std(clean)
        noisy = clean + std * standard_normal(clean, seed)
        return noisy.clamp(0.0, 1.0) if clip else noisy

    def std(self, images: Image) -> Tensor:
        """sigma / 255: (1, 1, 1, 1) of a number for images, (batch, 1, 1, 1) of one per image, else as given."""
        if not isinstance(self.sigma, Tensor):
            return images.new_full((1,) * images.ndim, noise_std(self.sigma))
        std = self.sigma.to(device=images.device).to(dtype=images.dtype) / EIGHT_BIT_RANGE
        std = std if std.ndim > 1 else per_image(std, images)
        if std.ndim != images.ndim or any(
            have not in (1, want) for have, want in zip(std.shape, images.shape, strict=True)
        ):
            raise ValueError(
                f"sigma must be {_FORMS}: for images of shape {tuple(images.shape)} ({images.shape[0]},) or what "
                f"broadcasts to it, got shape {tuple(self.sigma.shape)}."
            )
        return std


_FORMS = "a number, have one entry per image, or have the dimensions of the images and broadcast to them"


def as_noise(noise: Noise | float | Tensor) -> Noise:
    """The noise itself; white Gaussian noise of a number or a tensor sigma, in 8-bit units.

    Raises:
        ValueError: sigma is not positive and finite, see `GaussianNoise`.
    """
    return noise if isinstance(noise, Noise) else GaussianNoise(noise)


def noise_std(sigma: float) -> float:
    """Standard deviation on images in [0, 1] of noise of `sigma` in 8-bit units: sigma / 255.

    Raises:
        ValueError: sigma is not a positive finite number.
    """
    return checked_sigma(sigma) / EIGHT_BIT_RANGE


def noise_std_per_image(sigma: Noise | float | Tensor, images: Image) -> PerImage:
    """The noise standard deviation of every image, on images in [0, 1].

    Args:
        sigma: noise, or a standard deviation in 8-bit units, see `as_noise`.
        images: (batch, channels, *space); the answer has its dtype and device.

    Raises:
        ValueError: a value is not positive and finite, or there is not one per image.
    """
    noise = as_noise(sigma)
    std = noise.std(images)
    if std[0].numel() == 1:
        return std.flatten().expand(images.shape[0])
    return noise.std_per_image(images)


def add_noise(clean: Image, sigma: float, *, seed: int, clip: bool = False) -> Image:
    """`GaussianNoise(sigma).corrupt(clean, seed=seed, clip=clip)`: clean + sigma / 255 * n with n standard normal."""
    return GaussianNoise(sigma).corrupt(clean, seed=seed, clip=clip)
