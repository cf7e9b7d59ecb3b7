"""Gain and sigma of an image, estimated from the image alone: a robust line through variances of the noise.

    variance = gain (intensity - black level) + (sigma / 255)^2

The noise is seen by a high-pass filter of norm 1, the intensity by a mean over 5x5 pixels, which is uncorrelated with
it. In each of 30 classes of intensity the variance is the mean square over the fifth of the pixels where the image is
flattest, values beyond four standard deviations taken as four: a median would be too low where photons are few (.064
for .082 on a fluorescence image). Classes above the line, which texture has raised, count less. A line that is negative
at 0 by more than its error says that no light is not 0 in the file: it crosses 0 at the black level then, and sigma,
which cannot be told apart from that, is taken as 0.

There are two ways to see, and the one with the smaller error of the gain counts. The first filter is the mixed second
difference, and flat is where a smoothed image has little slope; noise cannot choose the pixels there. Where an image
has photons enough, the noise is seen a second time by the mixed fourth difference, in which photographs have less, and
flat is where the energy between 1 and 3 pixels is small in a window: fine texture has a slope of 0 on its crests, but
energy everywhere. Where photons are few single ones are such energy, and the choice would take the pixels that missed
them (FISH image: gain .068 for .082); of noise that neighbours share the higher filter sees less.

Weakly textured patches are chosen by their own gradients in Liu, Tanaka and Okutomi 2014, "Practical signal-dependent
noise parameter estimation from a single noisy image"; the line over intensity classes is that of Foi et al. 2008,
"Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data".
"""

import math
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

TEXTURE_SECOND = 0.03
"""The same of the second look: with it 70 % of 80 estimates are within one `gain_error`, 99 % within two."""

ENOUGH_PHOTONS = 15.0
"""Photons at the median intensity from which there is a second look."""

FEWEST = 50
"""Pixels in a class."""

CORRELATED = 0.15
"""Excess correlation from which noise is not white enough for a model of white noise."""

NORMAL_80 = 1.2815515655446004
"""The value that |n| is below with probability .8, n standard normal."""

_SECOND = np.array([1.0, -2.0, 1.0])
_FOURTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0])
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
    counts = (image != 0) & (image != 1) & seen.cpu().numpy()[0, 0]
    look = _first_look(image, counts)
    if len(look.means) < 5:
        raise ValueError("noisy has too few unclipped pixels for gain and sigma to be estimated. Give the noise.")
    line = _line(look, least=3.9)
    correlation = _correlation(look.detail / np.sqrt(np.maximum(line.at(look.mean), 1e-12)), look.flat)
    found = _fit(look, line, TEXTURE, correlation)
    if correlation < CORRELATED and line.photons(float(np.median(look.means))) > ENOUGH_PHOTONS:
        look = _second_look(image, counts)
        if len(look.means) >= 5:
            second = _fit(look, _line(look, least=13.8), TEXTURE_SECOND, correlation)
            found = min(found, second, key=lambda fit: fit.gain_error)
    if correlation > CORRELATED:
        warnings.warn(
            f"neighbouring noise values are correlated ({correlation:.2f}, white noise has 0): a model of white noise "
            "leaves much of it in the image.",
            NoiseLevelWarning,
            stacklevel=2,
        )
    return found


def _fit(look: "_Look", line: "_Line", texture: float, correlation: float) -> NoiseFit:
    """The noise of a line, whose gain texture moves by a share of it."""
    gain, variance = line.gain, line.variance
    noise = PoissonGaussian(gain, EIGHT_BIT_RANGE * variance**0.5, line.black_level) if gain > 0 else None
    systematic = texture * abs(gain)
    gain_error = float((line.covariance[0, 0] + systematic**2) ** 0.5)
    variance_error = float((line.covariance[1, 1] + (systematic * np.median(look.means)) ** 2) ** 0.5)
    return NoiseFit(noise, gain, gain_error, variance, variance_error, correlation)


@dataclass(frozen=True)
class _Look:
    """The noise of an image as a filter shows it.

    Attributes:
        detail: high-pass filtered image.
        mean: its intensity.
        flat: which pixels were taken.
        means, variances, numbers: mean intensity, variance and number of pixels of every class.
    """

    detail: np.ndarray
    mean: np.ndarray
    flat: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    numbers: np.ndarray


