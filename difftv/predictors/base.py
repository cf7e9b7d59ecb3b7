"""Noisy image -> positive regularization map: the contract of every predictor."""

import abc
import math
from typing import final

import torch
from torch import nn
from torch.nn.functional import softplus

from difftv.arguments import positive, positive_int
from difftv.types import Image, Map


class Predictor(nn.Module, abc.ABC):
    """lam = softplus(raw_map(noisy) + c), with c such that a raw map of 0 gives `initial_lam`.

    A subclass writes `raw_map` and makes it start near 0; positivity is settled here, once.

    Args:
        num_maps: channels of the map, as the regularizer names them.
        initial_lam: the constant that training starts from, > 0, in [0,1]-intensity units. Starting small matters:
            where the map flattens the image its gradient is exactly zero, so a large start learns nothing.
    """

    def __init__(self, num_maps: int = 1, initial_lam: float = 0.05) -> None:
        super().__init__()
        self.num_maps = positive_int("num_maps", num_maps)
        self.initial_lam = positive("predictor.initial_lam", initial_lam)
        # The inverse of softplus, written so that neither a tiny nor a huge start overflows.
        self._offset = self.initial_lam + math.log(-math.expm1(-self.initial_lam))

    @abc.abstractmethod
    def raw_map(self, noisy: Image) -> Map:
        """Any real map, (batch, num_maps, height, width); 0 means `initial_lam`, larger means smoother."""

    @final  # type: ignore[misc]  # torch types `forward` as an attribute
    def forward(self, noisy: Image) -> Map:
        """The regularization map of every image.

        Args:
            noisy: (batch, 1, height, width), intensities nominally in [0, 1], any size.

        Returns:
            (batch, num_maps, height, width), > 0 up to underflow; larger = smoother.
        """
        return softplus(self.raw_map(noisy) + self._offset)


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """3x3, the size kept by repeating the border: zeros would look like a dark frame around every image."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")


def start_for_relu(layer: nn.Conv2d) -> nn.Conv2d:
    """Draw the weights so that activations keep their scale through many ReLUs (He et al. 2015)."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def start_near_zero(layer: nn.Conv2d, scale: float = 1e-2) -> nn.Conv2d:
    """Shrink a last convolution so that the raw map starts near 0 while gradients still reach the layers before it."""
    with torch.no_grad():
        layer.weight.mul_(scale)
        if layer.bias is not None:
            layer.bias.zero_()
    return layer
