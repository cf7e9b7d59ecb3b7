"""Gain and sigma of an image, estimated from the image alone: a robust line through variances of the noise.

    variance = gain (intensity - black level) + (sigma / 255)^2

The noise is seen by a high-pass filter of norm 1 (the mixed second difference), the intensity by a mean over 5x5
pixels, which is uncorrelated with it. In each of 30 classes of intensity the variance is the mean square over the
pixels where a smoothed image is flattest, values beyond four standard deviations taken as four: a median would be too
low where photons are few (.064 for .082 on a fluorescence image). Classes above the line, which texture has raised,
count less. A line that is negative at 0 by more than its error says that no light is not 0 in the file: it crosses 0 at
the black level then, and sigma, which cannot be told apart from that, is taken as 0.
"""

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import convolve1d, gaussian_filter, minimum_filter, sobel, uniform_filter
from torch import Tensor

from difftv.errors import NoiseLevelWarning
from difftv.images import check_images, warn_outside_unit_range
from difftv.missing import fill_missing
from difftv.noise.estimate import NORMAL_MEDIAN
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.noise.poisson_gaussian import PoissonGaussian
from difftv.types import Image

SMALLEST_SIDE = 64
"""px; the 4,096 pixels give the gain to about 20 %."""

CLASSES = 30
FLATTEST = 0.2
"""Share of the pixels of a class that are taken."""

TEXTURE = 0.08
"""Share of the gain by which texture moves it: rms over ten photographs and four kinds of noise, beyond the scatter."""

FEWEST = 50
"""Pixels in a class."""

CORRELATED = 0.15
"""Excess correlation from which noise is not white enough for a model of white noise."""

NORMAL_80 = 1.2815515655446004
"""The value that |n| is below with probability .8, n standard normal."""

_SECOND = np.array([1.0, -2.0, 1.0])
_WHITE_NEIGHBOURS = -2.0 / 3.0
"""Correlation of neighbours that the filter gives white noise."""


@dataclass(frozen=True)
class NoiseFit:
    """Poisson-Gaussian noise of one image, and how well it is known.

    Attributes:
        noise: gain, sigma and black level; None where the variance does not grow with the intensity (gain <= 0).
        gain: slope of the line, on images in [0, 1]; of noise that does not grow about 0.
        gain_error: standard error of the gain.
        variance: variance at the black level, (sigma / 255)^2, >= 0.
        variance_error: standard error of that variance.
        correlation: correlation of neighbouring noise values, 0 of white noise; from 0.15 on a model of white noise
            leaves much of it.
    """

    noise: PoissonGaussian | None
    gain: float
    gain_error: float
    variance: float
    variance_error: float
    correlation: float

    @property
    def signal_dependent(self) -> bool:
        """Whether the gain is significant: three standard errors above 0."""
        return self.noise is not None and self.gain > 3 * self.gain_error


def estimate_noise(noisy: Image, known: Tensor | None = None) -> NoiseFit:
    """Poisson-Gaussian noise of one image with its uncertainty; `estimate_sigma` is for white noise.

    Args:
        noisy: (1, 1, height, width), intensities nominally in [0, 1], 64 pixels a side or more. Pixels at exactly 0 or
            1 are taken as clipped and left out.
        known: whether a pixel counts, of that shape; others are not read and may be NaN. None: all do.

    Warns:
        NoiseLevelWarning: neighbouring noise values are correlated.

    Raises:
        ValueError: another shape, values that are not finite, or too few intensities for a line.
    """
    check_images(noisy)
    if tuple(noisy.shape[:2]) != (1, 1) or min(noisy.shape[2:]) < SMALLEST_SIDE:
        raise ValueError(
            f"noisy must be one gray image (1, 1, height, width) with {SMALLEST_SIDE} pixels a side or more for gain "
            f"and sigma to be estimated, got {tuple(noisy.shape)}."
        )
    if known is None:
        warn_outside_unit_range(noisy, "estimate_noise takes", stacklevel=2)
    seen = torch.ones_like(noisy, dtype=torch.bool) if known is None else known
    image = fill_missing(noisy.detach(), seen).cpu().double().numpy()[0, 0]
    if not np.isfinite(image).all():
        raise ValueError("noisy holds values that are not finite: its noise cannot be estimated.")
    residual = convolve1d(convolve1d(image, _SECOND, axis=0), _SECOND, axis=1) / 6
    inner = (slice(3, -3),) * 2
    smooth = gaussian_filter(image, 2.0)
    usable = minimum_filter((image != 0) & (image != 1) & seen.cpu().numpy()[0, 0], 3)[inner]
    detail, mean, slope = (
        part[inner] for part in (residual, uniform_filter(image, 5), np.hypot(sobel(smooth, 0), sobel(smooth, 1)))
    )
    means, variances, counts, flat = _classes(detail, mean, slope, usable)
    if len(means) < 5:
        raise ValueError("noisy has too few unclipped pixels for gain and sigma to be estimated. Give the noise.")
    (gain, intercept), covariance = _line(means, variances, counts)
    black, variance = (-intercept / gain, 0.0) if intercept < 0 < gain else (0.0, max(intercept, 0.0))
    correlation = _correlation(detail / np.sqrt(np.maximum(gain * (mean - black) + variance, 1e-12)), flat)
    if correlation > CORRELATED:
        warnings.warn(
            f"neighbouring noise values are correlated ({correlation:.2f}, white noise has 0): a model of white noise "
            "leaves much of it in the image.",
            NoiseLevelWarning,
            stacklevel=2,
        )
    noise = PoissonGaussian(gain, EIGHT_BIT_RANGE * variance**0.5, black) if gain > 0 else None
    systematic = TEXTURE * abs(gain)
    gain_error = float((covariance[0, 0] + systematic**2) ** 0.5)
    variance_error = float((covariance[1, 1] + (systematic * np.median(means)) ** 2) ** 0.5)
    return NoiseFit(noise, gain, gain_error, variance, variance_error, correlation)


