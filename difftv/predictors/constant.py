"""One learned scalar: the smallest predictor, and the learned counterpart of a grid search."""

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from torch import nn

from difftv.predictors.base import INITIAL_LAM, Predictor
from difftv.types import Features, Map


@final
class Constant(Predictor):
    """The same value at every pixel of every image, one per map; with `sigma_input`, one per noise level.

    Args:
        num_maps: channels of the map, as the regularizer names them.
        initial_lam: value before training, > 0, in [0,1]-intensity units; one number, or one per map.
        sigma_input: whether the noise level is an input; the raw value is then affine in it.
        channels: of the images, see `Predictor`.
        least: that every map is larger by, see `Predictor`.
    """

    varies: ClassVar[bool] = False

    def __init__(
        self,
        num_maps: int = 1,
        initial_lam: float | Sequence[float] = INITIAL_LAM,
        sigma_input: bool = False,
        channels: int = 1,
        least: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__(num_maps, initial_lam, sigma_input, channels, least)
        self.raw = nn.Parameter(torch.zeros(self.num_maps))
        if self.sigma_input:
            self.slope = nn.Parameter(torch.zeros(self.num_maps))

    def raw_map(self, features: Features) -> Map:
        batch, _, height, width = features.shape
        raw = self.raw.view(1, -1, 1, 1)
        if self.sigma_input:
            raw = raw + self.slope.view(1, -1, 1, 1) * features[:, -1:, :1, :1]
        return raw.expand(batch, -1, height, width)
