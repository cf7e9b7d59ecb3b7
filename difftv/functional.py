"""The layer without the framework: one function, tensors in, tensor out."""

import torch
from torch import Tensor

from difftv.regularizers import AnisotropicTV
from difftv.solvers.taut_string import TautString
from difftv.types import Image


def tv_denoise(noisy: Image, lam: float | Tensor, tol: float = 1e-10) -> Image:
    """Weighted anisotropic total-variation denoising, exact and differentiable in both arguments.

        u* = argmin_u  1/2 ||u - noisy||^2 + sum_ij lam_v[i,j] |D_v u|[i,j] + lam_h[i,j] |D_h u|[i,j]

    Args:
        noisy: images, (batch, 1, height, width), float32 or float64, on any device; intensities nominally in [0, 1].
        lam: weight >= 0 in the units of the image, larger = smoother: a number, or a tensor that broadcasts to
            (batch, 1, height, width) (both directions share it) or is (batch, 2, height, width) (channel 0 weighs the
            vertical differences, channel 1 the horizontal ones). Infinity forces neighbours to be equal.
        tol: relative duality gap at which an image is done. At the default the answer is as a rule exact to rounding;
            1e-6 leaves errors of 2e-3 at worst, and takes about the same time.

    Returns:
        The denoised images, in the shape, dtype and device of `noisy`.

    Raises:
        ValueError: a shape does not fit, `lam` is negative somewhere, or a tensor holds NaN.

    Example:
        >>> import torch
        >>> noisy = torch.rand(1, 1, 8, 8)
        >>> lam = torch.full((1, 1, 8, 8), 0.1, requires_grad=True)
        >>> tv_denoise(noisy, lam).square().sum().backward()
        >>> lam.grad.shape
        torch.Size([1, 1, 8, 8])
    """
    if noisy.ndim != 4 or noisy.shape[1] != 1:
        raise ValueError(f"noisy must have shape (batch, 1, height, width), got {tuple(noisy.shape)}.")
    weights = torch.as_tensor(lam, dtype=noisy.dtype, device=noisy.device)
    num_maps = 2 if weights.ndim >= 3 and weights.shape[-3] == 2 else 1
    expected = (noisy.shape[0], num_maps, *noisy.shape[2:])
    try:
        weights = weights.expand(expected)
    except RuntimeError:
        raise ValueError(
            f"lam must be a number or a tensor that broadcasts to {expected}, got shape {tuple(weights.shape)}."
        ) from None
    return TautString(AnisotropicTV(num_maps), tol=tol)(noisy, weights).denoised
