"""One learned scalar: the smallest predictor, and the learned counterpart of a grid search."""

from typing import final

import torch
from torch import nn

from difftv.predictors.named import Named
from difftv.types import Features, Map


class RawConstant(nn.Module):
    """The same numbers at every pixel of every image; with `sigma_input`, affine in the last channel.

    Args:
        num_maps: number of them.
        sigma_input: whether the last channel of the features is the noise level.
    """

    is_spatial = False
    axes = (1, 2, 3)

    def __init__(self, num_maps: int, sigma_input: bool = False) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(num_maps))
        self.slope = nn.Parameter(torch.zeros(num_maps)) if sigma_input else None

    def forward(self, features: Features) -> Map:
        batch, _, *space = features.shape
        shape, first = (1, -1, *[1] * len(space)), features[(slice(None), slice(-1, None), *[slice(1)] * len(space))]
        raw = self.raw.view(shape)
        if self.slope is not None:
            raw = raw + self.slope.view(shape) * first
        return raw.expand(batch, -1, *space)


@final
class Constant(Named, network=RawConstant):
    """One number per map for every pixel of every image; with `sigma_input`, one per noise level.

    The arguments are those of `Predictor` without the network.
    """
