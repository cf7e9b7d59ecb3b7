"""Fidelity: how near the denoised image is to the clean one.

Intensities are in [0, 1] by the project's vocabulary, so the data range is 1 everywhere and is no argument. Published
tables of gray images round to 8 bit first: `psnr(quantize(denoised), clean)`. State which of the two a number is.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

from difftv.metrics.contract import check_pair, diagnostic
from difftv.metrics.masks import Mask, Masks, masks_of
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.space import inner
from difftv.types import Image, PerImage

GRAY_OR_RGB = (1, 3)
"""Channels of what is measured."""

SSIM_WINDOW = 11  # px
SSIM_SIGMA = 1.5  # px
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # the paper's (K1 L)^2 and (K2 L)^2 at L = 1


def quantize(image: Image) -> Image:
    """The image as an 8-bit file would hold it: round(255 clamp(image, 0, 1)) / 255. Its gradient is zero."""
    return (image.clamp(0.0, 1.0) * EIGHT_BIT_RANGE).round() / EIGHT_BIT_RANGE


def psnr(denoised: Image, clean: Image) -> PerImage:
    """Peak signal-to-noise ratio, -10 log10(mean (denoised - clean)^2), in dB; higher is better.

    The mean is over pixels and channels. The whole image counts, no border is removed, nothing is clamped.
    Differentiable, except at denoised = clean.

    Args:
        denoised: (batch, 1 or 3, *space), nominally in [0, 1].
        clean: clean image, of the same shape and dtype.

    Returns:
        (batch,); +inf where the two images are equal.

    Raises:
        ValueError: a shape or a dtype does not fit.
    """
    check_pair(denoised, clean, channels=GRAY_OR_RGB)
    return -10.0 * (denoised - clean).square().mean(dim=inner(clean)).log10()


def ssim(denoised: Image, clean: Image) -> PerImage:
    """Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004), in [-1, 1]; 1 for equal images, higher is better.

    The mean over all 11x11 Gaussian windows (sigma 1.5, K1 = 0.01, K2 = 0.03, data range 1) that are inside the image,
    as in the paper and in scikit-image. Along an axis shorter than 11 the window is the largest odd size that fits, its
    sigma shrunk in proportion. Of several channels it is the mean, and of a volume that over its slices.
    Differentiable, hence also a loss.

    Args:
        denoised: (batch, 1 or 3, height, width) or (batch, 1 or 3, depth, height, width), nominally in [0, 1].
        clean: clean image, of the same shape and dtype.

    Returns:
        (batch,).

    Raises:
        ValueError: a shape or a dtype does not fit.
    """
    check_pair(denoised, clean, channels=GRAY_OR_RGB, axes=(2, 3))
    if denoised.shape[1] > 1 or denoised.ndim == 5:
        each = ssim(*(image.reshape(-1, 1, *image.shape[-2:]) for image in (denoised, clean)))
        return each.reshape(len(denoised), -1).mean(dim=1)
    # Of the mean-free images: variances are then no small difference of large numbers.
    level = clean.mean(dim=(2, 3), keepdim=True)
    u, x = denoised - level, clean - level
    mean_u, mean_x, square, product = _windowed(torch.cat([u, x, u * u + x * x, u * x], dim=1)).unbind(dim=1)
    variances = square - mean_u.square() - mean_x.square()
    covariance = product - mean_u * mean_x
    mean_u, mean_x = mean_u + level[:, 0], mean_x + level[:, 0]
    luminance = (2 * mean_u * mean_x + SSIM_C1) / (mean_u.square() + mean_x.square() + SSIM_C1)
    return (luminance * (2 * covariance + SSIM_C2) / (variances + SSIM_C2)).mean(dim=(1, 2))


@diagnostic
def psnr_smooth(denoised: Image, clean: Image, *, masks: Masks | None = None) -> PerImage:
    """PSNR on the smooth part M_s of the clean image, in dB; higher is better.

    Args:
        denoised: (batch, 1, *space), nominally in [0, 1].
        clean: clean image, of the same shape and dtype.
        masks: `masks_of(clean)` where it is at hand.

    Returns:
        (batch,); +inf where the two images agree on M_s, NaN where M_s is empty.
    """
    return _psnr_on((masks or masks_of(clean)).smooth, denoised, clean)


@diagnostic
def psnr_edge(denoised: Image, clean: Image, *, masks: Masks | None = None) -> PerImage:
    """`psnr_smooth` on the edges M_e of the clean image instead. NaN where it has none."""
    return _psnr_on((masks or masks_of(clean)).edge, denoised, clean)


def _psnr_on(mask: Mask, denoised: Image, clean: Image) -> PerImage:
    error = ((denoised - clean).square() * mask).sum(dim=inner(mask))
    return -10.0 * (error / mask.sum(dim=inner(mask))).log10()


def _windowed(image: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel inner_h inner_w"]:
    """Gaussian means over the windows of SSIM that are inside the image, one axis after the other."""
    channels = image.shape[1]
    for axis in (2, 3):
        length = image.shape[axis]
        window = min(SSIM_WINDOW, length - 1 + length % 2)
        place = torch.arange(window, dtype=image.dtype, device=image.device) - window // 2
        weights = torch.exp(-0.5 * (place * SSIM_WINDOW / (window * SSIM_SIGMA)).square())
        shape = (-1, 1) if axis == 2 else (1, -1)
        kernel = (weights / weights.sum()).view(1, 1, *shape).expand(channels, -1, -1, -1)
        image = conv2d(image, kernel, groups=channels)
    return image
