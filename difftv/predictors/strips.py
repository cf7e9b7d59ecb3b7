"""Maps of large images strip by strip: the memory of a network then grows with the strip, not with the photograph."""

import math

import torch
from torch import nn

from difftv.progress import part, report
from difftv.types import Features, Map

STRIP_PIXELS = 2**19
"""Smallest strip, in pixels of all images of a batch: 64 channels of them are 128 MiB."""


def in_strips(network: nn.Module, features: Features) -> Map:
    """`network(features)` to rounding; where no gradient is wanted, large images in overlapping horizontal strips.

    A volume is cut into slabs along its depth, and large slabs along their height.

    Args:
        network: module whose output at a pixel depends on the input up to `receptive_radius` pixels away (a number, or
            one per axis), and whose coarsest scale has `stride` rows; one that does not state the first is given the
            whole images.
        features: (batch, inputs, *space).
    """
    if getattr(network, "receptive_radius", None) is None or torch.is_grad_enabled():
        return network(features)
    return _cut(network, features, 2)


def _cut(network: nn.Module, features: Features, axis: int) -> Map:
    """Pieces along this axis, each cut along the next one where it is still large; the last axis is not cut."""
    if axis > 2 and axis >= features.ndim - 1:
        return network(features)
    stride, length = getattr(network, "stride", 1), features.shape[axis]
    overlap = -(-_radius(network, axis) // stride) * stride
    beside = features.shape[0] * math.prod(features.shape[2:]) // length
    rows = max(STRIP_PIXELS // beside // stride * stride, 2 * overlap, stride)
    if length <= rows + 2 * overlap:
        return _cut(network, features, axis + 1)
    strips = []
    for first in range(0, length, rows):
        last = min(first + rows, length)
        start = max(first - overlap, 0)
        piece = features.narrow(axis, start, min(last + overlap, length) - start)
        with part(first / length, last / length):
            found = _cut(network, piece, axis + 1)
        strips.append(found.narrow(axis, first - start, last - first).clone())
        report(last / length)
    return torch.cat(strips, dim=axis)


def _radius(network: nn.Module, axis: int) -> int:
    radius = network.receptive_radius
    return radius[axis - 2] if isinstance(radius, tuple) else int(radius)  # type: ignore[arg-type]
