"""A small network with a large receptive field: dilated convolutions at full resolution (Yu and Koltun 2016)."""

from typing import final

import torch
from torch import Tensor, nn

from difftv.arguments import positive_int
from difftv.predictors.layers import Convolution, convolution, pointwise, start_for_relu, start_near_zero
from difftv.predictors.named import Named
from difftv.predictors.tiles import residual_layers_in_tiles, tiles_pay
from difftv.types import Features, Map

DILATIONS = (1, 2, 4, 8, 4, 2)
"""Dilations of the hidden layers of a block; with the first layer they cover 45 x 45 pixels."""


class RawDilated(nn.Module):
    """Residual dilated convolutions, see `Dilated`."""

    def __init__(self, in_channels: int, num_maps: int, width: int = 32, blocks: int = 1, axes: int = 2) -> None:
        super().__init__()
        positive_int("width", width)
        self.first = start_for_relu(convolution(in_channels, width, axes=axes))
        dilations = DILATIONS * positive_int("blocks", blocks)
        self.receptive_radius = 1 + sum(dilations)
        self.hidden = nn.ModuleList(
            _damped(convolution(width, width, each, axes), len(dilations)) for each in dilations
        )
        self.head = start_near_zero(pointwise(width, num_maps, axes))

    def forward(self, features: Features) -> Map:
        state: Tensor = self.first(features)
        if tiles_pay(state):
            return self.head(residual_layers_in_tiles(self.hidden, state).relu_())
        for layer in self.hidden:
            state = state + layer(torch.relu(state))
        return self.head(torch.relu(state))


@final
class Dilated(Named, network=RawDilated):
    """Six 3x3 convolutions of growing and shrinking dilation, each added to what it was given; no pooling.

    About 56,000 weights at the default width: edges stay where they are, for a twentieth of the weights of a U-Net.
    Two blocks of them cover 87 x 87 pixels. Of
    volumes the convolutions are 3x3x3, with three times the weights. The other arguments are those of `Predictor`.

    Args:
        width: channels of the hidden layers, >= 1.
        blocks: how often the six convolutions follow each other, >= 1.
    """


def _damped(layer: Convolution, layers: int) -> Convolution:
    """Smaller by the root of their number, so that their sum keeps the scale of the first (Zhang et al. 2019)."""
    start_for_relu(layer)
    with torch.no_grad():
        layer.weight.mul_(layers**-0.5)
    return layer
