"""Arrays as scikit-image takes them: dtypes, the axis of the channels, and what is refused."""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from difftv.arguments import is_integer, is_number
from difftv.errors import IntensityWarning
from difftv.space import AXES

_DEPTH_OF_IMAGES = 16
"""Bits per pixel of image files at most; wider integers hold such images without using their range."""

_COLOURS = (3, 4)
"""Entries along an axis that could be colours, the fourth for transparency."""

_LEAST_SHARE = 100
"""An image that uses less than this part of the range of its dtype is flat at usual weights; 10 bit in 16 use more."""


def refuse_masked(name: str, values: object) -> None:
    """Refuse an array with masked elements, which NumPy's functions would take for numbers.

    Raises:
        ValueError: an element is masked.
    """
    if np.ma.is_masked(values):
        raise ValueError(
            f"{name} has masked elements, which cannot be left out of a solve. Fill them first: {name}.filled(value)"
            f"{' with data_weight=~image.mask' if name == 'image' else ''}."
        )


def as_array(name: str, values: Any) -> Any:
    """The array of a tensor, on the CPU; anything else as it is.

    Raises:
        ValueError: the tensor requires a gradient, which there is none of.
    """
    if not isinstance(values, Tensor):
        return values
    if values.requires_grad:
        raise ValueError(
            f"{name} requires a gradient, which denoise_tv does not compute. Take difftv.tv_denoise (anisotropic), or "
            f"for this objective Admm(IsotropicTV()); or {name}.detach()."
        )
    values = values.cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def as_float_image(image: object) -> np.ndarray:
    """The image in float32 or float64, as `skimage.util.img_as_float` scales it.

    Raises:
        TypeError: not a NumPy array of numbers.
        ValueError: complex, empty, masked, or wide integers that do not use their range.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"image must be a NumPy array or a tensor, got {type(image).__module__}.{type(image).__qualname__}. "
            "Anything else goes through numpy.asarray."
        )
    refuse_masked("image", image)
    image = np.asarray(image)
    if image.dtype.kind == "c":
        raise ValueError(
            "image is complex, which is not supported. Stack image.real and image.imag on an axis and name it as "
            'channel_axis, with channels="coupled", or take difftv.tv_denoise, which has complex images.'
        )
    if image.dtype.kind not in "fiub":
        raise TypeError(f"image must hold numbers, got dtype {image.dtype}.")
    if image.size == 0:
        raise ValueError(f"image must have at least one pixel, got shape {image.shape}.")
    if image.dtype.kind in "iu":
        return _scaled(image)
    if image.dtype.kind == "b":
        return image.astype(np.float64)
    # As in scikit-image: half precision becomes single, extended precision double.
    return image.astype(np.float32 if image.dtype.itemsize <= 4 else np.float64)


def check_finite(planes: np.ndarray, weight: np.ndarray | None) -> None:
    """Refuse values that are not finite at pixels that count; `weight` is shaped like `planes`, None = all count.

    Raises:
        ValueError: there are some.
    """
    if not np.isfinite(planes if weight is None else planes[weight > 0]).all():
        raise ValueError(
            "image holds NaN or infinity. Give these pixels the weight 0, data_weight=numpy.isfinite(image), and they "
            "are filled by the solve; or replace them first, e.g. with numpy.nan_to_num."
        )


def spatial_first(
    image: np.ndarray, channel_axis: int | None, *, spaced: bool = False
) -> tuple[np.ndarray, int | None]:
    """The channels of an image as (channels, *space), and their axis counted from the front (None: gray).

    Every axis but that of the channels is one of space, as in scikit-image.

    Args:
        image: array of one to three axes of space.
        channel_axis: axis of the channels; None: there are none.
        spaced: whether a spacing is given, which says that all others are axes of space.

    Raises:
        TypeError: channel_axis is no integer.
        ValueError: more axes than a volume has, none with that number, or three of which one seems to hold colours.
    """
    if channel_axis is None:
        if image.ndim not in AXES:
            raise ValueError(
                f"image must have one to three axes of space, got {image.shape}. Channels go in as channel_axis."
            )
        if image.ndim == 3 and not spaced and _may_be_colour(image.shape):
            axis = _likely(image)
            raise ValueError(
                f"image of shape {image.shape} could be a volume of {image.shape[axis]} planes or a colour image. "
                f"Channels are named, channel_axis={axis}; a volume is given with its spacing, e.g. spacing=1."
            )
        return image[None], None
    if not is_integer(channel_axis):
        raise TypeError(f"channel_axis must be an integer or None, got {channel_axis!r}.")
    axes = image.ndim - 1
    if axes not in AXES:
        raise ValueError(
            f"image must have one to three axes of space and the channels of channel_axis={channel_axis}; got shape "
            f"{image.shape}. An array without channels has channel_axis=None."
        )
    if not -image.ndim <= channel_axis < image.ndim:
        raise ValueError(
            f"channel_axis must be from {-image.ndim} to {axes} for an array of {image.ndim} axes, got {channel_axis}."
        )
    axis = int(channel_axis) % image.ndim
    return np.moveaxis(image, axis, 0), axis


def over_image(
    name: str, weight: object, planes: np.ndarray, axis: int | None, direction: str = "larger = smoother"
) -> np.ndarray:
    """A weight at every pixel of every channel, (channels, *space) in float64.

    Args:
        name: name of the weight, for the messages.
        weight: a number, or an array that broadcasts to the space or, with an axis of channels, to the image.
        planes: (channels, *space).
        axis: axis of the channels in the image, None for a gray image.
        direction: direction of its effect, for the messages.

    Raises:
        TypeError: not made of numbers.
        ValueError: a shape that does not fit, or a value that is negative, infinite, NaN or masked.
    """
    if not is_number(weight) and not isinstance(weight, np.number | np.ndarray):
        raise TypeError(
            f"{name} must be a number or a NumPy array (a list holds one per map), "
            f"got {type(weight).__module__}.{type(weight).__qualname__}."
        )
    refuse_masked(name, weight)
    values = np.asarray(weight)
    if values.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold numbers, got dtype {values.dtype}.")
    values = values.astype(np.float64)
    if values.size and not (np.isfinite(values).all() and (values >= 0).all()):
        worst = values[~(np.isfinite(values) & (values >= 0))].flat[0]
        raise ValueError(f"{name} must be finite and >= 0 everywhere ({direction}), got {worst:g}.")
    whole = planes.shape[1:] if axis is None else tuple(np.moveaxis(planes, 0, axis).shape)
    axes = planes.ndim - 1
    if axis is not None and 0 < values.ndim < axes:
        raise ValueError(
            f"{name} of shape {values.shape} could mean columns or channels. One weight per channel has {axes + 1} "
            f"axes, with channel_axis={axis} {tuple(len(planes) if place == axis else 1 for place in range(axes + 1))}."
        )
    target = planes.shape[1:] if values.ndim <= axes else whole
    try:
        full = np.broadcast_to(values, target)
    except ValueError:
        channels = "" if axis is None else f" or, with the axis of the channels, to {whole}"
        raise ValueError(
            f"{name} must be a number or broadcast to {planes.shape[1:]}{channels}; got shape {values.shape}."
        ) from None
    return (
        np.moveaxis(full, axis, 0)
        if full.ndim == planes.ndim and axis is not None
        else np.broadcast_to(full, planes.shape)
    )


def _scaled(image: np.ndarray) -> np.ndarray:
    limits, low, high = np.iinfo(image.dtype), int(image.min()), int(image.max())
    if (high - low) * _LEAST_SHARE < limits.max and (high > low or limits.bits > _DEPTH_OF_IMAGES):
        found = (
            f"image is {image.dtype} with values from {low} to {high}, which scaling by the range of its dtype "
            f"(to [{max(low / limits.max, -1.0):.2g}, {high / limits.max:.2g}])"
        )
        if limits.bits > _DEPTH_OF_IMAGES:
            raise ValueError(
                f"{found} would turn into an image of no contrast. Divide it by its white level, or keep its units "
                "with image.astype(float): weight is in these units then."
            )
        warnings.warn(
            f"{found} turns into an image of little contrast, as in scikit-image. For other units divide it by its "
            "white level, or take image.astype(float).",
            IntensityWarning,
            stacklevel=4,
        )
    return np.maximum(image.astype(np.float64) / limits.max, -1.0)


def _may_be_colour(shape: tuple[int, ...]) -> bool:
    """Whether one of three axes has as many entries as colours, and the others at least twice as many."""
    shortest, middle, _ = sorted(shape)
    return shortest in _COLOURS and middle >= 2 * shortest


def _likely(image: np.ndarray) -> int:
    """Which axis of three the channels would be on: the shortest one, the last of equal ones."""
    return -1 if image.shape[2] <= min(image.shape) else int(np.argmin(image.shape))
