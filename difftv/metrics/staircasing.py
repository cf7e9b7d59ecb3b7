"""Staircasing: the plateaus and the invented steps that total variation puts where the clean image is smooth.

"Flat" means |grad u| <= 1/255 at a pixel, one 8-bit level. Both directions are taken together because a ramp along an
axis is flat in the other direction whatever happened to it, which would hide half of its stairs.
"""

import numpy as np
import torch
from scipy.ndimage import median_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from difftv.linear.gradient import gradient
from difftv.metrics.contract import ROUNDING, diagnostic
from difftv.metrics.masks import Mask, Masks, gradient_length, masks_of
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.space import inner, spatial
from difftv.types import Image, PerImage

GRAY_LEVEL = 1.0 / EIGHT_BIT_RANGE
JUMP = 3.0 / EIGHT_BIT_RANGE
_SLACK = 1.0 + ROUNDING


@diagnostic
def plateau_excess(denoised: Image, clean: Image, *, masks: Masks | None = None) -> PerImage:
    """Share of flat pixels in the smooth part M_s, minus the same share of the clean image.

        mean over M_s of 1[|grad u| <= 1/255]  -  mean over M_s of 1[|grad x| <= 1/255]

    In [-1, 1]; 0 is best, above 0 means plateaus (staircasing), below 0 residual noise. A solver's tolerance does
    not move it, since one gray level is far above that.

    Args:
        denoised: (batch, 1, *space).
        clean: clean image, of the same shape and dtype.
        masks: `masks_of(clean)` where it is at hand.

    Returns:
        (batch,); NaN where M_s is empty (an image with edges everywhere).
    """
    return _flat_excess(denoised, clean, (masks or masks_of(clean)).smooth)


@diagnostic
def plateau_excess_ramp(denoised: Image, clean: Image, *, masks: Masks | None = None) -> PerImage:
    """`plateau_excess` on the ramps M_r instead: what tells total variation from its second-order relatives best.

    NaN where the clean image has no ramp.
    """
    return _flat_excess(denoised, clean, (masks or masks_of(clean)).ramp)


@diagnostic
def dof_ratio(denoised: Image, clean: Image, *, tau: float = GRAY_LEVEL) -> PerImage:
    """K / n, with K the connected components of the graph {e : |D_e u| <= tau} on the n pixels.

    At tau -> 0, K is the number of degrees of freedom of the anisotropic estimate (Tibshirani, Taylor 2011). In
    (0, 1]: near 1 for a noisy image, near 0 for one of few plateaus; neither is good by itself, compare with the clean
    image's. Read the small tau only for a solver that converged.

    Args:
        denoised: (batch, 1, *space).
        clean: not looked at; there so that all metrics are called alike.
        tau: largest difference that counts as equal, in [0,1] units; larger joins more. 1/255 or 1e-6 are usual.

    Returns:
        (batch,).

    Raises:
        ValueError: tau is not a finite number >= 0.
    """
    if not 0.0 <= tau < float("inf"):
        raise ValueError(f"tau must be a number >= 0 in [0,1] intensity units, got {tau!r}. Use 1 / 255, for example.")
    return torch.tensor([_components(u, tau * _SLACK) / u.size for u in denoised[:, 0].numpy()], dtype=torch.float64)


@diagnostic
def false_jump(denoised: Image, clean: Image, *, masks: Masks | None = None) -> PerImage:
    """Share of the smooth part M_s where |grad(median3x3(u))| > 3/255: edges that the clean image does not have.

    With a map lam that varies, u may jump where the noisy image does not, so a predictor can draw edges. The median
    drops single pixels. In [0, 1]; lower is better. NaN where M_s is empty.
    """
    filtered = torch.from_numpy(median_filter(denoised.numpy(), size=3, axes=spatial(denoised), mode="nearest"))
    return _share(gradient_length(filtered) > JUMP * _SLACK, (masks or masks_of(clean)).smooth)


@diagnostic
def second_order(denoised: Image, clean: Image, *, masks: Masks | None = None) -> PerImage:
    """Second over first differences in the smooth part, minus the same of the clean image.

        sum_{M_s} |D^2 u| / sum_{M_s} |D u|  -  sum_{M_s} |D^2 x| / sum_{M_s} |D x|

    |D^2 u| = |u[i+1,j] - 2 u[i,j] + u[i-1,j]| + |u[i,j+1] - 2 u[i,j] + u[i,j-1]| without the terms that reach past the
    border, |D u| = |D_v u| + |D_h u|. Near 2 for stairs, but for residual noise as well: read it next to
    `plateau_excess`. 0 is best. NaN where either image is constant on M_s.
    """
    smooth = (masks or masks_of(clean)).smooth
    return _curvature(denoised, smooth) - _curvature(clean, smooth)


def _flat_excess(u: Image, x: Image, mask: Mask) -> PerImage:
    tau = GRAY_LEVEL * _SLACK
    return _share(gradient_length(u) <= tau, mask) - _share(gradient_length(x) <= tau, mask)


def _share(where: Mask, mask: Mask) -> PerImage:
    return (where & mask).sum(dim=inner(mask)).double() / mask.sum(dim=inner(mask))


def _curvature(u: Image, mask: Mask) -> PerImage:
    second = torch.zeros(u.shape[0], dtype=u.dtype)
    for axis in spatial(u):
        size = u.shape[axis]
        if size > 2:
            before, at, after = (u.narrow(axis, start, size - 2) for start in range(3))
            second = second + _total((after - 2.0 * at + before).abs(), mask.narrow(axis, 1, size - 2))
    return second / _total(gradient(u).abs(), mask)


def _total(values: Tensor, mask: Tensor) -> PerImage:
    return (values * mask).sum(dim=inner(mask))


def _components(u: np.ndarray, tau: float) -> int:
    pixel = np.arange(u.size).reshape(u.shape)
    start, end = [], []
    for axis, size in enumerate(u.shape):
        equal = np.abs(np.diff(u, axis=axis)) <= tau
        start.append(pixel.take(range(size - 1), axis)[equal])
        end.append(pixel.take(range(1, size), axis)[equal])
    rows, columns = np.concatenate(start), np.concatenate(end)
    graph = coo_array((np.ones(rows.size, dtype=np.int8), (rows, columns)), shape=(u.size, u.size))
    return int(connected_components(graph, directed=False, return_labels=False))
