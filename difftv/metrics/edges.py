"""Edge preservation: contrast, sharpness and place of the clean image's edges."""

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter, sobel
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from difftv.extras import require
from difftv.linear.gradient import divergence, gradient
from difftv.metrics.contract import check_image, diagnostic
from difftv.metrics.masks import Masks, gradient_length, masks_of, steepest
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.space import inner
from difftv.types import Image, PerImage

FOM_ALPHA = 1.0 / 9.0  # Pratt's: an edge that is off by 3 px counts half
CANNY_SIGMA = 1.0  # px
# Canny's Sobel filter answers 8 times the slope; below three gray levels per pixel there is no edge to locate.
CANNY_FLOOR = 8.0 * 3.0 / EIGHT_BIT_RANGE
GMSD_C = 170.0 / EIGHT_BIT_RANGE**2  # the paper's 170 for intensities in [0, 255]


@diagnostic
def gradient_ratio(denoised: Image, clean: Image, *, masks: Masks | None = None) -> PerImage:
    """sum_C |grad u| / sum_C |grad x| over the contours C: 1 = neither blurred nor of less contrast, and best.

    C is the part of M_e where |grad x| itself, unsmoothed, is among its largest 10 %. That makes it thin: blur
    keeps the sum over a band across an edge and only lowers the ridge.

    Args:
        denoised: (batch, 1, *space).
        clean: clean image, of the same shape and dtype.
        masks: `masks_of(clean)` where it is at hand.

    Returns:
        (batch,), >= 0; NaN where the clean image has no edge.
    """
    slope = gradient_length(clean)
    contour = (masks or masks_of(clean)).edge & steepest(slope)
    return _total(gradient_length(denoised) * contour) / _total(slope * contour)


@diagnostic
def epi(denoised: Image, clean: Image) -> PerImage:
    """Edge preservation index: correlation of the mean-free 3x3 Laplacians of the two images (Sattar et al. 1997).

    In [-1, 1]; higher is better. Blind to a loss of contrast: read it next to `gradient_ratio`. NaN where the
    Laplacian of either image is constant (a constant image).
    """
    a, b = (_mean_free(divergence(gradient(image))) for image in (denoised, clean))
    return _total(a * b) / (_total(a.square()) * _total(b.square())).sqrt()


@diagnostic
def fom(denoised: Image, clean: Image) -> PerImage:
    """Pratt's figure of merit: how near the detected edges are to those of the clean image (Abdou, Pratt 1979).

        1 / max(#ideal, #detected) * sum_{detected} 1 / (1 + d^2 / 9),     d = distance to the nearest ideal edge, px

    Canny (sigma 1 px) finds both sets, with the same thresholds: the high one is Otsu's of the gradient of the
    clean image, at least three gray levels per pixel, the low one half of it. In [0, 1]; higher is better; 0 where all
    edges are lost. NaN where the clean image has none. Of images: Canny has no form for signals and volumes.
    """
    check_image("clean", clean, axes=(2,))
    pairs = zip(denoised[:, 0].numpy(), clean[:, 0].numpy(), strict=True)
    return torch.tensor([_fom(u, x) for u, x in pairs], dtype=torch.float64)


@diagnostic
def gmsd(denoised: Image, clean: Image) -> PerImage:
    """Gradient magnitude similarity deviation (Xue, Zhang, Mou, Bovik 2014); 0 for equal images, lower is better.

    The standard deviation over the image, halved by 2x2 means, of (2 a b + c) / (a^2 + b^2 + c) with a, b the Prewitt
    gradient magnitudes and c = 170 / 255^2. Pixels past the border repeat it (the authors' code has zeros there, an
    edge around the picture). Of images alone.
    """
    check_image("clean", clean, axes=(2,))
    a, b = (_prewitt(avg_pool2d(image, 2, ceil_mode=True)) for image in (denoised, clean))
    similarity = (2.0 * a * b + GMSD_C) / (a.square() + b.square() + GMSD_C)
    return _mean_free(similarity).square().mean(dim=(1, 2, 3)).sqrt()


@diagnostic
def gradient_w1(denoised: Image, clean: Image) -> PerImage:
    """Wasserstein-1 distance between the distributions of |grad u| and |grad x|, in [0,1] intensity units per pixel.

    For two samples of one size it is the mean difference of their sorted values. >= 0; lower is better; blind to
    where in the image the gradients sit.
    """
    a, b = (gradient_length(image).flatten(1).sort(dim=1).values for image in (denoised, clean))
    return (a - b).abs().mean(dim=1)


def _total(values: Tensor) -> PerImage:
    return values.sum(dim=inner(values))


def _mean_free(values: Image) -> Image:
    return values - values.mean(dim=inner(values), keepdim=True)


def _prewitt(image: Image) -> Image:
    across = torch.tensor([[1.0, 0.0, -1.0]], dtype=image.dtype).expand(3, 3) / 3.0
    kernels = torch.stack([across, across.T])[:, None]
    slopes = conv2d(pad(image, (1, 1, 1, 1), mode="replicate"), kernels)
    return torch.hypot(slopes[:, :1], slopes[:, 1:])


def _fom(u: np.ndarray, x: np.ndarray) -> float:
    require("train", "skimage", by="The figure of merit")
    from skimage.feature import canny
    from skimage.filters import threshold_otsu

    smoothed = gaussian_filter(x, CANNY_SIGMA, mode="nearest")
    high = max(float(threshold_otsu(np.hypot(sobel(smoothed, axis=0), sobel(smoothed, axis=1)))), CANNY_FLOOR)
    detected, ideal = (canny(image, CANNY_SIGMA, 0.5 * high, high, mode="nearest") for image in (u, x))
    if not ideal.any():
        return float("nan")
    distance = distance_transform_edt(~ideal)[detected]
    return float((1.0 / (1.0 + FOM_ALPHA * distance**2)).sum() / max(ideal.sum(), detected.sum()))
