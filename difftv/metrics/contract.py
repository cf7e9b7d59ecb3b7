"""What every metric asks of its images, and where the diagnostics are computed."""

import functools
from collections.abc import Callable, Collection
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

from difftv.space import AXES, layout, per_image
from difftv.types import Image, PerImage, Plane

P = ParamSpec("P")

ROUNDING = 1e-3
"""Relative slack of the thresholds that are whole gray levels: k/255 - (k-1)/255 is 1/255 only up to the rounding of
float32 (3e-5 of a level), and one 8-bit level must fall on the same side wherever in [0, 1] it is."""


LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""


def luma(image: Image) -> Plane:
    """The gray image that the diagnostics of an RGB image are computed on; a gray one is itself."""
    if image.shape[1] == 1:
        return image
    return (image * image.new_tensor(LUMA).view(1, 3, *[1] * (image.ndim - 2))).sum(dim=1, keepdim=True)


def check_image(name: str, image: Tensor, *, channels: tuple[int, ...] = (1,), axes: Collection[int] = AXES) -> None:
    """Refuse a tensor that is not a batch of images of that many channels, gray ones by default.

    Signals and volumes are taken as well, unless `axes` says otherwise.

    Raises:
        ValueError: with what was expected, what came and what to do.
    """
    if image.ndim - 2 not in axes or image.shape[1] not in channels or 0 in image.shape:
        shape = layout(image.ndim - 2 if image.ndim - 2 in axes else 2, " or ".join(map(str, channels)))
        raise ValueError(
            f"{name} must have shape {shape}, got {tuple(image.shape)}. "
            "At least one pixel and one image are needed; a single image goes in as image[None, None]."
        )
    if not image.is_floating_point():
        raise ValueError(
            f"{name} must be floating point with intensities in [0, 1], got {image.dtype}. Divide 8-bit images by 255."
        )


def check_pair(
    denoised: Tensor, clean: Tensor, *, channels: tuple[int, ...] = (1,), axes: Collection[int] = AXES
) -> None:
    """Refuse tensors that are not two batches of images of one shape, dtype and device.

    Raises:
        ValueError: with what was expected, what came and what to do.
    """
    check_image("denoised", denoised, channels=channels, axes=axes)
    check_image("clean", clean, channels=channels, axes=axes)
    if denoised.shape != clean.shape:
        raise ValueError(
            f"denoised and clean must have one shape, got {tuple(denoised.shape)} and {tuple(clean.shape)}. "
            "Compare each image with its own clean image."
        )
    if denoised.dtype != clean.dtype or denoised.device != clean.device:
        raise ValueError(
            f"denoised and clean must agree in dtype and device, got {denoised.dtype} on {denoised.device} and "
            f"{clean.dtype} on {clean.device}. Convert one with .to(other)."
        )


def on_cpu(image: Tensor) -> Tensor:
    """The image without its history, on the CPU in float64: device first, since an accelerator may have no float64."""
    return image.detach().to(device="cpu").to(dtype=torch.float64)


def diagnostic(
    metric: Callable[Concatenate[Image, Image, P], PerImage],
) -> Callable[Concatenate[Image, Image, P], PerImage]:
    """Let a metric be written for finite CPU float64 images, and called with any.

    The result comes back on the device and in the dtype of the images. It has no gradient. An image that holds NaN or
    infinity, in either tensor, gets NaN and does not touch the others.
    """

    @functools.wraps(metric)
    def judged(denoised: Image, clean: Image, *args: P.args, **kwargs: P.kwargs) -> PerImage:
        check_pair(denoised, clean)
        u, x = on_cpu(denoised), on_cpu(clean)
        finite = (u.isfinite() & x.isfinite()).flatten(1).all(dim=1)
        u, x = (torch.where(per_image(finite, image), image, 0.0) for image in (u, x))
        values = torch.where(finite, metric(u, x, *args, **kwargs), torch.nan)
        return values.to(dtype=denoised.dtype).to(device=denoised.device)

    return judged
