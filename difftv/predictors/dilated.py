"""A small network with a large receptive field: dilated convolutions at full resolution (Yu and Koltun 2016)."""

from typing import final

import torch
from torch import Tensor, nn

from difftv.arguments import positive_int
from difftv.predictors.layers import convolution, start_for_relu, start_near_zero
from difftv.predictors.named import Named
from difftv.types import Features, Map

DILATIONS = (1, 2, 4, 8, 4, 2)
"""Dilations of the hidden layers of a block; with the first layer they cover 45 x 45 pixels."""


class RawDilated(nn.Module):
    """Residual dilated convolutions, see `Dilated`."""

    def __init__(self, in_channels: int, num_maps: int, width: int = 32, blocks: int = 1) -> None:
        super().__init__()
        positive_int("width", width)
        self.first = start_for_relu(convolution(in_channels, width))
        dilations = DILATIONS * positive_int("blocks", blocks)
        self.receptive_radius = 1 + sum(dilations)
        self.hidden = nn.ModuleList(_damped(convolution(width, width, each), len(dilations)) for each in dilations)
        self.head = start_near_zero(nn.Conv2d(width, num_maps, 1))

    def forward(self, features: Features) -> Map:
        state: Tensor = self.first(features)
        for layer in self.hidden:
            state = state + layer(torch.relu(state))
        return self.head(torch.relu(state))

    @torch.no_grad()
    def start_from_gray(self, gray: nn.Module) -> None:
        """Start from a network of gray images: it sees the mean of R, G and B, and every colour gets its maps.

        The noise of the mean of three colours is theirs over the root of three.

        Args:
            gray: network of the same layers, of one channel and, perhaps, its noise level, with a third of the maps.

        Raises:
            ValueError: it has other layers.
        """
        if not isinstance(gray, RawDilated):
            raise ValueError(f"it is a {type(gray).__name__}, and a {type(self).__name__} is to be trained.")
        weights = dict(gray.state_dict())
        first = weights["first.weight"]
        weights["first.weight"] = torch.cat([first[:, :1].expand(-1, 3, -1, -1) / 3.0, first[:, 1:] / 3.0**0.5], dim=1)
        for name in ("head.weight", "head.bias"):
            weights[name] = torch.cat([weights[name]] * 3)
        shapes, wanted = ({name: value.shape for name, value in each.items()} for each in (weights, self.state_dict()))
        if shapes != wanted:
            raise ValueError(
                f"its {sum(value.numel() for value in gray.state_dict().values())} weights are not in the layers here."
            )
        self.load_state_dict(weights)


@final
class Dilated(Named, network=RawDilated):
    """Six 3x3 convolutions of growing and shrinking dilation, each added to what it was given; no pooling.

    About 56,000 weights at the default width: edges stay where they are, for a twentieth of the weights of a U-Net.
    Two blocks of them cover 87 x 87 pixels. The other arguments are those of `Predictor`.

    Args:
        width: channels of the hidden layers, >= 1.
        blocks: how often the six convolutions follow each other, >= 1.
    """


def _damped(layer: nn.Conv2d, layers: int) -> nn.Conv2d:
    """Smaller by the root of their number, so that their sum keeps the scale of the first (Zhang et al. 2019)."""
    start_for_relu(layer)
    with torch.no_grad():
        layer.weight.mul_(layers**-0.5)
    return layer
