"""A plain deep convolutional network in the manner of DnCNN (Zhang et al. 2017), predicting a map instead of noise."""

from collections.abc import Sequence
from typing import final

from torch import nn

from difftv.arguments import positive_int
from difftv.predictors.base import INITIAL_LAM, Predictor, convolution, start_for_relu, start_near_zero
from difftv.types import Features, Map


@final
class DnCnn(Predictor):
    """`depth` 3x3 convolutions of `width` channels with ReLU between them; receptive field (2 depth + 1)^2.

    DnCNN's batch normalisation is left out on purpose: its statistics depend on the other images of the batch, so that
    a map would not be a function of its own image alone.

    Args:
        num_maps: channels of the map, as the regularizer names them.
        depth: number of convolutions, >= 2 (DnCNN-S: 17).
        width: channels of the hidden layers, >= 1 (DnCNN-S: 64).
        initial_lam: the (nearly constant) map before training, > 0, in [0,1]-intensity units; one number, or one
            per map.
        sigma_input: whether the noise level is an input, see `Predictor`.
        channels: of the images, see `Predictor`.
        least: that every map is larger by, see `Predictor`.
    """

    def __init__(
        self,
        num_maps: int = 1,
        depth: int = 8,
        width: int = 32,
        initial_lam: float | Sequence[float] = INITIAL_LAM,
        sigma_input: bool = False,
        channels: int = 1,
        least: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__(num_maps, initial_lam, sigma_input, channels, least)
        positive_int("width", width)
        if positive_int("depth", depth) < 2:
            raise ValueError(f"depth must be at least 2 (an input and an output layer), got {depth}.")
        layers: list[nn.Module] = [convolution(self.inputs, width), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [convolution(width, width), nn.ReLU()]
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                start_for_relu(layer)
        self.layers = nn.Sequential(*layers, start_near_zero(convolution(width, self.num_maps)))

    @property
    def reach(self) -> int:
        return sum(isinstance(layer, nn.Conv2d) for layer in self.layers)

    def raw_map(self, features: Features) -> Map:
        return self.layers(features)
