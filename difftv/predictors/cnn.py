"""Three convolutions: the network of the original Diff-TV-Net."""

from collections.abc import Sequence
from typing import final

from torch import nn

from difftv.predictors.base import INITIAL_LAM, Predictor, convolution, start_near_zero
from difftv.types import Image, Map


@final
class Cnn(Predictor):
    """3x3 convolutions 1-16-32-num_maps with replicate padding and ReLU between them; receptive field 7x7.

    Args:
        num_maps: channels of the map, as the regularizer names them.
        initial_lam: the (nearly constant) map before training, > 0, in [0,1]-intensity units; one number, or one
            per map.
    """

    def __init__(self, num_maps: int = 1, initial_lam: float | Sequence[float] = INITIAL_LAM) -> None:
        super().__init__(num_maps, initial_lam)
        self.layers = nn.Sequential(
            convolution(1, 16),
            nn.ReLU(),
            convolution(16, 32),
            nn.ReLU(),
            start_near_zero(convolution(32, self.num_maps)),
        )

    def raw_map(self, noisy: Image) -> Map:
        return self.layers(noisy)
