"""Pixels of a sensor that say nothing of the scene: isolated ones far from all their neighbours."""

import numpy as np
import torch
from scipy.ndimage import maximum_filter, median_filter, minimum_filter
from torch import Tensor

from difftv.missing import fill_missing
from difftv.noise.base import Noise
from difftv.types import Image

FROM_MEDIAN = 8.0
"""Standard deviations from the median of the eight neighbours: white noise is there once in 10^9 pixels."""

FROM_NEAREST = 5.0
"""Standard deviations beyond the nearest of them: a line or an edge has a neighbour like itself, also under noise."""

_RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)


def hot_pixels(noisy: Image, noise: Noise, known: Tensor | None = None) -> Tensor:
    """Whether a pixel is hot or dead: brighter, or darker, than all eight neighbours by more than noise can be.

    A pixel is compared with the noise that one photon more than its neighbours' largest value would have, so that
    single photons on a black background are none.

    Args:
        noisy: (batch, channels, height, width), intensities nominally in [0, 1].
        noise: noise of the images.
        known: whether a pixel counts, of that shape; others are not read and never hot. None: all that are finite.

    Returns:
        Booleans of that shape.
    """
    counts = noisy.isfinite() if known is None else known & noisy.isfinite()
    images = fill_missing(noisy.detach(), counts)
    filtered = images.cpu().double().numpy()
    median, most, least = (
        torch.from_numpy(_over_planes(rank, filtered)).to(device=noisy.device).to(dtype=noisy.dtype)
        for rank in (median_filter, maximum_filter, minimum_filter)
    )
    photon = float(getattr(noise, "gain", 0.0))
    middle, above, below = (noise.std(part + photon) for part in (median, most, least))
    hot = (images - median > FROM_MEDIAN * middle) & (images - most > FROM_NEAREST * above)
    dead = (median - images > FROM_MEDIAN * middle) & (least - images > FROM_NEAREST * below)
    return counts & (hot | dead)


def _over_planes(rank, images: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]  # one of scipy's filters
    planes = images.reshape(-1, *images.shape[2:])
    return np.stack([rank(plane, footprint=_RING, mode="mirror") for plane in planes]).reshape(images.shape)
