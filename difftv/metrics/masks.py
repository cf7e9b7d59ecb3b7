"""Where an image is smooth, where it has edges, where it ramps: judged on the clean image alone."""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter, minimum_filter
from torch import Tensor

from difftv.linear.gradient import gradient
from difftv.metrics.contract import check_image, on_cpu
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.space import spatial
from difftv.types import Image

Mask = Bool[Tensor, "batch 1 *space"]

BLUR = 1.0  # px; G_1: a derivative of an unsmoothed photograph is half noise
SMOOTH_SHARE, EDGE_SHARE = 0.80, 0.10
EROSION = 2  # px: keeps the foot of an edge, where every method errs, out of the smooth part
RAMP = (0.5 / EIGHT_BIT_RANGE, 8.0 / EIGHT_BIT_RANGE)  # slopes per pixel at which total variation makes stairs
TIE = 1e-6  # below it two slopes are equal: a float32 image carries rounding of 1e-7


@dataclass(frozen=True)
class Masks:
    """Three parts of each image of a batch, on the CPU; with g = |grad(G_1 * clean)|, G_1 a Gaussian of 1 px:

    Attributes:
        smooth: M_s: g at most its 80th percentile, eroded by 2 px (the border of the image does not erode it).
        edge: M_e: g among its largest 10 %, and above that of the smooth part. Empty where the image has no edge.
        ramp: M_r: 0.5/255 < g < 8/255 per pixel: shading, where total variation makes stairs.
    """

    smooth: Mask
    edge: Mask
    ramp: Mask


def masks_of(clean: Image) -> Masks:
    """The masks of every image of a batch.

    Args:
        clean: (batch, 1, *space), in [0, 1]. The denoised image must not be given: a mask that followed it
            would hide what it did.

    Raises:
        ValueError: the shape or the dtype does not fit.
    """
    check_image("clean", clean)
    x = on_cpu(clean)
    blurred = torch.from_numpy(gaussian_filter(x.numpy(), BLUR, axes=spatial(x), mode="nearest"))
    slope = gradient_length(blurred)
    flat = (slope <= _quantile(slope, SMOOTH_SHARE) + TIE).numpy()
    eroded = torch.from_numpy(minimum_filter(flat, size=2 * EROSION + 1, axes=spatial(x), mode="nearest"))
    return Masks(smooth=eroded, edge=steepest(slope), ramp=(slope > RAMP[0]) & (slope < RAMP[1]))


def gradient_length(image: Image) -> Image:
    """|grad u|[i,j] = sqrt((D_v u)^2 + (D_h u)^2)[i,j], forward differences; of as many as there are axes."""
    first, *others = (part.abs() for part in gradient(image).chunk(image.ndim - 2, dim=1))
    return functools.reduce(torch.hypot, others, first)  # vector_norm over two channels takes 30 times as long


def steepest(slope: Image) -> Mask:
    """The largest 10 % of the slopes of each image, without those that tie with the lower 80 %.

    Without the second half all of a flat image, or of one even ramp, would count as its own steepest tenth.
    """
    return (slope >= _quantile(slope, 1.0 - EDGE_SHARE) - TIE) & (slope > _quantile(slope, SMOOTH_SHARE) + TIE)


def _quantile(slope: Image, share: float) -> Float[Tensor, "batch 1 *ones"]:
    # numpy and not torch.quantile, which refuses tensors of more than 2^24 elements.
    return torch.from_numpy(np.quantile(slope.numpy(), share, axis=spatial(slope), keepdims=True))
