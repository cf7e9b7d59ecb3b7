"""Non-local means, a baseline without total variation, as scikit-image has it (BSD licence)."""

import numpy as np
import torch

from difftv.extras import require
from difftv.noise import noise_std
from difftv.types import Image


def nonlocal_means(noisy: Image, sigma: float) -> Image:
    """Non-local means (Buades, Coll, Morel 2005) with the noise level known.

    Patches of 5x5 pixels, searched 6 pixels around, cut-off 0.8 standard deviations: scikit-image's own advice for its
    fast mode. In volumes patches of 3x3x3 voxels, searched 3 around.

    Args:
        noisy: (batch, 1 or 3, *space), images or gray volumes, intensities nominally in [0, 1].
        sigma: the noise level in 8-bit units, > 0.

    Returns:
        Like `noisy`.

    Raises:
        MissingDependencyError: scikit-image is not installed.
    """
    require("train", "skimage", by="Non-local means")
    from skimage.restoration import denoise_nl_means

    std = noise_std(sigma)
    colour = noisy.shape[1] > 1  # patches are then compared in all channels together
    images = noisy if colour else noisy[:, 0]
    axis = 0 if colour else None
    size, around = (5, 6) if noisy.ndim == 4 else (3, 3)
    denoised = [
        denoise_nl_means(
            image, patch_size=size, patch_distance=around, h=0.8 * std, sigma=std, fast_mode=True, channel_axis=axis
        )
        for image in images.detach().cpu().double().numpy()
    ]
    # scikit-image drops the axis of an image that is one pixel high or wide.
    return torch.from_numpy(np.stack(denoised).reshape(noisy.shape)).to(device=noisy.device, dtype=noisy.dtype)
