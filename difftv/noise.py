"""Additive white Gaussian noise, and the one place where `sigma` (8-bit units) becomes `noise_std` ([0,1] units)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from difftv.arguments import noise_level, sigma_range
from difftv.types import Image, PerImage

EIGHT_BIT_RANGE = 255.0


def noise_std(sigma: float) -> float:
    """Standard deviation on images in [0, 1] of noise of `sigma` in 8-bit units: sigma / 255.

    Raises:
        ValueError: sigma is not a positive finite number.
    """
    return noise_level("sigma", sigma) / EIGHT_BIT_RANGE


def is_range(sigma: float | Sequence[float]) -> bool:
    """Whether sigma stands for a range of noise levels and not for one."""
    low, high = sigma_range(sigma)
    return low < high


def middle_of(sigma: float | Sequence[float]) -> float:
    """The level at which a run that was trained on a range is evaluated; a number itself."""
    low, high = sigma_range(sigma)
    return (low + high) / 2 if low < high else sigma  # type: ignore[return-value]  # a number where low = high


def draw_sigma(sigma: float | Sequence[float], word: int) -> float:
    """A level of the range, uniform where `word` is a uniform 64-bit integer; a number itself."""
    low, high = sigma_range(sigma)
    return low + (high - low) * (word / 2**64)


def noise_std_per_image(sigma: float | Tensor, images: Image) -> PerImage:
    """The noise standard deviation of every image, on images in [0, 1].

    Args:
        sigma: in 8-bit units, > 0: a number, or a tensor with one entry per image.
        images: (batch, 1, height, width); the answer has its dtype and device.

    Raises:
        ValueError: a value is not positive and finite, or there is not one per image.
    """
    if not isinstance(sigma, Tensor):
        return images.new_full((images.shape[0],), noise_std(sigma))
    if sigma.shape not in ((), (images.shape[0],)):
        raise ValueError(
            f"sigma must be a number or have one entry per image, shape ({images.shape[0]},), got shape "
            f"{tuple(sigma.shape)}."
        )
    if not bool(((sigma > 0) & sigma.isfinite()).all()):
        raise ValueError(f"sigma must be positive and finite for every image, in 8-bit units, got {sigma.tolist()}.")
    return (sigma.to(device=images.device).to(dtype=images.dtype) / EIGHT_BIT_RANGE).expand(images.shape[0])


def add_noise(clean: Image, sigma: float, *, seed: int, clip: bool = False) -> Image:
    """`clean + (sigma / 255) * n` with n standard normal, drawn from a generator of its own.

    Args:
        clean: (batch, 1, height, width), intensities in [0, 1].
        sigma: noise standard deviation in 8-bit units, > 0.
        seed: seed of the generator; the same seed and shape give the same n whatever sigma is, so that a sweep over
            sigma compares like with like. The global random state is neither read nor changed.
        clip: clamp the result to [0, 1]. Off by default: clipping makes the noise neither Gaussian nor zero-mean.

    Returns:
        (batch, 1, height, width), on the device and in the dtype of `clean`.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    normal = torch.randn(clean.shape, generator=generator, dtype=torch.float32, device="cpu")
    noisy = clean + noise_std(sigma) * normal.to(device=clean.device).to(dtype=clean.dtype)
    return noisy.clamp(0.0, 1.0) if clip else noisy
