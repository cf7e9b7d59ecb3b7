"""The noise of files of noisy images: as it is given, or estimated from every file within a range."""

import logging
import statistics
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from difftv.errors import DataError, NoiseLevelWarning
from difftv.lab.data.cache import CleanImages
from difftv.lab.data.crops import to_tensor
from difftv.lab.imagefiles.volumes import has_full_scale
from difftv.noise import GaussianNoise, Noise, NoiseRange, estimate_noise, estimate_white
from difftv.noise.estimate import CLIPPED, SMALLEST_SIDE
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.noise.signal_dependent import CORRELATED
from difftv.space import KINDS
from difftv.types import Image

log = logging.getLogger(__name__)

FAR_OFF = 1.25
"""Factor between a given noise level and the estimated one from which a warning says so: texture moves an estimate of
sigma 10 and more by less."""

_NAMED = 3

_PLANES = 8
"""Slices of a volume whose photon noise is estimated; the median counts."""


def noise_of_files(images: CleanImages, wanted: NoiseRange) -> tuple[Noise, ...]:
    """The noise of every image, white Gaussian or Poisson-Gaussian.

    Numbers stand for themselves, and a warning says where the images look otherwise. Where there is a range, the noise
    of every image is estimated and each argument taken as the nearest value of its range. Of a volume the median over
    slices counts; of signals nothing is estimated.

    Args:
        images: the noisy images.
        wanted: noise of the run.

    Raises:
        DataError: an image is too small or too clipped for its noise to be estimated, or its values have no full scale.
    """
    if images.axes != 2:
        _check_full_scale(images)
    if images.axes == 1:
        return (wanted.middle,) * len(images)
    return _white(images, wanted) if wanted.white else _with_photons(images, wanted)


def _check_full_scale(images: CleanImages) -> None:
    """Values that were brought to [0, 1] by their own range have noise of another level in every file."""
    if without := [path for path in images.paths if not has_full_scale(path, images.axes)]:
        raise DataError(
            f"{len(without)} of {len(images)} noisy {KINDS[images.axes]} have values without a full scale, so that "
            f"neither the noise of two files nor a given level can be compared: {_listed(without)}. Store them as "
            "integers of 8 or 16 bit without a sign, or as floats where white is 1."
        )


def _white(images: CleanImages, wanted: NoiseRange) -> tuple[Noise, ...]:
    bounds = wanted.ranges["sigma"]
    found = [
        _estimated(to_tensor(pixels, images.axes), path) for pixels, path in zip(images, images.paths, strict=True)
    ]
    _warn_of_clipped(images, [share for _, share in found])
    estimates = [level for level, _ in found]
    if not bounds.several:
        _warn_of_level(bounds.low, [level for level in estimates if level > 0])
    else:
        _warn_outside(images, wanted, [not bounds.low <= level <= bounds.high for level in estimates])
    return tuple(GaussianNoise(bounds.nearest(level)) for level in estimates)


def _with_photons(images: CleanImages, wanted: NoiseRange) -> tuple[Noise, ...]:
    noises, outside, correlated, stds = [], [], [], []
    for pixels, path in zip(images, images.paths, strict=True):
        image = to_tensor(pixels, images.axes)
        try:
            found, correlation = _photons(image)
        except ValueError as error:
            if wanted.several:
                raise DataError(f"{path}: {error}") from error
            noises.append(wanted.middle)
            outside.append(False)
            continue
        nearest = {name: each.nearest(found[name]) for name, each in wanted.ranges.items()}
        noises.append(wanted.kind(**nearest))
        outside.append(any(each.several and nearest[name] != found[name] for name, each in wanted.ranges.items()))
        correlated.append((path, correlation))
        variance = (
            found["gain"] * (float(image.mean()) - found["black_level"]) + (found["sigma"] / EIGHT_BIT_RANGE) ** 2
        )
        stds.append((float(noises[-1].std_per_image(image)[0]), max(variance, 0.0) ** 0.5))
    _warn_of_correlation(images, [path for path, correlation in correlated if correlation > CORRELATED])
    if wanted.several:
        _warn_outside(images, wanted, outside)
    elif stds:
        given, estimated = (EIGHT_BIT_RANGE * statistics.median(each) for each in zip(*stds, strict=True))
        if not given / FAR_OFF <= estimated <= given * FAR_OFF:
            log.warning(
                "%s was given, which is a standard deviation of %.1f on these images, but it is estimated at %.1f "
                "(medians): estimates of the error are wrong where the noise is. Give ranges, within which the noise "
                "of every file is estimated.",
                wanted,
                given,
                estimated,
            )
    return tuple(noises)


