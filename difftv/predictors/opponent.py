"""A network for each opponent colour of an RGB image; every one sees all of them."""

from typing import final

import torch
from torch import Tensor, nn

from difftv.arguments import positive_int
from difftv.linear.opponent import MATRIX, to_opponent
from difftv.predictors.dilated import RawDilated
from difftv.predictors.named import Named
from difftv.types import Features, Map

RANGES: tuple[float, ...] = tuple(float(row) for row in abs(MATRIX).sum(axis=1))
"""Range of every opponent colour over that of R, G and B."""


class RawOpponent(nn.Module):
    """Dilated convolutions for the luma and for either chroma, see `Opponent`."""

    def __init__(
        self,
        in_channels: int,
        num_maps: int,
        sigma_input: bool,
        width: int = 64,
        blocks: int = 1,
        chroma_width: int = 32,
        chroma_blocks: int = 1,
    ) -> None:
        super().__init__()
        positive_int("chroma_width", chroma_width)
        positive_int("chroma_blocks", chroma_blocks)
        self.of_colours = in_channels - sigma_input == len(MATRIX)
        sizes = [(width, blocks)]
        if self.of_colours and num_maps % len(MATRIX) == 0:
            sizes += [(chroma_width, chroma_blocks)] * 2
        parts = [RawDilated(in_channels, num_maps // len(sizes), *size) for size in sizes]
        self.colours = nn.ModuleList(parts)
        self.receptive_radius = max(part.receptive_radius for part in parts)

    def forward(self, features: Features) -> Map:
        if self.of_colours:
            colours = to_opponent(features[:, :3] - 0.5) / features.new_tensor(RANGES).view(3, 1, 1) + 0.5
            features = torch.cat([colours, features[:, 3:]], dim=1)
        return torch.cat([part(features) for part in self.colours], dim=1)

    @torch.no_grad()
    def start_from_gray(self, gray: nn.Module) -> None:
        """Give a network of gray images to every colour whose network has its layers; the others stay.

        Such a colour then gets the maps of the gray network of its channel alone: divided by its range, around
        mid-gray, and told the noise over that range. The maps of the channel itself are larger by its range.

        Args:
            gray: network of one channel and, perhaps, its noise level, with the maps of one colour.

        Raises:
            ValueError: no colour has its layers.
        """
        given = gray.state_dict()
        started = [self._start(index, given) for index in range(len(RANGES)) if isinstance(gray, RawDilated)]
        if not any(started):
            raise ValueError(
                f"its {sum(value.numel() for value in given.values())} weights are in the layers of no colour here."
            )

    def _start(self, index: int, gray: dict[str, Tensor]) -> bool:
        """Start the network of one colour; whether it has the layers."""
        if len(self.colours) != len(RANGES):
            return False
        part, first = self.colours[index], gray["first.weight"]
        channels = torch.zeros_like(first[:, :1]).repeat(1, len(RANGES), 1, 1)
        channels[:, index] = first[:, 0]
        weights = {**gray, "first.weight": torch.cat([channels, first[:, 1:] / RANGES[index]], dim=1)}
        if {name: value.shape for name, value in weights.items()} != {
            name: value.shape for name, value in part.state_dict().items()
        }:
            return False
        part.load_state_dict(weights)
        return True


@final
class Opponent(Named, network=RawOpponent):
    """A `Dilated` for luma, red-blue and green-magenta each (`difftv.linear.opponent`), with a third of the maps.

    Every one sees all three channels: the edges of the chroma are mostly those of the luma. Most of a photograph's
    structure is in the luma, which gets the larger network. Of gray images, or where three colours do not share the
    maps evenly, it is the network of the luma for all maps. The other arguments are those of `Predictor`.

    Args:
        width: channels of the hidden layers of the luma's network, >= 1.
        blocks: how often its six convolutions follow each other, >= 1.
        chroma_width: width of either chroma's network, >= 1.
        chroma_blocks: blocks of either chroma's network, >= 1.
    """
