"""The generalised Anscombe transform: Poisson-Gaussian noise becomes white, with standard deviation 1.

    f(y) = 2/gain sqrt(max(gain (y - b) + 3/8 gain^2 + s^2, 0)),   s = sigma / 255,  b the black level

A denoised image is taken back by the exact unbiased inverse, the u for which E[f(y) | u] is the denoised value
(Makitalo and Foi 2013, "Optimal inversion of the generalized Anscombe transformation for Poisson-Gaussian noise"); the
algebraic inverse of f would be too dark, by a quarter of a photon.
"""

import functools
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from scipy.special import gammaln, xlogy
from torch import Tensor

from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.noise.poisson_gaussian import SignalDependent

TABLE_END = 200.0
"""Photons up to which E[f | u] is a table; above it the series in 1 / f is right to 1e-6 photons."""

_LAST_COUNT = 400
"""Photons: of a mean of 200 more come with a probability of 1e-35."""


@final
@dataclass(frozen=True)
class Anscombe:
    """The transform of one kind of noise.

    Args:
        noise: gain and sigma of the images.
    """

    noise: SignalDependent

    @property
    def _read(self) -> float:
        """Standard deviation of the Gaussian part, in photons."""
        return float(self.noise.sigma / EIGHT_BIT_RANGE / self.noise.gain)

    def apply(self, noisy: Tensor) -> Tensor:
        """f(noisy): noise of standard deviation about 1 everywhere."""
        return 2 * ((noisy - self.noise.black_level) / self.noise.gain + 0.375 + self._read**2).clamp(min=0).sqrt()

    def inverse(self, denoised: Tensor) -> Tensor:
        """The intensity u >= b whose noisy values have this mean after the transform, with a gradient."""
        values = denoised.detach().to(device="cpu").to(dtype=torch.float64).numpy()
        photons, means = _table(self._read)
        end = means[-1]
        # The series takes over where the table ends.
        far = photons[-1] + _series(np.maximum(values, end)) - _series(end)
        found = np.where(values > end, far, np.interp(values, means, photons))
        light = self.noise.gain * torch.from_numpy(found).to(dtype=denoised.dtype).to(device=denoised.device)
        if denoised.requires_grad:
            segment = np.clip(np.searchsorted(means, values) - 1, 0, len(means) - 2)
            slopes = np.where(values > end, values / 2, (np.diff(photons) / np.diff(means))[segment])
            slopes = np.where(values < means[0], 0.0, slopes)
            slope = torch.from_numpy(self.noise.gain * slopes).to(dtype=denoised.dtype).to(device=denoised.device)
            # The value as it is, with the derivative of the inverse.
            light = light + slope * (denoised - denoised.detach())
        return self.noise.black_level + light


@functools.lru_cache(maxsize=1)
def _counts_given() -> tuple[np.ndarray, np.ndarray]:
    """Photons u from 0 on, and the probability of every count given u."""
    photons = np.linspace(0, TABLE_END**0.5, 1500) ** 2
    counts, rates = np.arange(_LAST_COUNT + 1), photons[:, None]
    # Written out: scipy.stats takes a second to import.
    return photons, np.exp(xlogy(counts, rates) - rates - gammaln(counts + 1))


@functools.lru_cache(maxsize=16)
def _table(read: float) -> tuple[np.ndarray, np.ndarray]:
    """Photons u from 0 on, and E[f | u], for that standard deviation of the other noise in photons."""
    photons, probabilities = _counts_given()
    normal = np.linspace(-6, 6, 241)
    density = np.exp(-(normal**2) / 2)
    density /= density.sum()
    arguments = np.arange(_LAST_COUNT + 1)[:, None] + read * normal + 0.375 + read**2
    return photons, probabilities @ (2 * np.sqrt(np.maximum(arguments, 0)) @ density)


def _series(means: np.ndarray | float) -> np.ndarray | float:
    """Photons of a mean, up to a constant (the closed form of Makitalo and Foi)."""
    root = 1.5**0.5
    return means**2 / 4 + root / (4 * means) - 11 / (8 * means**2) + 5 * root / (8 * means**3)