def _classes(
    detail: np.ndarray, mean: np.ndarray, slope: np.ndarray, usable: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean intensity, variance and number of pixels of every class, and which pixels were taken."""
    flat = np.zeros(usable.shape, bool)
    if not usable.any():
        return np.zeros(0), np.zeros(0), np.zeros(0), flat
    edges = np.quantile(mean[usable], np.linspace(0, 1, CLASSES + 1))
    found = []
    for low, high in pairwise(edges):
        members = usable & (mean >= low) & ((mean < high) | (high == edges[-1]))
        if members.sum() < FEWEST / FLATTEST:
            continue
        taken = members & (slope <= np.quantile(slope[members], FLATTEST))
        flat |= taken
        sizes = np.abs(detail[taken])
        most = 4 * float(np.quantile(sizes, 0.8)) / NORMAL_80
        found.append((mean[taken].mean(), float(np.square(np.minimum(sizes, most)).mean()), taken.sum()))
    means, variances, counts = (
        (np.array(part, dtype=float) for part in zip(*found, strict=True)) if found else [np.zeros(0)] * 3
    )
    return means, variances, counts, flat


def _line(means: np.ndarray, variances: np.ndarray, counts: np.ndarray) -> tuple[tuple[float, float], np.ndarray]:
    """Slope and intercept by least squares, reweighted where a class is above the line, and their covariance.

    An intercept that is negative within three standard errors is 0.
    """
    (gain, variance), covariance = _reweighted(means, variances, counts, through_zero=False)
    if -3 * covariance[1, 1] ** 0.5 < variance < 0:
        return _reweighted(means, variances, counts, through_zero=True)
    return (gain, variance), covariance


def _reweighted(
    means: np.ndarray, variances: np.ndarray, counts: np.ndarray, *, through_zero: bool
) -> tuple[tuple[float, float], np.ndarray]:
    design = np.stack([means, np.ones_like(means)], axis=1)
    trust, scale = np.ones_like(means), np.maximum(variances, 1e-12)
    for _ in range(30):
        root = np.sqrt(counts * trust) / scale
        if through_zero:
            solved = np.array([(root**2 * means * variances).sum() / (root**2 * means**2).sum(), 0.0])
        else:
            solved, *_ = np.linalg.lstsq(design * root[:, None], variances * root, rcond=None)
        scale = np.maximum(design @ solved, 0.05 * np.median(np.maximum(variances, 1e-12)))
        residual = (variances - scale) / scale * np.sqrt(counts)
        spread = np.median(np.abs(residual)) / NORMAL_MEDIAN + 1e-9
        trust = np.where(residual > 0, 1 / np.maximum(1, residual / spread) ** 2, 1.0)
    # Of a mean of squares, var / variance^2 is 2 per pixel; neighbours share their noise, by the filter nearly twice.
    inflation = max(spread**2, 3.9)
    weighted = design * (np.sqrt(counts * trust) / scale)[:, None]
    return (float(solved[0]), float(solved[1])), inflation * np.linalg.pinv(weighted.T @ weighted)


def _correlation(detail: np.ndarray, flat: np.ndarray) -> float:
    """Correlation of neighbours above that of filtered white noise, over pixels that are both flat."""
    values = np.clip(detail, -3, 3)
    sums = [
        (values[one] * values[two])[flat[one] & flat[two]]
        for one, two in (
            ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
            ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        )
    ]
    return float(np.concatenate(sums).mean() / np.square(values[flat]).mean()) - _WHITE_NEIGHBOURS
