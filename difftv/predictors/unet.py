"""A small U-Net (Ronneberger et al. 2015): context from coarse scales, edges from the skip connections."""

from collections.abc import Sequence
from typing import final

import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d, pad

from difftv.arguments import positive_int
from difftv.predictors.base import INITIAL_LAM, Predictor, convolution, start_for_relu, start_near_zero
from difftv.types import Features, Map


@final
class UNet(Predictor):
    """`levels` halvings of the image, `width` channels at full size and twice as many at each halving.

    Any image size: the input is extended to the next multiple of 2^levels by repeating its border, and the map is
    cropped to its size.

    Args:
        num_maps: channels of the map, as the regularizer names them.
        width: channels at full resolution, >= 1.
        levels: number of halvings, >= 1.
        initial_lam: the (nearly constant) map before training, > 0, in [0,1]-intensity units; one number, or one
            per map.
        sigma_input: whether the noise level is an input, see `Predictor`.
        channels: of the images, see `Predictor`.
        least: that every map is larger by, see `Predictor`.
    """

    def __init__(
        self,
        num_maps: int = 1,
        width: int = 32,
        levels: int = 2,
        initial_lam: float | Sequence[float] = INITIAL_LAM,
        sigma_input: bool = False,
        channels: int = 1,
        least: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__(num_maps, initial_lam, sigma_input, channels, least)
        positive_int("width", width)
        widths = [width * 2**level for level in range(positive_int("levels", levels) + 1)]
        self.encoders = nn.ModuleList(
            _block(inputs, outputs) for inputs, outputs in zip([self.inputs, *widths[:-1]], widths, strict=True)
        )
        self.decoders = nn.ModuleList(
            _block(coarse + fine, fine) for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = start_near_zero(nn.Conv2d(width, self.num_maps, 1))

    @property
    def reach(self) -> int:
        """Of two convolutions at every scale down and up, and of the pixels that a coarse one covers."""
        coarsest = self.grain
        return 2 * (2 * coarsest - 1) + 4 * (coarsest - 1)

    @property
    def grain(self) -> int:
        return 2 ** len(self.decoders)

    def raw_map(self, features: Features) -> Map:
        height, width = features.shape[-2:]
        features = pad(features, (0, -width % self.grain, 0, -height % self.grain), mode="replicate")
        skipped = []
        for encoder in self.encoders[:-1]:
            skipped.append(encoder(features))
            features = max_pool2d(skipped[-1], 2)
        features = self.encoders[-1](features)
        for decoder in self.decoders:
            features = interpolate(features, scale_factor=2, mode="nearest")
            features = decoder(torch.cat([features, skipped.pop()], dim=1))
        return self.head(features)[..., :height, :width]


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [start_for_relu(convolution(channels, outputs)), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