def _photons(image: Image) -> tuple[dict[str, float], float]:
    """Arguments of Poisson-Gaussian noise by name, medians over planes and colours; and the correlation."""
    planes = image.reshape(-1, 1, 1, *image.shape[-2:])
    step = 1 if image.ndim == 4 else -(-len(planes) // _PLANES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseLevelWarning)
        fits = [estimate_noise(plane) for plane in planes[::step]]
    values = {
        "gain": [fit.gain for fit in fits],
        "sigma": [EIGHT_BIT_RANGE * fit.variance**0.5 for fit in fits],
        "black_level": [0.0 if fit.noise is None else float(fit.noise.black_level) for fit in fits],
    }
    medians = {name: statistics.median(each) for name, each in values.items()}
    return medians, statistics.median(fit.correlation for fit in fits)


def _estimated(image: Image, path: Path) -> tuple[float, float]:
    """White noise's level in 8-bit units, and share of clipped pixels."""
    if min(image.shape[-2:]) < SMALLEST_SIDE:
        raise DataError(f"{path} has fewer than {SMALLEST_SIDE} pixels a side: its noise cannot be estimated.")
    clipped = ((image == 0) | (image == 1)).any(dim=1, keepdim=True)
    # Of noise of one level in every colour the luma, scaled to norm 1, has that level.
    luma = image.sum(dim=1, keepdim=True) / image.shape[1] ** 0.5
    planes, at_limit = (part.reshape(-1, 1, *image.shape[-2:]) for part in (luma, clipped))
    found = estimate_white(planes, at_limit)
    return float(torch.quantile(found.sigma, 0.5)), float(found.clipped.mean())


def _warn_of_clipped(images: CleanImages, shares: Sequence[float]) -> None:
    clipped = [path for path, share in zip(images.paths, shares, strict=True) if share > CLIPPED]
    if clipped:
        log.warning(
            "%d of %d noisy images have more than %.0f %% of their pixels at black or white, where noise is cut off: "
            "noise levels, and losses that trust in them, are biased there: %s",
            len(clipped),
            len(images),
            100 * CLIPPED,
            _listed(clipped),
        )


def _warn_of_correlation(images: CleanImages, correlated: Sequence[Path]) -> None:
    if correlated:
        log.warning(
            "the noise of %d of %d images is shared by neighbouring pixels: a loss that trusts in independent noise "
            "keeps it as structure: %s. Take two files per scene and the loss noise2noise.",
            len(correlated),
            len(images),
            _listed(correlated),
        )


def _warn_of_level(given: float, estimated: Sequence[float]) -> None:
    if not estimated:
        return
    typical = statistics.median(estimated)
    if not given / FAR_OFF <= typical <= given * FAR_OFF:
        log.warning(
            "sigma=%g was given, but the noise of the images is estimated at %.1f (median): estimates of the error are "
            "wrong where sigma is. Give sigma=%.3g, or a range such as sigma=[%.2g, %.2g] within which every file's "
            "level is estimated.",
            given,
            typical,
            typical,
            0.5 * min(estimated),
            2 * max(estimated),
        )


def _warn_outside(images: CleanImages, wanted: NoiseRange, outside: Sequence[bool]) -> None:
    paths = [path for path, beyond in zip(images.paths, outside, strict=True) if beyond]
    ranges = ", ".join(f"{name}=[{each.low:g}, {each.high:g}]" for name, each in wanted.ranges.items() if each.several)
    if paths:
        log.warning(
            "the noise of %d of %d images is estimated outside %s, and taken as the nearest of these: %s. Widen the "
            "range.",
            len(paths),
            len(images),
            ranges,
            _listed(paths),
        )


def _listed(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(path.name for path in paths[:_NAMED]) + more
