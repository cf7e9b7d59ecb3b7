"""What a command assumes of the noise of a file, where it is more than one number: photons, bad pixels, correlation."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from difftv.colour import ChannelImage, DenoisedImage
from difftv.denoiser import Denoiser
from difftv.errors import ConfigError, DataError
from difftv.lab.cli.noise_level import given_noise, levels_told
from difftv.missing import fill_missing
from difftv.noise import GaussianNoise, Noise, NoiseFit, PoissonGaussian, estimate_noise, hot_pixels
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.noise.signal_dependent import SMALLEST_SIDE
from difftv.printing import print_safely
from difftv.progress import watched

AUTO, WHITE, ESTIMATED, PHOTONS, SHARED = "auto", "white", "poisson-gaussian", "poisson", "correlated"

HELP = (
    "auto (default): white Gaussian noise, or noise that grows with the signal where a gray image shows that; white; "
    "poisson-gaussian or poisson: gain, and sigma, are estimated; correlated: of a colour photograph, shared by "
    "neighbours; GAIN,SIGMA: as given, such as 0.01,2 (gain: "
    "intensity of one photon where white is 1; sigma: in 8-bit units)"
)

SMALLEST = 4
"""Fold reduction of an image at most."""

REDUCED_ABOVE = 0.1
"""Correlation of neighbouring noise values; white noise in photographs is estimated to have .04 at most."""

DETAIL = 5.0
"""Mean square of what half the size cannot hold, over the variance of the noise: 1 of white noise alone, 3 to 4 of
wide-field microscopy (correlated noise, no detail as fine as the pixels), 7 to 70 where an image has such detail."""


LONE = 0.5
"""Share of saturated pixels in 3x3 from which the scene is as bright as white: filled from around it, such a region of
a two-photon image (1,042 pixels) was .7 dB worse than as it is."""


@dataclass(frozen=True)
class SensorNoise:
    """Noise of every channel of an image, and the pixels that count.

    Attributes:
        noises: noise of every channel, of the image reduced by `reduction`.
        known: whether a pixel counts, (channels, height, width).
        reduction: 1, 2 or 4: side of the squares whose means are denoised, because neighbours share their noise.
        words: sentence about what is assumed, for the user.
    """

    noises: tuple[Noise, ...]
    known: Bool[Tensor, "channels height width"]
    reduction: int
    words: str


def checked_noise(word: str) -> str | PoissonGaussian:
    """The value of --noise: a word, or the noise that two numbers stand for.

    Raises:
        ConfigError: neither.
    """
    return given_noise(word, AUTO, WHITE, ESTIMATED, PHOTONS, SHARED)


def sensor_noise(
    wanted: str | PoissonGaussian,
    denoiser: Denoiser,
    noisy: ChannelImage,
    path: Path,
    visible: Bool[Tensor, "height width"] | None = None,
) -> SensorNoise | None:
    """What is assumed of an image; None: white Gaussian noise, and every pixel counts.

    Lone saturated pixels (at white), hot or dead ones and those that are not finite do not count otherwise. Where
    neighbours share their noise and an image has no detail as fine as its pixels, means of 2x2 or 4x4 are denoised.

    Args:
        wanted: value of --noise, see `checked_noise`.
        denoiser: denoiser of gray images that takes the noise level.
        noisy: the image, white is 1.
        path: name of the image, for what is printed.
        visible: whether a pixel is seen; None = all are.

    Raises:
        DataError: the image is too small for an estimate, or shows no noise that grows with the signal.
        ConfigError: the model takes no such noise.
    """
    if wanted in (WHITE, SHARED):
        return None
    gray = bool(((noisy == noisy[:1]) | noisy.isnan().all(dim=0)).all())
    able = denoiser.sigma_input and denoiser.predictor.channels == 1
    if wanted == AUTO and not (able and gray and min(noisy.shape[1:]) >= SMALLEST_SIDE):
        return None
    if not able:
        raise ConfigError(
            "--noise is for models of gray images that were trained on a range of noise levels, such as gray. Take one "
            "of these, or --noise white."
        )
    lone = _lone(noisy >= 1)
    counts = noisy.isfinite() & ~lone
    if visible is not None:
        counts &= visible
    if not bool(counts.flatten(1).any(dim=1).all()):
        raise DataError("a channel has no pixel that is finite, seen and below white")
    used, known = (part[:1, None] if gray else part[:, None] for part in (noisy, counts))
    reduction, errors = 1, [""] * len(used)
    found: list[Noise] = []
    if isinstance(wanted, PoissonGaussian):
        found = [wanted] * len(used)
    else:
        try:
            reduction, fits = _fits(used, known)
        except ValueError as error:
            if wanted == AUTO:
                return None
            raise DataError(f"{error} (--noise GAIN,SIGMA)") from error
        _remark(path, fits, reduction)
        if wanted == AUTO and reduction == 1 and not fits[0].signal_dependent:
            return None
        found = [_noise(wanted, fit) for fit in fits]
        errors = [f" +- {fit.gain_error:.2g}" for fit in fits]
    hot = torch.zeros_like(known)
    if reduction == 1:
        planes = zip(used.split(1), known.split(1), found, strict=True)
        hot = torch.cat([hot_pixels(plane, noise, mask) for plane, mask, noise in planes])
    kept = (known & ~hot)[:, 0].expand(noisy.shape)
    words = "; ".join(_named(noise, error) for noise, error in zip(found, errors, strict=True))
    if reduction > 1:
        words += f" (of means of {reduction}x{reduction} pixels, as neighbours share their noise)"
    words += _filled(noisy, hot[:, 0], lone, visible)
    if wanted == AUTO:
        words += "; --noise overrules"
    return SensorNoise(tuple(found) * (len(noisy) // len(found)), kept, reduction, words)


def denoise_channels(
    denoiser: Denoiser,
    noisy: ChannelImage,
    assumed: SensorNoise,
    on_progress: Callable[[float], object] = lambda _: None,
) -> DenoisedImage:
    """Every channel by itself, through the transform that makes its noise white; what does not count is filled."""
    names = ("gray",) if len(noisy) == 1 else ("red", "green", "blue")
    denoised, lam, gap, converged = torch.empty_like(noisy), {}, 0.0, True
    for index, (name, noise) in enumerate(zip(names, assumed.noises, strict=True)):
        mask = assumed.known[index].to(device=noisy.device)[None, None]
        image, seen = _reduced(noisy[index][None, None], mask, assumed.reduction)
        weight = None if bool(seen.all()) else seen.to(dtype=noisy.dtype)
        with torch.no_grad(), watched(lambda share, before=index: on_progress(before + share)):  # type: ignore[misc]
            solution = denoiser.denoise(image, noise, weight)
        denoised[index] = enlarged(solution.denoised, noisy.shape[1:])[0, 0]
        lam[name] = enlarged(solution.lam, noisy.shape[1:])[0].clamp(min=0)
        gap, converged = max(gap, float(solution.gap)), converged and bool(solution.converged)
        on_progress(index + 1)
    return DenoisedImage(denoised, lam, gap, converged)


def _fits(images: Tensor, known: Tensor) -> tuple[int, list[NoiseFit]]:
    """The reduction, and the noise of every channel at it."""
    reduction, image, mask = 1, *_reduced(images, known, 1)
    while True:
        with levels_told():
            fits = [estimate_noise(*pair) for pair in zip(image.split(1), mask.split(1), strict=True)]
        if reduction == SMALLEST or min(image.shape[2:]) < 2 * SMALLEST_SIDE:
            return reduction, fits
        half, half_mask = _reduced(image, mask, 2)
        beyond = (image - enlarged(half, image.shape[2:])).square().mean(dim=(1, 2, 3)).tolist()
        correlated = min(fit.correlation for fit in fits) > REDUCED_ABOVE
        coarse = all(
            lost < DETAIL * _mean_variance(fit, one) for lost, fit, one in zip(beyond, fits, image, strict=True)
        )
        if not (correlated and coarse):
            return reduction, fits
        reduction, image, mask = 2 * reduction, half, half_mask


def _mean_variance(fit: NoiseFit, image: Tensor) -> float:
    noise = fit.noise or GaussianNoise(max(EIGHT_BIT_RANGE * fit.variance**0.5, 1e-6))
    return float(noise.std(image[None]).square().mean())


def _reduced(image: Tensor, known: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Means over squares of the pixels that count, and whether any does; what does not is filled."""
    filled = fill_missing(torch.where(known, image, torch.zeros_like(image)), known)
    if factor == 1:
        return filled, known
    means, share = (avg_pool2d(part, factor, ceil_mode=True) for part in (filled, known.to(dtype=image.dtype)))
    return means, share > 0


