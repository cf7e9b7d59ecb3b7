"""How images go on past their border, and the adjoint of it; convolutions as exact on an accelerator as on the CPU."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

SYMMETRIC, CIRCULAR = "symmetric", "circular"
"""By the mirror image, border pixels repeated (half-sample symmetric); periodically."""


def places(size: int, radius: int, boundary: str) -> Tensor:
    """Of every entry past and within the border, the pixel that stands there, (size + 2 radius,), on the CPU."""
    found = torch.arange(-radius, size + radius, device="cpu")
    if boundary == CIRCULAR:
        return found % size
    found = found % (2 * size)
    return torch.where(found < size, found, 2 * size - 1 - found)


def extended(image: Tensor, radius: int, axis: int, boundary: str) -> Tensor:
    """The image with `radius` more entries on either side along the axis, -2 or -1."""
    size = image.shape[axis]
    if size < radius:
        return image.index_select(axis, places(size, radius, boundary).to(image.device))
    low, high = image.narrow(axis, 0, radius), image.narrow(axis, size - radius, radius)
    before, after = (high, low) if boundary == CIRCULAR else (low.flip(axis), high.flip(axis))
    return torch.cat([before, image, after], dim=axis)


def folded(image: Tensor, radius: int, axis: int, boundary: str) -> Tensor:
    """The adjoint of `extended`: what stands past the border is added to the pixels that it came from."""
    size = image.shape[axis] - 2 * radius
    inner = image.narrow(axis, radius, size)
    if size < 2 * radius:
        found = torch.zeros_like(inner, memory_format=torch.contiguous_format)
        return found.index_add(image.ndim + axis, places(size, radius, boundary).to(image.device), image)
    low, high = image.narrow(axis, 0, radius), image.narrow(axis, radius + size, radius)
    first, last = (high, low) if boundary == CIRCULAR else (low.flip(axis), high.flip(axis))
    return torch.cat(
        [
            inner.narrow(axis, 0, radius) + first,
            inner.narrow(axis, radius, size - 2 * radius),
            inner.narrow(axis, size - radius, radius) + last,
        ],
        dim=axis,
    )


@contextlib.contextmanager
def full_precision(like: Tensor) -> Iterator[None]:
    """Within the block convolutions on CUDA are those of float32, and not of TF32, whose mantissa has 10 bits."""
    if like.device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False):
        yield
