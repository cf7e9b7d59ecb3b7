"""What an image tensor has to be, for every entrance that is given one."""

import warnings

import torch
from torch import Tensor

from difftv.errors import IntensityWarning
from difftv.space import layout

LARGEST_UNIT_VALUE = 10.0
"""No image in [0, 1] gets there with noise of sigma 300 (1.2); images in [0, 255] do, unless they are black."""


def check_images(images: object, name: str = "noisy", axes: int = 2) -> None:
    """Refuse what is no batch of real images, before a network or a filter stumbles over it.

    Args:
        images: (batch, channels, *space).
        name: name of the argument, for messages.
        axes: number of axes of space.

    Raises:
        TypeError: no tensor.
        ValueError: another number of dimensions, no pixels, or not floating point.
    """
    if not isinstance(images, Tensor):
        raise TypeError(
            f"{name} must be a torch.Tensor, got {type(images).__module__}.{type(images).__qualname__}. "
            "Convert an array in [0, 1] with torch.from_numpy(array)[None, None]."
        )
    if images.ndim == 5 and axes == 2:
        raise ValueError(
            f"{name} has shape {tuple(images.shape)}, a batch of volumes, and this is for images, (batch, channels, "
            "height, width). difftv.volumes.denoise_volume applies a denoiser for images to volumes; one whose "
            "predictor has axes=3 takes them as they are."
        )
    if images.ndim != 2 + axes:
        raise ValueError(f"{name} must have shape {layout(axes)}, got {tuple(images.shape)}.")
    if 0 in images.shape[1:]:
        raise ValueError(f"{name} must have at least one pixel per image, got shape {tuple(images.shape)}.")
    if images.is_complex():
        raise ValueError(
            f"{name} must be real, got {images.dtype}. Denoise a complex image with difftv.tv_denoise, or its real and "
            "imaginary parts one by one."
        )
    if not images.is_floating_point():
        largest = "255" if images.dtype == torch.uint8 else "its white level"
        raise ValueError(
            f"{name} must be floating point with intensities in [0, 1], got {images.dtype}. Convert it with "
            f".float() / {largest}."
        )


def warn_outside_unit_range(images: Tensor, what: str, *, stacklevel: int) -> None:
    """Say where images cannot be in [0, 1], which sigma in 8-bit units and trained networks take them to be.

    Args:
        images: real images.
        what: beginning of the message, that which expects the range.
        stacklevel: frames from here to the caller's.
    """
    if images.numel() == 0:
        return
    low, high = (float(extreme) for extreme in torch.aminmax(images.detach()))
    if max(-low, high) > LARGEST_UNIT_VALUE:
        warnings.warn(
            f"{what} images with intensities in [0, 1], and these go from {low:g} to {high:g}: divide them by their "
            f"white level (255 for 8 bit, 65535 for 16 bit).",
            IntensityWarning,
            stacklevel=stacklevel + 1,
        )
