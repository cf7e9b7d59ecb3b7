"""Three convolutions: the network of the original Diff-TV-Net."""

from typing import final

from torch import nn

from difftv.predictors.layers import convolution, start_near_zero
from difftv.predictors.named import Named
from difftv.types import Features, Map


class RawCnn(nn.Module):
    """Three convolutions with ReLU between them, see `Cnn`."""

    receptive_radius = 3

    def __init__(self, in_channels: int, num_maps: int, axes: int = 2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(in_channels, 16, axes=axes),
            nn.ReLU(),
            convolution(16, 32, axes=axes),
            nn.ReLU(),
            start_near_zero(convolution(32, num_maps, axes=axes)),
        )

    def forward(self, features: Features) -> Map:
        return self.layers(features)


@final
class Cnn(Named, network=RawCnn):
    """3x3 convolutions of 16, 32 and num_maps channels with replicate padding and ReLU between them; 7x7 pixels.

    The arguments are those of `Predictor` without the network.
    """
