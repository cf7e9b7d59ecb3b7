"""Layers of the networks: convolutions that repeat the border, and how their weights start."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad


def convolution(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    """3x3, the size kept by repeating the border: zeros would look like a dark frame around every image."""
    return _Convolution(inputs, outputs, 3, padding=dilation, dilation=dilation, padding_mode="replicate")


class _Convolution(nn.Conv2d):
    """One whose gradient is the same every time on CUDA too, where that of torch's padding is summed in any order.

    In mixed precision its border is in the precision of its input.
    """

    def forward(self, input: Tensor) -> Tensor:
        kind = input.device.type
        if input.is_cuda:
            bordered = _bordered(input, *self.dilation)
        elif torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
            # Autocast would take the border to float32 and back, which costs as much as the convolution.
            with torch.autocast(kind, enabled=False):
                bordered = pad(input, self._reversed_padding_repeated_twice, mode="replicate")
        else:
            return super().forward(input)
        return conv2d(bordered, self.weight, self.bias, dilation=self.dilation)


def _bordered(state: Tensor, rows: int, columns: int) -> Tensor:
    """The border repeated by so many pixels on every side."""
    top, bottom = (part.expand(-1, -1, rows, -1) for part in (state[:, :, :1], state[:, :, -1:]))
    state = torch.cat([top, state, bottom], dim=2)
    left, right = (part.expand(-1, -1, -1, columns) for part in (state[..., :1], state[..., -1:]))
    return torch.cat([left, state, right], dim=3)


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
