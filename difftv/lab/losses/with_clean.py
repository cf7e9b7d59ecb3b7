"""Losses of the denoised and the clean images."""

import functools

import torch
from torch import Tensor, nn

from difftv.arguments import is_number, not_negative
from difftv.linear.gradient import gradient
from difftv.metrics import ssim
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.space import inner
from difftv.types import Image

# The mean squared error of rounding to 8 bit: below it an image cannot be told from a perfect one.
_ROUNDING = 1 / (12 * EIGHT_BIT_RANGE**2)


def minus_psnr(error: Image) -> Tensor:
    """10 log10 of the mean squared error of each image, (batch,), in dB, with the error of rounding to 8 bit added."""
    return 10.0 * (error.square().mean(dim=inner(error)) + _ROUNDING).log10()


def _slopes(error: Image) -> Image:
    """|D_v error| + |D_h error| at every pixel of every channel; of signals and volumes likewise."""
    return functools.reduce(torch.add, gradient(error).abs().chunk(error.ndim - 2, dim=1))


class Mse(nn.Module):
    """Mean squared error over pixels and images, in squared [0,1] units; smaller = better."""

    def forward(self, denoised: Image, clean: Image) -> Tensor:
        return (denoised - clean).square().mean()


class Psnr(nn.Module):
    """Minus the PSNR in dB, mean over the images; smaller = better.

    Every image counts by the ratio by which its error shrinks. Under `Mse` the textured images of a batch, whose
    errors are a hundred times those of flat ones, decide alone; a mean of PSNRs, which is what tables report, is served
    better by this. The error of rounding to 8 bit is added to the squared error, which bounds the gradient.
    """

    def forward(self, denoised: Image, clean: Image) -> Tensor:
        return minus_psnr(denoised - clean).mean()


class PsnrGradient(nn.Module):
    """Minus the PSNR - weight * the same measure of the differences' absolute error, in dB; smaller = better.

    The error of the differences is 10 log10 mean |D denoised - D clean|: a plateau where the clean image has a slope
    costs that slope, and every image and noise level counts by the ratio by which its errors shrink, as in `Psnr`.

    Args:
        weight: weight of the differences, >= 0, no unit; larger counts slopes more, at the cost of PSNR.

    Raises:
        ValueError: weight is negative or no number.
    """

    def __init__(self, weight: float = 0.25) -> None:
        super().__init__()
        self.weight = not_negative("weight", weight)

    def forward(self, denoised: Image, clean: Image) -> Tensor:
        error = denoised - clean
        slopes = _slopes(error).mean(dim=inner(error))
        return (minus_psnr(error) + self.weight * 10.0 * (slopes + _ROUNDING**0.5).log10()).mean()


class MseGradient(nn.Module):
    """MSE + weight * mean |D denoised - D clean|: a plateau where the clean image has a slope costs that slope.

    Args:
        weight: weight of the differences, >= 0, in [0,1]-intensity units; larger keeps more slopes, at the cost of
            PSNR.

    Raises:
        ValueError: weight is negative or no number.
    """

    def __init__(self, weight: float = 0.01) -> None:
        super().__init__()
        self.weight = not_negative("weight", weight)

    def forward(self, denoised: Image, clean: Image) -> Tensor:
        error = denoised - clean
        return error.square().mean() + self.weight * _slopes(error).mean()


class MseSsim(nn.Module):
    """alpha * MSE + (1 - alpha) * (1 - SSIM): the loss of the original Diff-TV-Net, for images and volumes.

    Args:
        alpha: share of the mean squared error, in [0, 1]; smaller weighs structure more.

    Raises:
        ValueError: alpha outside [0, 1].
    """

    def __init__(self, alpha: float = 0.8) -> None:
        super().__init__()
        if not is_number(alpha) or not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be a number in [0, 1], got {alpha!r}.")
        self.alpha = float(alpha)

    def forward(self, denoised: Image, clean: Image) -> Tensor:
        mse = (denoised - clean).square().mean()
        return self.alpha * mse + (1 - self.alpha) * (1 - ssim(denoised, clean).mean())
