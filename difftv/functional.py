"""The layer without the framework: one function, tensors in, tensor out."""

from torch import Tensor

from difftv.regularizers import AnisotropicTV
from difftv.solvers.taut_string import TautString
from difftv.types import Image
from difftv.weights import Weights, full_map


def tv_denoise(noisy: Image, lam: Weights, tol: float = 1e-10) -> Image:
    """Weighted anisotropic total-variation denoising, exact and differentiable in both arguments.

        u* = argmin_u  1/2 ||u - noisy||^2 + sum_ij lam_v[i,j] |D_v u|[i,j] + lam_h[i,j] |D_h u|[i,j]

    Args:
        noisy: images, (batch, 1, height, width), floating point, on any device; in any units, nominally in [0, 1].
        lam: weight >= 0 in the units of the image, larger = smoother. A number, or a tensor (array) of these shapes:

            - one element: every weight;
            - (height, width): all images and both directions share the map;
            - (batch, 1, height, width): one map per image, shared by both directions;
            - (batch, 2, height, width): channel 0 weighs the vertical differences, channel 1 the horizontal ones,

            where any of batch, height and width may be 1 in the last two, and is then repeated. Or a list of one such
            weight (one channel each) per direction, vertical first, or of a single one. Infinity forces neighbours to
            be equal. Other shapes are refused: three dimensions could mean images or directions.
        tol: at the default and below, the answer is exact to rounding. A larger one stops an image early, at this
            relative duality gap.

    Returns:
        The denoised images, in the shape, dtype and device of `noisy`; solved in float64.

    Raises:
        TypeError: `noisy` is not a tensor, `lam` neither number nor tensor nor a list of them.
        ValueError: a shape does not fit, `lam` is negative somewhere, or a tensor holds NaN.

    Example:
        >>> import torch
        >>> noisy = torch.rand(1, 1, 8, 8)
        >>> lam = torch.full((1, 1, 8, 8), 0.1, requires_grad=True)
        >>> tv_denoise(noisy, lam).square().sum().backward()
        >>> lam.grad.shape
        torch.Size([1, 1, 8, 8])
    """
    if not isinstance(noisy, Tensor):
        raise TypeError(
            f"noisy must be a torch.Tensor, got {type(noisy).__module__}.{type(noisy).__qualname__}. "
            "Convert an array with torch.from_numpy(array)[None, None]."
        )
    if noisy.ndim != 4 or noisy.shape[1] != 1:
        raise ValueError(f"noisy must have shape (batch, 1, height, width), got {tuple(noisy.shape)}.")
    weights = full_map(lam, noisy, channels=(1, 2), per="direction")
    return TautString(AnisotropicTV(weights.shape[1]), tol=tol)(noisy, weights).denoised
