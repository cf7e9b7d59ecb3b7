"""Fidelity: how near the denoised image is to the clean one.

Intensities are in [0, 1] by the project's vocabulary, so the data range is 1 everywhere and is no argument. Published
tables of gray images round to 8 bit first: `psnr(quantize(denoised), clean)`. State which of the two a number is.
"""

import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from difftv.metrics.contract import check_pair, diagnostic
from difftv.metrics.masks import Mask, Masks, masks_of
from difftv.noise import EIGHT_BIT_RANGE
from difftv.types import Image, PerImage

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5


def quantize(image: Image) -> Image:
    """The image as an 8-bit file would hold it: round(255 clamp(image, 0, 1)) / 255. Its gradient is zero."""
    return (image.clamp(0.0, 1.0) * EIGHT_BIT_RANGE).round() / EIGHT_BIT_RANGE


def psnr(denoised: Image, clean: Image) -> PerImage:
    """Peak signal-to-noise ratio, -10 log10(mean (denoised - clean)^2), in dB; higher is better.

    The whole image counts, no border is cut, nothing is clamped. Differentiable, except at denoised = clean.

    Args:
        denoised: (batch, 1, height, width), nominally in [0, 1].
        clean: the same shape and dtype.

    Returns:
        (batch,); +inf where the two images are equal.

    Raises:
        ValueError: a shape or a dtype does not fit.
    """
    check_pair(denoised, clean)
    return -10.0 * (denoised - clean).square().mean(dim=(1, 2, 3)).log10()


def ssim(denoised: Image, clean: Image) -> PerImage:
    """Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004), in [-1, 1]; 1 for equal images, higher is better.

    The mean over all 11x11 Gaussian windows (sigma 1.5, K1 = 0.01, K2 = 0.03, data range 1) that lie inside the image,
    as in the paper and in scikit-image. Along an axis shorter than 11 the window is the largest odd size that fits, its
    sigma shrunk in proportion. Differentiable, hence also a loss.

    Args:
        denoised: (batch, 1, height, width), nominally in [0, 1].
        clean: the same shape and dtype.

    Returns:
        (batch,).

    Raises:
        ValueError: a shape or a dtype does not fit.
    """
    check_pair(denoised, clean)
    windows = [min(SSIM_WINDOW, length - 1 + length % 2) for length in clean.shape[2:]]
    # torchmetrics takes the window's size from sigma, 2 int(3.5 sigma + 0.5) + 1: in proportion gives the odd sizes.
    sigma = [SSIM_SIGMA * window / SSIM_WINDOW for window in windows]
    _, similarity = structural_similarity_index_measure(
        denoised, clean, sigma=sigma, data_range=1.0, reduction="none", return_full_image=True
    )
    # The windows that reach past the border see a mirrored image there, which neither the paper nor scikit-image count.
    (top, left), (height, width) = (((window - 1) // 2 for window in windows), clean.shape[2:])
    return torch.as_tensor(similarity[:, :, top : height - top, left : width - left]).mean(dim=(1, 2, 3))


@diagnostic
def psnr_smooth(denoised: Image, clean: Image, *, masks: Masks | None = None) -> PerImage:
    """PSNR on the smooth part M_s of the clean image, in dB; higher is better.

    Args:
        denoised: (batch, 1, height, width), nominally in [0, 1].
        clean: the same shape and dtype.
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
    error = ((denoised - clean).square() * mask).sum(dim=(1, 2, 3))
    return -10.0 * (error / mask.sum(dim=(1, 2, 3))).log10()
