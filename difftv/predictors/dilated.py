"""A small network that sees far: dilated convolutions at full resolution (Yu and Koltun 2016)."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from difftv.arguments import positive_int
from difftv.predictors.base import INITIAL_LAM, Predictor, convolution, start_for_relu, start_near_zero
from difftv.types import Features, Map

DILATIONS = (1, 2, 4, 8, 4, 2)
"""Of the hidden layers of a block; with the first layer they see 45 x 45 pixels."""


@final
class Dilated(Predictor):
    """Six 3x3 convolutions of growing and shrinking dilation, each added to what it was given; no pooling.

    About 56,000 weights at the default width: edges stay where they are, for a twentieth of the weights of a U-Net.
    Two blocks of them see 87 x 87 pixels.

    Args:
        num_maps: channels of the map, as the regularizer names them.
        width: channels of the hidden layers, >= 1.
        initial_lam: the (nearly constant) map before training, > 0, in [0,1]-intensity units; one number, or one
            per map.
        sigma_input: whether the noise level is an input, see `Predictor`.
        channels: of the images, see `Predictor`.
        least: that every map is larger by, see `Predictor`.
        blocks: how often the six convolutions follow each other, >= 1.
    """

    def __init__(
        self,
        num_maps: int = 1,
        width: int = 32,
        initial_lam: float | Sequence[float] = INITIAL_LAM,
        sigma_input: bool = False,
        channels: int = 1,
        least: float | Sequence[float] = 0.0,
        blocks: int = 1,
    ) -> None:
        super().__init__(num_maps, initial_lam, sigma_input, channels, least)
        positive_int("width", width)
        self.first = start_for_relu(convolution(self.inputs, width))
        self._dilations = dilations = DILATIONS * positive_int("blocks", blocks)
        self.hidden = nn.ModuleList(_damped(convolution(width, width, each), len(dilations)) for each in dilations)
        self.head = start_near_zero(nn.Conv2d(width, self.num_maps, 1))

    @property
    def reach(self) -> int:
        return 1 + sum(self._dilations)

    def raw_map(self, features: Features) -> Map:
        state: Tensor = self.first(features)
        for layer in self.hidden:
            state = state + layer(torch.relu(state))
        return self.head(torch.relu(state))


def _damped(layer: nn.Conv2d, layers: int) -> nn.Conv2d:
    """Smaller by the root of their number, so that their sum keeps the scale of the first (Zhang et al. 2019)."""
    start_for_relu(layer)
    with torch.no_grad():
        layer.weight.mul_(layers**-0.5)
    return layer
