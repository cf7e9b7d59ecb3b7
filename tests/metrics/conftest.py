"""Images whose defects are known: a ramp with a disk on it, and four ways of getting it wrong at a similar PSNR."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from torch import Tensor

from benchmarks.ramp import SIZE, ramp_and_disk
from tests.photographs import as_image

LEVELS = 12


@pytest.fixture(scope="session")
def cases() -> dict[str, Tensor]:
    """`truth` and its degraded versions, each (1, 1, 96, 96) in float64."""
    ramp, disk = ramp_and_disk()
    steps = 0.25 + (np.minimum(np.floor((ramp - 0.25) * 2 * LEVELS), LEVELS - 1) + 0.5) / (2 * LEVELS)
    noise = 0.01 * np.random.default_rng(0).standard_normal((SIZE, SIZE))
    return {
        "truth": as_image(ramp + disk),
        "staircase": as_image(steps + disk),
        "blur": as_image(gaussian_filter(ramp + disk, 1.0)),
        "contrast": as_image(ramp + 0.8 * disk),
        "noise": as_image(ramp + disk + noise),
    }
