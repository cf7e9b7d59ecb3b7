"""The eight symmetries of the square, and what they do to images and to the maps of a regularizer.

A map that weighs one component of a separable regularizer belongs to edges, pairs of neighbouring pixels, and is stored
at the upper left pixel of their cell. Turning an image turns its edges: vertical ones become horizontal, and where an
axis is reversed the other end of an edge is the upper or left one. The map of a filter belongs to the pixel in its
centre: where rows and columns are exchanged it becomes that of another filter. All other maps belong to pixels.
"""

import itertools
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from difftv.linear.operator import Edge
from difftv.regularizers.base import Regularizer
from difftv.types import Map

ROWS, COLUMNS = -2, -1


@final
@dataclass(frozen=True)
class Symmetry:
    """Rows and columns exchanged (or not), then some axes reversed."""

    transposed: bool
    reversed: tuple[int, ...]

    def apply(self, images: Tensor) -> Tensor:
        """The turned images; the last two axes are rows and columns."""
        return (images.mT if self.transposed else images).flip(self.reversed)

    def undo(self, maps: Map, regularizer: Regularizer) -> Tensor:
        """The maps of the images, from those of the turned images.

        Args:
            maps: (batch, num_maps, height, width) of `apply(images)`.
            regularizer: whose maps they are.

        Returns:
            The maps that give every edge and pixel the weight that it had in the turned images. Entries past the
            border, which belong to no edge, go where they do no harm.
        """
        back = maps.flip(self.reversed)
        parts = list(back.split(1, dim=1))
        for channels in _channels_of_edges(regularizer):
            for edge, channel in channels.items():
                turned = self._turned(edge)
                axes = [axis for axis in self.reversed if turned.extent(axis)]
                part = back[:, channels[turned]][:, None]
                parts[channel] = part.roll([-1] * len(axes), axes) if axes else part
        back = torch.cat(parts, dim=1)
        return back.mT if self.transposed else back

    def _turned(self, edge: Edge) -> Edge:
        if self.transposed:
            edge = replace(edge, rows=edge.columns, columns=edge.rows)
        if edge.extent(ROWS) and edge.extent(COLUMNS) and len(self.reversed) == 1:
            edge = replace(edge, rising=not edge.rising)
        return edge


SYMMETRIES = tuple(
    Symmetry(transposed, axes)
    for transposed, axes in itertools.product((False, True), ((), (COLUMNS,), (ROWS,), (ROWS, COLUMNS)))
)
"""All eight, the identity first."""


def _channels_of_edges(regularizer: Regularizer) -> list[dict[Edge, int]]:
    """Edge -> channel of the map that weighs it, for each family of maps of which every component has one."""
    return [
        dict(zip(edges, of_one, strict=True))
        for term in regularizer.terms
        for channels in (term.lam, term.gam)
        if len(channels) > 1
        # Of several channels of an image, those of one stand next to each other.
        for edges in [term.operator.of_one_channel.edges]
        for of_one in zip(*[iter(channels)] * len(edges), strict=True)
        # One that all directions share belongs to pixels.
        if len(set(of_one)) > 1
    ]
