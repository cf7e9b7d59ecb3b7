"""Colour photographs whose noise neighbours share (demosaiced, resized, compressed): denoised at two scales.

A camera's pictures are interpolated from one colour per pixel, so that their noise is smooth: the finest details hold a
third of its standard deviation, and an estimate from these alone is far too low. Means of 2x2 pixels hold most of it.
They are denoised first and put in the place of what the image has at that scale, then the image itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn.functional import avg_pool2d

from difftv.colour import ChannelImage, DenoisedImage, denoise_image, estimate_image_noise, is_gray
from difftv.denoiser import Denoiser
from difftv.lab.cli.noise_level import levels_told
from difftv.lab.cli.sensor_noise import enlarged
from difftv.missing import fill_missing
from difftv.noise import estimate_noise
from difftv.noise.signal_dependent import CORRELATED, SMALLEST_SIDE

HALF, FULL = 1.5, 2.5
"""Noise level that a model of white noise is told of means of 2x2 pixels and of the image, over the estimate from those
means: the best of six pairs on pieces of five pictures of three cameras; (2, 3) costs .1 dB there."""


@dataclass(frozen=True)
class CorrelatedLevels:
    """What is known of the noise of an image.

    Attributes:
        correlation: correlation of neighbouring noise values of the luma, 0 of white noise.
        half, full: levels that the model is told of means of 2x2 pixels and of the image, in 8-bit units.
    """

    correlation: float
    half: float
    full: float

    def __str__(self) -> str:
        return (
            f"neighbouring noise values are correlated ({self.correlation:.2f}, white noise has 0): means of 2x2 "
            f"pixels are denoised for sigma {self.half:.1f}, then the image for {self.full:.1f}"
        )


def correlated_levels(
    noisy: ChannelImage, known: Tensor | None, sigma_range: tuple[float, float]
) -> CorrelatedLevels | None:
    """Levels of a colour image whose noise is correlated; None for other images, and those too small to tell.

    Args:
        noisy: (3, height, width); of gray images nothing is said.
        known: whether a pixel counts, (height, width); None = all do.
        sigma_range: levels that the model was trained for, which those that it is told are kept within.
    """
    if is_gray(noisy) or min(noisy.shape[1:]) < 2 * SMALLEST_SIDE:
        return None
    counts = None if known is None else known[None, None]
    luma = noisy.mean(dim=0)[None, None]
    with levels_told():
        try:
            correlation = estimate_noise(luma, counts).correlation
            filled = noisy[None] if counts is None else fill_missing(noisy[None], counts.expand(noisy[None].shape))
            level = float(estimate_image_noise(avg_pool2d(filled, 2)[0]).sigma)
        except ValueError:  # too few unclipped pixels, or intensities
            return None
    if correlation <= CORRELATED:
        return None
    low, high = sigma_range
    half, full = (min(max(factor * level, low), high) for factor in (HALF, FULL))
    return CorrelatedLevels(correlation, half, full)


def denoise_two_scales(
    denoiser: Denoiser,
    noisy: ChannelImage,
    levels: CorrelatedLevels,
    *,
    data_weight: Tensor | None = None,
    on_progress: Callable[[float], object] = lambda _: None,
) -> DenoisedImage:
    """The image with its means of 2x2 pixels denoised, then denoised itself; arguments as for `denoise_image`."""
    if data_weight is not None:
        noisy = fill_missing(noisy[None], data_weight.expand(noisy[None].shape) > 0)[0]
    means = avg_pool2d(noisy[None], 2, ceil_mode=True)
    coarse = denoise_image(denoiser, means[0], sigma=levels.half)
    smooth = noisy + enlarged(coarse.denoised[None] - means, noisy.shape[1:])[0]
    found = denoise_image(denoiser, smooth, sigma=levels.full, data_weight=data_weight, on_progress=on_progress)
    return replace(found, gap=max(coarse.gap, found.gap), converged=coarse.converged and found.converged)
