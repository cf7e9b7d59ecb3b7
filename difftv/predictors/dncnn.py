"""A plain deep convolutional network in the manner of DnCNN (Zhang et al. 2017), predicting a map instead of noise."""

from typing import final

from torch import nn

from difftv.arguments import positive_int
from difftv.predictors.layers import Convolution, convolution, start_for_relu, start_near_zero
from difftv.predictors.named import Named
from difftv.types import Features, Map


class RawDnCnn(nn.Module):
    """Convolutions of one width with ReLU between them, see `DnCnn`."""

    def __init__(self, in_channels: int, num_maps: int, depth: int = 8, width: int = 32, axes: int = 2) -> None:
        super().__init__()
        positive_int("width", width)
        if positive_int("depth", depth) < 2:
            raise ValueError(f"depth must be at least 2 (an input and an output layer), got {depth}.")
        self.receptive_radius = depth
        layers: list[nn.Module] = [convolution(in_channels, width, axes=axes), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [convolution(width, width, axes=axes), nn.ReLU()]
        for layer in layers:
            if isinstance(layer, Convolution):
                start_for_relu(layer)
        self.layers = nn.Sequential(*layers, start_near_zero(convolution(width, num_maps, axes=axes)))

    def forward(self, features: Features) -> Map:
        return self.layers(features)


@final
class DnCnn(Named, network=RawDnCnn):
    """`depth` 3x3 convolutions of `width` channels with ReLU between them; receptive field (2 depth + 1)^2.

    DnCNN's batch normalisation is left out on purpose: its statistics depend on the other images of the batch, so that
    a map would not be a function of its own image alone. The other arguments are those of `Predictor`.

    Args:
        depth: number of convolutions, >= 2 (DnCNN-S: 17).
        width: channels of the hidden layers, >= 1 (DnCNN-S: 64).
    """
