"""Maps of volumes by a network for images, which sees every slice with its neighbours as channels."""

from typing import final

import torch
from torch import Tensor, nn

from difftv.arguments import count
from difftv.predictors.dilated import RawDilated
from difftv.predictors.named import Named
from difftv.predictors.strips import in_strips
from difftv.progress import part, report
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
        # It states no receptive radius: volumes come whole, and are taken apart here.
        self.slice = RawDilated(seen, num_maps, width, blocks)

    def forward(self, features: Features) -> Map:
        places = torch.arange(features.shape[2], device=features.device)
        if torch.is_grad_enabled():
            return self._maps(features, places)
        # Without a gradient nothing is kept of a slice but its maps.
        found = []
        for at in range(len(places)):
            with part(at / len(places), (at + 1) / len(places)):
                found.append(self._maps(features, places[at : at + 1]))
            report((at + 1) / len(places))
        return torch.cat(found, dim=2)

    def _maps(self, features: Features, places: Tensor) -> Tensor:
        """(batch, maps, slices, height, width): the maps of some slices, by number."""
        # The noise level is one number for all slices; past the ends of the volume the last slice is repeated.
        images, levels = features.split([features.shape[1] - self._levels, self._levels], dim=1)
        around = range(-self.neighbours, self.neighbours + 1)
        stack = [images.index_select(2, (places + step).clamp(0, images.shape[2] - 1)) for step in around]
        seen = torch.cat([*stack, levels.index_select(2, places)], dim=1).transpose(1, 2).flatten(0, 1)
        return in_strips(self.slice, seen).unflatten(0, (-1, len(places))).transpose(1, 2)

    @torch.no_grad()
    def start_from_images(self, network: nn.Module, shift: Tensor) -> None:
        """Take over a network of images: it sees a slice alone, and the maps across slices are means of those within.

        Args:
            network: network of gray images, with the same width and blocks.
            shift: numbers that are added to its maps, one each.

        Raises:
            ValueError: it has other layers, or maps that do not fit.
        """
        given, own = dict(network.state_dict()), self.slice.state_dict()
        theirs, ours = len(shift), len(own["head.bias"])
        if not isinstance(network, RawDilated) or 3 * theirs not in (2 * ours, 3 * ours):
            raise ValueError(f"it gives {theirs} maps by a {type(network).__name__}, and {ours} are wanted here.")
        first, channels = given["first.weight"], own["first.weight"].shape[1] - self._levels
        seen = torch.zeros_like(first[:, :1]).repeat(1, channels, 1, 1)
        seen[:, self.neighbours :: 2 * self.neighbours + 1] = first[:, :1]
        given["first.weight"] = torch.cat([seen, first[:, 1:]], dim=1)
        given["head.bias"] = given["head.bias"] + shift
        if theirs != ours:
            for name in ("head.weight", "head.bias"):
                pairs = given[name].unflatten(0, (-1, 2))
                given[name] = torch.cat([pairs.mean(dim=1, keepdim=True), pairs], dim=1).flatten(0, 1)
        if {name: value.shape for name, value in given.items()} != {name: value.shape for name, value in own.items()}:
            raise ValueError(f"its {sum(map(torch.numel, network.parameters()))} weights are not in the layers here.")
        self.slice.load_state_dict(given)


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
