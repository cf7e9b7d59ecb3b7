"""Maps of volumes by a network for images, which sees every slice with its neighbours as channels."""

from typing import final

import torch
from torch import nn

from difftv.arguments import count
from difftv.predictors.dilated import RawDilated
from difftv.predictors.named import Named
from difftv.predictors.strips import in_strips
from difftv.types import Features, Map


class RawSlices(nn.Module):
    """Dilated convolutions within slices, see `Slices`."""

    axes = (3,)

    def __init__(
        self,
        in_channels: int,
        num_maps: int,
        sigma_input: bool,
        neighbours: int = 1,
        width: int = 32,
        blocks: int = 1,
    ) -> None:
        super().__init__()
        self.neighbours = count("neighbours", neighbours)
        self._levels = int(sigma_input)
        seen = (in_channels - self._levels) * (2 * neighbours + 1) + self._levels
        self.slice = RawDilated(seen, num_maps, width, blocks)
        radius = self.slice.receptive_radius
        self.receptive_radius = (neighbours, radius, radius)

    def forward(self, features: Features) -> Map:
        depth = features.shape[2]
        # The noise level is one number for all slices; past the ends of the volume the last slice is repeated.
        images, levels = features.split([features.shape[1] - self._levels, self._levels], dim=1)
        places = torch.arange(depth, device=features.device)
        around = range(-self.neighbours, self.neighbours + 1)
        stack = [images.index_select(2, (places + step).clamp(0, depth - 1)) for step in around]
        seen = torch.cat([*stack, levels], dim=1).transpose(1, 2).flatten(0, 1)
        found = in_strips(self.slice, seen) if torch.is_grad_enabled() else _one_by_one(self.slice, seen)
        return found.unflatten(0, (-1, depth)).transpose(1, 2)


@final
class Slices(Named, network=RawSlices):
    """A `Dilated` for images applied to every slice of a volume, with the slices around it as further channels.

    A fraction of the weights, the memory and the time of a network with 3x3x3 convolutions, and no isotropic voxels are
    asked for: what is learned of the distance of slices is in the channels. The other arguments are those of
    `Predictor`, with axes=3.

    Args:
        neighbours: slices seen on either side, >= 0; 0 = every slice by itself.
        width: channels of the hidden layers, >= 1.
        blocks: how often the six dilated convolutions follow each other, >= 1.
    """


def _one_by_one(network: nn.Module, slices: Features) -> Map:
    """Without a gradient nothing is kept of a slice but its maps."""
    return torch.cat([in_strips(network, one) for one in slices.split(1)])
