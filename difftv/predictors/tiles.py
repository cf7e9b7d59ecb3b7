"""Residual convolutions of large images in tiles, so that what a layer reads and writes stays in the cache of a CPU.

Two arrays of the size of the image take turns, and no other is allocated: fresh memory of this size costs a page fault
per 4 KiB, which takes as long as a fifth of the layer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

LARGE = 2**17
"""Pixels from which tiles pay: 64 channels of them are 32 MiB, more than caches hold and than the allocator keeps."""

TILE = 64, 256
"""Rows and columns of a tile. Smaller ones take as long on one thread, and keep several waiting for each other."""


def tiles_pay(state: Tensor) -> bool:
    """Whether layers take this input in tiles: a large image on a CPU, and no gradient wanted."""
    large = state.ndim == 4 and state.shape[2] * state.shape[3] >= LARGE
    return large and state.device.type == "cpu" and not (torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"))


def residual_layers_in_tiles(layers: nn.ModuleList, state: Tensor) -> Tensor:
    """state + layer(relu(state)), layer by layer, to rounding. `state` is overwritten.

    Args:
        layers: convolutions of as many channels in as out, of stride 1, that keep the size by repeating the border.
        state: (batch, channels, height, width).
    """
    spare = torch.empty_like(state)
    for layer in layers:
        _step(layer, state, spare)
        state, spare = spare, state
    return state


def _step(layer: Any, state: Tensor, found: Tensor) -> None:
    """Write state + layer(relu(state)) to `found`."""
    overlaps = [dilation * (size // 2) for dilation, size in zip(layer.dilation, layer.kernel_size, strict=True)]
    whole = [
        min(tile, length) + 2 * overlap for tile, length, overlap in zip(TILE, state.shape[2:], overlaps, strict=True)
    ]
    bordered = state.new_empty((*state.shape[:2], *whole))
    for rows, seen_rows, put_rows in _parts(state.shape[2], TILE[0], overlaps[0]):
        for columns, seen_columns, put_columns in _parts(state.shape[3], TILE[1], overlaps[1]):
            height, width = (part.stop - part.start for part in (rows, columns))
            tile = bordered[:, :, : height + 2 * overlaps[0], : width + 2 * overlaps[1]]
            inside = tile[:, :, put_rows, put_columns]
            torch.clamp_min(state[:, :, seen_rows, seen_columns], 0.0, out=inside)
            _repeat_border(tile, put_rows, 2)
            _repeat_border(tile, put_columns, 3)
            change = conv2d(tile, layer.weight, layer.bias, dilation=layer.dilation)
            torch.add(state[:, :, rows, columns], change, out=found[:, :, rows, columns])


def _repeat_border(tile: Tensor, inside: slice, axis: int) -> None:
    """Fill what lies outside the image, before and behind `inside`, with its first and its last pixels."""
    before, behind = inside.start, tile.shape[axis] - inside.stop
    if before:
        tile.narrow(axis, 0, before).copy_(tile.narrow(axis, inside.start, 1))
    if behind:
        tile.narrow(axis, inside.stop, behind).copy_(tile.narrow(axis, inside.stop - 1, 1))


def _parts(length: int, part: int, overlap: int) -> Iterator[tuple[slice, slice, slice]]:
    """Every part of an axis, the part with its neighbours in the image, and where these lie in the bordered part."""
    for first in range(0, length, part):
        last = min(first + part, length)
        start, end = max(first - overlap, 0), min(last + overlap, length)
        offset = start - first + overlap
        yield slice(first, last), slice(start, end), slice(offset, offset + end - start)
