"""One learned scalar: the smallest predictor, and the learned counterpart of a grid search."""

from collections.abc import Sequence
from typing import final

import torch
from torch import nn

from difftv.predictors.base import INITIAL_LAM, Predictor
from difftv.types import Image, Map


@final
class Constant(Predictor):
    """The same value at every pixel of every image, one per map.

    Args:
        num_maps: channels of the map, as the regularizer names them.
        initial_lam: value before training, > 0, in [0,1]-intensity units; one number, or one per map.
    """

    def __init__(self, num_maps: int = 1, initial_lam: float | Sequence[float] = INITIAL_LAM) -> None:
        super().__init__(num_maps, initial_lam)
        self.raw = nn.Parameter(torch.zeros(self.num_maps))

    def raw_map(self, noisy: Image) -> Map:
        batch, _, height, width = noisy.shape
        return self.raw.view(1, -1, 1, 1).expand(batch, -1, height, width)
