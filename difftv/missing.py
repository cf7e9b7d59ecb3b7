"""Pixels that are missing: what stands in their place where an algorithm needs a value everywhere."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from difftv.space import average_pool
from difftv.types import Image


def fill_missing(images: Image, known: Tensor) -> Image:
    """The images with a local mean of the known pixels at every other one, whatever stood there, NaN included.

    The mean is over the smallest aligned square (of volumes, cube) of 2, 4, 8, ... pixels a side that holds a known
    pixel of the channel.

    Args:
        images: (batch, channels, *space).
        known: booleans of that shape, true at pixels that count; others are not read.

    Returns:
        Images of the same shape, those given where nothing is missing; 0 in a channel without any known pixel.
    """
    if bool(known.all()):
        return images
    filled, size = torch.where(known, images, torch.zeros_like(images)), images.shape[2:]
    pool = average_pool(images)
    total, count, missing = filled.detach(), known.to(dtype=images.dtype), ~known
    while bool(missing.any()) and max(total.shape[2:]) > 1:
        total, count = (pool(part, 2, ceil_mode=True) for part in (total, count))
        seen = count > 0
        mean = torch.where(seen, total / torch.where(seen, count, torch.ones_like(count)), torch.zeros_like(total))
        mean, seen = (_enlarged(part, size) for part in (mean, seen.to(dtype=images.dtype)))
        here = missing & (seen > 0)
        filled, missing = torch.where(here, mean, filled), missing & ~here
    return filled


def _enlarged(blocks: Tensor, size: tuple[int, ...]) -> Tensor:
    """Every block repeated over the pixels that it stands for."""
    factor = 1
    while any(length * factor < side for length, side in zip(blocks.shape[2:], size, strict=True)):
        factor *= 2
    large = interpolate(blocks, scale_factor=factor, mode="nearest")
    for axis, side in enumerate(size, 2):
        large = large.narrow(axis, 0, side)
    return large
