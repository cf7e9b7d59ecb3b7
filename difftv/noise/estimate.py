"""The noise level of an image, estimated from the image alone.

    sigma = median |d| / 0.6745        (Donoho and Johnstone 1994; 0.6745 is the median of |standard normal|)

with d the diagonal details of an orthonormal wavelet (Daubechies' with four taps) at the finest scale: there white
noise keeps its standard deviation, smooth parts of an image vanish, and the median takes little notice of edges. This
is scikit-image's `estimate_sigma` (which needs PyWavelets; a plain install has neither), but for two things: only
details whose pixels are all inside the image count, and none with a clipped pixel, whose noise is cut off (astronaut at
sigma 25, clipped to 8 bit, 11 % of its pixels at 0 or 255: 22.4 with them, 24.9 without). Texture as fine as the pixels
counts as noise: light noise on grass is overestimated.
"""

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from difftv.errors import NoiseLevelWarning
from difftv.images import check_images, warn_outside_unit_range
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.types import Image, PerImage

_ROOT = math.sqrt(3.0)
HIGH_PASS = tuple(tap / (4 * math.sqrt(2.0)) for tap in (-1 - _ROOT, 3 + _ROOT, _ROOT - 3, 1 - _ROOT))
"""Daubechies' high-pass filter with four taps: of norm 1, blind to constants and ramps."""

NORMAL_MEDIAN = 0.6744897501960817
"""Median of |n|, n standard normal."""

SMALLEST_SIDE = 16
"""px; the 49 details of 16x16 pixels give sigma to about 17 %."""

LEAST_UNCLIPPED = 0.02
"""Share of the details: with fewer that hold no clipped pixel, all are taken."""

CLIPPED = 0.1
"""Share of clipped pixels from which an estimate is too low: by 1 to 6 % on photographs at sigma 25 to 50."""


@dataclass(frozen=True)
class NoiseEstimate:
    """The noise of a batch of images.

    Attributes:
        sigma: standard deviation in 8-bit units, one per image; 0 where there is none.
        clipped: share of the pixels at exactly 0 or 1, one per image; from `CLIPPED` on, sigma is too low.
    """

    sigma: PerImage
    clipped: PerImage


def estimate_sigma(noisy: Image) -> PerImage:
    """The noise level of every image, for a predictor that takes it: `denoiser(noisy, sigma=estimate_sigma(noisy))`.

    Args:
        noisy: (batch, 1, height, width), intensities nominally in [0, 1], white Gaussian noise; 16 pixels a side or
            more.

    Returns:
        (batch,), standard deviation in 8-bit units; on the device and in the dtype of `noisy`, without a gradient.
        Where much of an image is clipped (at exactly 0 or 1) it is too low, which a `NoiseLevelWarning` says.

    Raises:
        ValueError: an image is too small or holds values that are not finite.
    """
    found = estimate_white(noisy)
    warn_outside_unit_range(noisy, "estimate_sigma takes", stacklevel=2)
    share = float(found.clipped.max()) if len(found.clipped) else 0.0
    if share > CLIPPED:
        warnings.warn(
            f"{share:.0%} of the pixels of an image are clipped (at 0 or 1): the estimate of its noise is too low.",
            NoiseLevelWarning,
            stacklevel=2,
        )
    return found.sigma


def estimate_white(noisy: Image, clipped: Tensor | None = None, known: Tensor | None = None) -> NoiseEstimate:
    """The same, with the share of clipped pixels.

    Args:
        noisy: as for `estimate_sigma`.
        clipped: whether a pixel is clipped, of the same shape; by default those at exactly 0 or 1.
        known: whether a pixel counts, of the same shape; by default all do. The values of others are not read.

    Raises:
        ValueError: as for `estimate_sigma`; or no 4x4 pixels of an image are all known.
    """
    check_images(noisy)
    if noisy.shape[1] != 1 or min(noisy.shape[2:]) < SMALLEST_SIDE:
        raise ValueError(
            f"noisy must be (batch, 1, height, width) with {SMALLEST_SIDE} pixels a side or more for its noise to be "
            f"estimated, got {tuple(noisy.shape)}. Give sigma."
        )
    # On the CPU: in float64, which not every accelerator has.
    images = noisy.detach().to(device="cpu").to(dtype=torch.float64)
    hidden = torch.zeros_like(images) if known is None else (~known).to(device="cpu").to(dtype=torch.float64)
    images = torch.where(hidden > 0, torch.zeros_like(images), images)
    if not bool(images.isfinite().all()):
        raise ValueError("noisy holds values that are not finite: its noise cannot be estimated.")
    at_limit = ((images == 0) | (images == 1)) if clipped is None else clipped.to(device="cpu")
    taps = images.new_tensor(HIGH_PASS)
    details = conv2d(images, torch.outer(taps, taps)[None, None], stride=2)
    at_limit = at_limit.to(dtype=torch.float64) * (1 - hidden)
    whole, seen = (max_pool2d(part, len(taps), stride=2) == 0 for part in (at_limit, hidden))
    if not bool(seen.flatten(1).any(dim=1).all()):
        raise ValueError(
            "noisy has too few known pixels for its noise to be estimated: no 4x4 that all are. Give sigma."
        )
    levels = [_level(one[counts], clear[counts]) for one, clear, counts in zip(details, whole, seen, strict=True)]
    shares = at_limit.sum(dim=(1, 2, 3)) / (1 - hidden).sum(dim=(1, 2, 3))
    return NoiseEstimate(noisy.new_tensor(levels), shares.to(dtype=noisy.dtype).to(device=noisy.device))


def _level(details: Tensor, whole: Tensor) -> float:
    if float(whole.to(dtype=details.dtype).mean()) >= LEAST_UNCLIPPED:
        details = details[whole]
    # Exact zeros are masks and flat graphics, not noise.
    details = details[details.abs() > 1e-12]
    return float(details.abs().median()) / NORMAL_MEDIAN * EIGHT_BIT_RANGE if len(details) else 0.0