def enlarged(image: Tensor, size: tuple[int, ...]) -> Tensor:
    """The image at another size, (height, width), of which it holds means of squares."""
    if tuple(image.shape[2:]) == tuple(size):
        return image
    factor = -(-size[0] // image.shape[2])
    large = interpolate(image, scale_factor=factor, mode="bicubic", align_corners=False)
    return large[:, :, : size[0], : size[1]]


def _noise(wanted: str, fit: NoiseFit) -> Noise:
    """Noise of a fit: white where the gain is no number that is known."""
    if wanted == PHOTONS:
        if fit.noise is None:
            raise DataError("its noise does not grow with the signal: take --noise white, or give --noise GAIN,SIGMA")
        return PoissonGaussian(fit.gain, 0.0, fit.noise.black_level)
    if fit.noise is None or (wanted == AUTO and not fit.signal_dependent):
        if not fit.variance > 0:
            raise DataError("no noise was found in it: give it as --noise GAIN,SIGMA or --sigma")
        return GaussianNoise(EIGHT_BIT_RANGE * fit.variance**0.5)
    return fit.noise


def _remark(path: Path, fits: list[NoiseFit], reduction: int) -> None:
    largest = max(fit.correlation for fit in fits)
    if largest > REDUCED_ABOVE:
        at = "" if reduction == 1 else f" still in means of {reduction}x{reduction} pixels"
        print_safely(
            f"{path}: neighbouring noise values are correlated{at} ({largest:.2f}, white noise has 0): much of the "
            "noise may be left",
            error=True,
        )


def _named(noise: Noise, error: str) -> str:
    if not isinstance(noise, PoissonGaussian):
        assert isinstance(noise, GaussianNoise)
        return f"assumed white noise, sigma {float(noise.sigma):.2g}"
    black = f", black level {noise.black_level:.3g} of white" if noise.black_level else ""
    return (
        f"assumed Poisson-Gaussian noise, gain {noise.gain:.3g}{error} ({1 / noise.gain:.0f} photons at white), sigma "
        f"{noise.sigma:.2g}{black}"
    )


def _lone(saturated: Tensor) -> Tensor:
    """Saturated pixels of which most neighbours are not; among others the scene is as bright, and they count."""
    share = avg_pool2d(saturated.to(dtype=torch.float32)[:, None], 3, stride=1, padding=1, count_include_pad=False)
    return saturated & (share[:, 0] < LONE)


def _filled(noisy: ChannelImage, hot: Tensor, lone: Tensor, visible: Tensor | None) -> str:
    seen = torch.ones_like(noisy, dtype=torch.bool) if visible is None else visible.expand(noisy.shape)
    kinds = {"hot or dead": hot, "saturated": lone & seen, "not finite": ~noisy.isfinite() & seen}
    counted = [f"{int(mask.any(dim=0).sum())} {kind}" for kind, mask in kinds.items() if bool(mask.any())]
    return f"; filled: {', '.join(counted)} pixels" if counted else ""
