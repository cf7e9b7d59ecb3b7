"""What is denoised while a clock runs: noisy photographs and a map near the best one, the same for every contestant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from difftv.denoiser import Denoiser
from difftv.errors import DataError
from difftv.lab.data import TrainingPatches, open_images
from difftv.lab.data.colours import equal_channels
from difftv.lab.data.decoding import Pixels
from difftv.lab.data.patches import to_tensor
from difftv.noise import add_noise
from difftv.regularizers import Regularizer
from difftv.types import Image, Map

SIGMA = 25.0
LAM = 0.07
"""The scalar weight that denoises photographs best at this sigma, about."""

VARIATION = 0.3
"""A map is LAM (1 + VARIATION v), v in [-1, 1] and smooth."""

GRAIN = 8
"""Pixels between the random values that a map interpolates."""

_SEED = 0


@dataclass(frozen=True)
class Inputs:
    """A batch, all of it float64 on the CPU."""

    clean: Image
    noisy: Image
    lam: Map


def natural_patches(paths: Sequence[Path], cache_dir: Path | None, size: int, batch: int, num_maps: int = 1) -> Inputs:
    """`batch` square crops of `size` pixels from the images at `paths`.

    Raises:
        DataError: no image is readable, or none as large as a patch.
    """
    patches = TrainingPatches(
        open_images(paths, cache_dir), patch_size=size, sigma=SIGMA, seed=_SEED, crops_per_image=batch
    )
    drawn = next(patches.batches(0, batch))
    assert drawn.clean is not None, "made of clean images"
    return Inputs(drawn.clean.double(), drawn.noisy.double(), smooth_map(batch, num_maps, size, size))


def with_maps_of(regularizer: Regularizer, inputs: Inputs) -> Inputs:
    """The same images, with all maps of a regularizer made from their one map, as training starts from one number."""
    maps = [spec.share * inputs.lam + spec.constant for spec in regularizer.maps]
    return Inputs(inputs.clean, inputs.noisy, torch.cat(maps, dim=1))


def with_learned_maps(model: str, inputs: Inputs) -> Inputs:
    """The same images, with the maps that a shipped model predicts for them."""
    with torch.no_grad():
        maps = Denoiser.pretrained(model).predictor(inputs.noisy.float(), SIGMA)
    return Inputs(inputs.clean, inputs.noisy, maps.double())


def natural_image(path: Path, height: int, width: int) -> Inputs:
    """One image of any size: the photograph at `path`, continued by reflection past its borders."""
    return _one(np.asarray(open_images([path], None)[0]), height, width)


def natural_colour_image(paths: Sequence[Path], height: int, width: int) -> Inputs:
    """One RGB image of any size: the first photograph in colour that is as large, or the first one in colour.

    Raises:
        DataError: none is in colour.
    """
    first = None
    for path in paths:
        try:
            photograph = np.asarray(open_images([path], None, colour=True)[0])
        except DataError:  # the next one may be readable
            continue
        if equal_channels(photograph):
            continue
        if photograph.shape[0] >= height and photograph.shape[1] >= width:
            return _one(photograph, height, width)
        first = photograph if first is None else first
    if first is None:
        raise DataError(f"none of {len(paths)} photographs is in colour")
    return _one(first, height, width)


def _one(photograph: Pixels, height: int, width: int) -> Inputs:
    missing = [(0, max(0, wanted - have)) for wanted, have in zip((height, width), photograph.shape[:2], strict=True)]
    missing += [(0, 0)] * (photograph.ndim - 2)
    clean = to_tensor(np.pad(photograph, missing, mode="symmetric")[:height, :width]).double()
    return Inputs(clean, add_noise(clean, SIGMA, seed=_SEED), smooth_map(1, 1, height, width))


def smooth_map(batch: int, num_maps: int, height: int, width: int) -> Map:
    """Random weights LAM (1 - VARIATION) to LAM (1 + VARIATION) on a coarse grid, bilinear in between."""
    generator = torch.Generator().manual_seed(_SEED)
    grid = (batch, num_maps, -(-height // GRAIN) + 1, -(-width // GRAIN) + 1)
    coarse = 2 * torch.rand(grid, generator=generator, dtype=torch.float64) - 1
    fine = interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)
    return LAM * (1 + VARIATION * fine)
