"""Maps of large images strip by strip: the memory of a network then grows with the strip, not with the photograph."""

import torch
from torch import nn

from difftv.progress import report
from difftv.types import Features, Map

STRIP_PIXELS = 2**19
"""Smallest strip, in pixels of all images of a batch: 64 channels of them are 128 MiB."""


def in_strips(network: nn.Module, features: Features) -> Map:
    """`network(features)` to rounding; where no gradient is wanted, large images in overlapping horizontal strips.

    Args:
        network: module whose output at a pixel depends on the input up to `receptive_radius` rows away, and whose
            coarsest scale has `stride` rows; one that does not state the first is given the whole images.
        features: (batch, inputs, height, width).
    """
    radius = getattr(network, "receptive_radius", None)
    if radius is None or torch.is_grad_enabled():
        return network(features)
    stride = getattr(network, "stride", 1)
    batch, _, height, width = features.shape
    overlap = -(-radius // stride) * stride
    rows = max(STRIP_PIXELS // (batch * width) // stride * stride, 2 * overlap, stride)
    if height <= rows + 2 * overlap:
        return network(features)
    strips = []
    for first in range(0, height, rows):
        last = min(first + rows, height)
        start = max(first - overlap, 0)
        found = network(features[:, :, start : min(last + overlap, height)])
        strips.append(found[:, :, first - start : last - start].clone())
        report(last / height)
    return torch.cat(strips, dim=2)
