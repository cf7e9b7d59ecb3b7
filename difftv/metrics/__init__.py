"""What a result is judged by: pure functions (denoised, clean) -> one number per image, never a mean over images."""

from difftv.metrics.catalogue import (
    DIRECTION,
    MEANING,
    Direction,
    Meaning,
    field_metrics,
    image_metrics,
    map_metrics,
    meaning_of,
)
from difftv.metrics.edges import epi, fom, gmsd, gradient_ratio, gradient_w1
from difftv.metrics.fidelity import psnr, psnr_edge, psnr_smooth, quantize, ssim
from difftv.metrics.maps import edge_to_smooth, field_length, free_edge_share, grouped, map_groups, zero_gradient_share
from difftv.metrics.masks import Masks, masks_of
from difftv.metrics.staircasing import dof_ratio, false_jump, plateau_excess, plateau_excess_ramp, second_order

__all__ = [
    "DIRECTION",
    "MEANING",
    "Direction",
    "Masks",
    "Meaning",
    "dof_ratio",
    "edge_to_smooth",
    "epi",
    "false_jump",
    "field_length",
    "field_metrics",
    "fom",
    "free_edge_share",
    "gmsd",
    "gradient_ratio",
    "gradient_w1",
    "grouped",
    "image_metrics",
    "map_groups",
    "map_metrics",
    "masks_of",
    "meaning_of",
    "plateau_excess",
    "plateau_excess_ramp",
    "psnr",
    "psnr_edge",
    "psnr_smooth",
    "quantize",
    "second_order",
    "ssim",
    "zero_gradient_share",
]
