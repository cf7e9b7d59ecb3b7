"""Layers of the networks: convolutions that repeat the border, and how their weights start."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d, conv3d, pad
from torch.nn.modules.conv import _ConvNd as Convolution


def convolution(inputs: int, outputs: int, dilation: int = 1, axes: int = 2) -> Convolution:
    """3 wide along every axis, the size kept by repeating the border: zeros would look like a dark frame around every
    image."""
    return _BORDERED[axes](inputs, outputs, 3, padding=dilation, dilation=dilation, padding_mode="replicate")


def pointwise(inputs: int, outputs: int, axes: int = 2) -> Convolution:
    """A convolution of a single pixel: mixes channels."""
    return _PLAIN[axes](inputs, outputs, 1)


class _RepeatedBorder(Convolution):
    """One whose gradient is the same every time on CUDA too, where that of torch's padding is summed in any order.

    In mixed precision its border is in the precision of its input. On a CPU the channels of a pixel are then kept side
    by side (`torch.channels_last`): a training step of 64 channels takes three quarters of the time.
    """

    def forward(self, input: Tensor) -> Tensor:
        kind = input.device.type
        if input.is_cuda:
            bordered = _bordered(input, self.dilation)
        elif torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
            # Autocast would take the border to float32 and back, which costs as much as the convolution.
            with torch.autocast(kind, enabled=False):
                if kind == "cpu" and input.ndim == 4:
                    input = input.contiguous(memory_format=torch.channels_last)
                bordered = pad(input, self._reversed_padding_repeated_twice, mode="replicate")
        else:
            return super().forward(input)
        convolve = {1: conv1d, 2: conv2d, 3: conv3d}[len(self.dilation)]
        return convolve(bordered, self.weight, self.bias, dilation=self.dilation)  # type: ignore[operator]


class _Bordered1d(_RepeatedBorder, nn.Conv1d):
    pass


class _Bordered2d(_RepeatedBorder, nn.Conv2d):
    pass


class _Bordered3d(_RepeatedBorder, nn.Conv3d):
    pass


_BORDERED = {1: _Bordered1d, 2: _Bordered2d, 3: _Bordered3d}
_PLAIN = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def _bordered(state: Tensor, widths: tuple[int, ...]) -> Tensor:
    """The border repeated by so many pixels on both sides of every axis."""
    for axis, width in enumerate(widths, start=2):
        shape = [width if each == axis else -1 for each in range(state.ndim)]
        first, last = state.narrow(axis, 0, 1), state.narrow(axis, state.shape[axis] - 1, 1)
        state = torch.cat([first.expand(shape), state, last.expand(shape)], dim=axis)
    return state


def start_for_relu(layer: Convolution) -> Convolution:
    """Draw the weights so that activations keep their scale through many ReLUs (He et al. 2015)."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def start_near_zero(layer: Convolution, scale: float = 1e-2) -> Convolution:
    """Shrink a last convolution so that the raw map starts near 0 while gradients still reach the layers before it."""
    with torch.no_grad():
        layer.weight.mul_(scale)
        if layer.bias is not None:
            layer.bias.zero_()
    return layer
