"""Three convolutions: the network of the original Diff-TV-Net."""

from collections.abc import Sequence
from typing import final

from torch import nn

from difftv.predictors.base import INITIAL_LAM, Predictor, convolution, start_near_zero
from difftv.types import Features, Map


@final
class Cnn(Predictor):
    """3x3 convolutions inputs-16-32-num_maps with replicate padding and ReLU between them; receptive field 7x7.

    Args:
        num_maps: channels of the map, as the regularizer names them.
        initial_lam: the (nearly constant) map before training, > 0, in [0,1]-intensity units; one number, or one
            per map.
        sigma_input: whether the noise level is an input, see `Predictor`.
        channels: of the images, see `Predictor`.
        least: that every map is larger by, see `Predictor`.
    """

    def __init__(
        self,
        num_maps: int = 1,
        initial_lam: float | Sequence[float] = INITIAL_LAM,
        sigma_input: bool = False,
        channels: int = 1,
        least: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__(num_maps, initial_lam, sigma_input, channels, least)
        self.layers = nn.Sequential(
            convolution(self.inputs, 16),
            nn.ReLU(),
            convolution(16, 32),
            nn.ReLU(),
            start_near_zero(convolution(32, self.num_maps)),
        )

    @property
    def reach(self) -> int:
        return 3

    def raw_map(self, features: Features) -> Map:
        return self.layers(features)
