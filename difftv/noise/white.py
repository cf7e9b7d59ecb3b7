"""Two ways from noise that differs between pixels to a problem that a model of white noise solves.

- The generalised Anscombe transform (`Anscombe`) makes Poisson-Gaussian noise white; what comes out is taken back.
- The data term is weighted by 1 / variance, and the predictor is told the standard deviation of every pixel. Its maps
  are those for an unweighted data term, lam, so that every pixel has the problem w [1/2 (u - y)^2 + lam |D u|]: a
  constant factor on w changes nothing, and noise that is the same everywhere leaves the problem of white noise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from difftv.missing import fill_missing
from difftv.noise.anscombe import Anscombe
from difftv.noise.base import Noise, of_image, weight_of
from difftv.noise.gaussian import GaussianNoise
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.noise.poisson_gaussian import SignalDependent
from difftv.space import inner
from difftv.types import Image


@final
@dataclass(frozen=True)
class WhiteNoiseImages:
    """Images as a solver and a predictor take them.

    Attributes:
        images: noisy images, or their transform in [0, 1].
        sigma: standard deviation of the noise in 8-bit units, to tell the predictor: a number, (batch,), or of the
            dimensions of the images.
        data_weight: weight of the data term, that of missing pixels included; None: 1.
        map_factor: factor of the maps that weigh a term, (batch, 1, *space); None: 1.
        restored: denoised images -> those in the units of the noisy ones.
    """

    images: Image
    sigma: float | Tensor
    data_weight: Image | None
    map_factor: Image | None
    restored: Callable[[Image], Image]


def as_white(
    noisy: Image, noise: Noise, data_weight: Image | None = None, *, stabilise: bool = True
) -> WhiteNoiseImages:
    """The problem of images whose noise is known.

    Args:
        noisy: (batch, channels, *space), intensities nominally in [0, 1].
        noise: noise of the images.
        data_weight: weight of every pixel on top of it, 0 = missing.
        stabilise: True: noise that grows with the signal is transformed; False: it is weighted.
    """
    seen = noisy if data_weight is None else fill_missing(noisy, data_weight.expand(noisy.shape) > 0)
    if isinstance(noise, SignalDependent) and stabilise:
        return _transformed(seen, noise, data_weight)
    std = noise.std_of_noisy(seen)
    own = weight_of(std, seen)
    if own is None:
        sigma = noise.sigma if isinstance(noise, GaussianNoise) else EIGHT_BIT_RANGE * noise.std_per_image(seen)
        return WhiteNoiseImages(noisy, sigma, data_weight, None, _as_it_is)
    total = own if data_weight is None else own * data_weight
    return WhiteNoiseImages(noisy, EIGHT_BIT_RANGE * std, total, own.mean(dim=1, keepdim=True), _as_it_is)


def _as_it_is(denoised: Image) -> Image:
    return denoised


def _transformed(noisy: Image, noise: SignalDependent, data_weight: Image | None) -> WhiteNoiseImages:
    """The generalised Anscombe transform of the images, brought to [0, 1]."""
    transforms = [Anscombe(of_image(noise, index)) for index in range(len(noisy))]  # type: ignore[arg-type]  # same kind
    if len(set(map(repr, transforms))) == 1:
        transforms = transforms[:1]
    parts = noisy.split(1) if len(transforms) > 1 else (noisy,)
    values = torch.cat([each.apply(part) for each, part in zip(transforms, parts, strict=True)])
    low, high = (extreme(values, dim=inner(values), keepdim=True) for extreme in (torch.amin, torch.amax))
    span = torch.where(high > low, high - low, torch.ones_like(low))

    def restored(denoised: Image) -> Image:
        own = denoised * span + low
        pieces = own.split(1) if len(transforms) > 1 else (own,)
        return torch.cat([each.inverse(piece) for each, piece in zip(transforms, pieces, strict=True)])

    return WhiteNoiseImages((values - low) / span, EIGHT_BIT_RANGE / span.flatten(), data_weight, None, restored)
