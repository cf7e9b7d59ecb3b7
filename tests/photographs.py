"""Pieces of a real photograph that ships with scikit-image."""

import numpy as np
import pytest
import torch
from torch import Tensor


def as_image(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))[None, None]


@pytest.fixture
def photographs() -> tuple[Tensor, Tensor]:
    """Two 48x40 pieces of a photograph and noisy versions of them, (clean, denoised), float64."""
    from skimage.data import camera

    image = camera() / 255.0
    clean = torch.cat([as_image(image[100:148, 200:240]), as_image(image[300:348, 60:100])])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0), dtype=clean.dtype)
    return clean, clean + 0.03 * noise
