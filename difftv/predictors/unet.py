"""A small U-Net (Ronneberger et al. 2015): context from coarse scales, edges from the skip connections."""

from typing import final

import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool1d, max_pool2d, max_pool3d, pad

from difftv.arguments import positive_int
from difftv.predictors.layers import convolution, pointwise, start_for_relu, start_near_zero
from difftv.predictors.named import Named
from difftv.types import Features, Map


class RawUNet(nn.Module):
    """Encoders and decoders with skip connections, see `UNet`."""

    def __init__(self, in_channels: int, num_maps: int, width: int = 32, levels: int = 2, axes: int = 2) -> None:
        super().__init__()
        positive_int("width", width)
        self._pool = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}[axes]
        widths = [width * 2**level for level in range(positive_int("levels", levels) + 1)]
        self.stride = 2**levels
        # Two convolutions at every scale down and up, and the pixels that a coarse one covers.
        self.receptive_radius = 2 * (2 * self.stride - 1) + 4 * (self.stride - 1)
        self.encoders = nn.ModuleList(
            _block(inputs, outputs, axes) for inputs, outputs in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.decoders = nn.ModuleList(
            _block(coarse + fine, fine, axes) for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = start_near_zero(pointwise(width, num_maps, axes))

    def forward(self, features: Features) -> Map:
        space = features.shape[2:]
        missing = [side for length in reversed(space) for side in (0, -length % self.stride)]
        features = pad(features, missing, mode="replicate")
        skipped = []
        for encoder in self.encoders[:-1]:
            skipped.append(encoder(features))
            features = self._pool(skipped[-1], 2)
        features = self.encoders[-1](features)
        for decoder in self.decoders:
            features = interpolate(features, scale_factor=2, mode="nearest")
            features = decoder(torch.cat([features, skipped.pop()], dim=1))
        return self.head(features)[(..., *map(slice, space))]


@final
class UNet(Named, network=RawUNet):
    """`levels` halvings of the image, `width` channels at full size and twice as many at each halving.

    Any image size: the input is extended to the next multiple of 2^levels by repeating its border, and the map is
    cropped to its size. The other arguments are those of `Predictor`.

    Args:
        width: channels at full resolution, >= 1.
        levels: number of halvings, >= 1.
    """


def _block(inputs: int, outputs: int, axes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [start_for_relu(convolution(channels, outputs, axes=axes)), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
