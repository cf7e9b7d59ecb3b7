"""Maps of large images strip by strip: the memory of a network then grows with the strip, not with the photograph."""

from collections.abc import Callable

import torch

from difftv.progress import report
from difftv.types import Features, Map

STRIP_PIXELS = 2**19
"""Of all images of a batch, and at least this many: 64 channels of them are 128 MiB."""


def in_strips(network: Callable[[Features], Map], features: Features, reach: int, grain: int) -> Map:
    """`network(features)` to rounding, from overlapping horizontal strips; small images go through in one piece.

    Args:
        network: one whose output at a pixel depends on the input up to `reach` rows away.
        features: (batch, inputs, height, width).
        reach: rows, >= 0.
        grain: a strip begins at a multiple of so many rows, as the network's coarsest scale does.
    """
    batch, _, height, width = features.shape
    overlap = -(-reach // grain) * grain
    rows = max(STRIP_PIXELS // (batch * width) // grain * grain, 2 * overlap, grain)
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