def _first_look(image: np.ndarray, counts: np.ndarray) -> _Look:
    smooth = gaussian_filter(image, 2.0)
    return _look(image, counts, _SECOND, np.hypot(sobel(smooth, 0), sobel(smooth, 1)))


def _second_look(image: np.ndarray, counts: np.ndarray) -> _Look:
    between = gaussian_filter(image, 1.0) - gaussian_filter(image, 3.0)
    return _look(image, counts, _FOURTH, gaussian_filter(between**2, 2.5))


def _look(image: np.ndarray, counts: np.ndarray, taps: np.ndarray, uneven: np.ndarray) -> _Look:
    """The noise that a separable filter shows at the pixels of every class that are least uneven."""
    inner = (slice(3, -3),) * 2
    filtered = convolve1d(convolve1d(image, taps, axis=0), taps, axis=1) / np.square(taps).sum()
    usable = minimum_filter(counts, len(taps))[inner]
    detail, mean, uneven = (part[inner] for part in (filtered, uniform_filter(image, 5), uneven))
    flat = np.zeros(usable.shape, bool)
    found = []
    edges = np.quantile(mean[usable], np.linspace(0, 1, CLASSES + 1)) if usable.any() else np.zeros(0)
    for low, high in pairwise(edges):
        members = usable & (mean >= low) & ((mean < high) | (high == edges[-1]))
        if members.sum() < FEWEST / FLATTEST:
            continue
        taken = members & (uneven <= np.quantile(uneven[members], FLATTEST))
        flat |= taken
        sizes = np.abs(detail[taken])
        most = 4 * float(np.quantile(sizes, 0.8)) / NORMAL_80
        found.append((mean[taken].mean(), float(np.square(np.minimum(sizes, most)).mean()), taken.sum()))
    means, variances, numbers = np.array(found, dtype=float).reshape(-1, 3).T
    return _Look(detail, mean, flat, means, variances, numbers)


@dataclass(frozen=True)
class _Line:
    """variance = gain * intensity + intercept, and the covariance of the two."""

    gain: float
    intercept: float
    covariance: np.ndarray

    @property
    def black_level(self) -> float:
        return -self.intercept / self.gain if self.intercept < 0 < self.gain else 0.0

    @property
    def variance(self) -> float:
        """Variance at the black level."""
        return max(self.intercept, 0.0)

    def at(self, intensity: np.ndarray) -> np.ndarray:
        return self.gain * (intensity - self.black_level) + self.variance

    def photons(self, intensity: float) -> float:
        """Photons of an intensity; without end where the noise does not grow with it."""
        return (intensity - self.black_level) / self.gain if self.gain > 0 else math.inf


def _line(look: _Look, least: float) -> _Line:
    """Line by least squares, reweighted where a class is above it.

    An intercept that is negative within three standard errors is 0.

    Args:
        look: classes of an image.
        least: variance of a mean of squares over variance^2 per pixel, of white noise: 2, times the sum of squared
            correlations of filtered noise, where neighbours are taken together.
    """
    found = _reweighted(look, least, through_zero=False)
    if -3 * found.covariance[1, 1] ** 0.5 < found.intercept < 0:
        return _reweighted(look, least, through_zero=True)
    return found


def _reweighted(look: _Look, least: float, *, through_zero: bool) -> _Line:
    means, variances, numbers = look.means, look.variances, look.numbers
    design = np.stack([means, np.ones_like(means)], axis=1)
    trust, scale = np.ones_like(means), np.maximum(variances, 1e-12)
    for _ in range(30):
        root = np.sqrt(numbers * trust) / scale
        if through_zero:
            solved = np.array([(root**2 * means * variances).sum() / (root**2 * means**2).sum(), 0.0])
        else:
            solved, *_ = np.linalg.lstsq(design * root[:, None], variances * root, rcond=None)
        scale = np.maximum(design @ solved, 0.05 * np.median(np.maximum(variances, 1e-12)))
        residual = (variances - scale) / scale * np.sqrt(numbers)
        spread = np.median(np.abs(residual)) / NORMAL_MEDIAN + 1e-9
        trust = np.where(residual > 0, 1 / np.maximum(1, residual / spread) ** 2, 1.0)
    weighted = design * (np.sqrt(numbers * trust) / scale)[:, None]
    covariance = max(spread**2, least) * np.linalg.pinv(weighted.T @ weighted)
    return _Line(float(solved[0]), float(solved[1]), covariance)


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
