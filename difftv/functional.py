"""The layer without the framework: one function, tensors in, tensor out."""

import numpy as np
import torch
from torch import Tensor

from difftv.regularizers import AnisotropicTV
from difftv.solvers.taut_string import TautString
from difftv.types import Image, Map


def tv_denoise(noisy: Image, lam: float | Tensor | np.ndarray, tol: float = 1e-10) -> Image:
    """Weighted anisotropic total-variation denoising, exact and differentiable in both arguments.

        u* = argmin_u  1/2 ||u - noisy||^2 + sum_ij lam_v[i,j] |D_v u|[i,j] + lam_h[i,j] |D_h u|[i,j]

    Args:
        noisy: images, (batch, 1, height, width), floating point, on any device; in any units, nominally in [0, 1].
        lam: weight >= 0 in the units of the image, larger = smoother. A number, or a tensor (array) of these shapes:

            - one element: every weight;
            - (height, width): all images and both directions share the map;
            - (batch, 1, height, width): one map per image, shared by both directions;
            - (batch, 2, height, width): channel 0 weighs the vertical differences, channel 1 the horizontal ones,

            where any of batch, height and width may be 1 in the last two, and is then repeated. Infinity forces
            neighbours to be equal. Other shapes are refused: three dimensions could mean images or directions.
        tol: at the default and below, the answer is exact to rounding. A larger one stops an image early, at this
            relative duality gap.

    Returns:
        The denoised images, in the shape, dtype and device of `noisy`; solved in float64.

    Raises:
        TypeError: `noisy` is not a tensor, `lam` neither number nor tensor.
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
    weights = _full(_weights(lam, noisy), noisy)
    return TautString(AnisotropicTV(weights.shape[1]), tol=tol)(noisy, weights).denoised


def _weights(lam: object, noisy: Image) -> Tensor:
    """`lam` as a floating-point tensor; a number in single precision at least, whatever the precision of `noisy`."""
    if isinstance(lam, bool) or not isinstance(lam, int | float | Tensor | np.ndarray | np.number):
        raise TypeError(f"lam must be a number or a tensor, got {type(lam).__module__}.{type(lam).__qualname__}.")
    if isinstance(lam, Tensor) and lam.is_floating_point():
        return lam.to(device=noisy.device)
    precision = torch.promote_types(noisy.dtype, torch.float32) if noisy.is_floating_point() else torch.float32
    return torch.as_tensor(lam, dtype=precision, device="cpu").to(device=noisy.device)


def _full(weights: Tensor, noisy: Image) -> Map:
    """The map that a weight of an accepted shape stands for."""
    batch, _, height, width = noisy.shape
    if weights.numel() == 1:
        return weights.reshape(1, 1, 1, 1).expand(noisy.shape)
    if weights.shape == (height, width):
        return weights.expand(noisy.shape)
    if weights.ndim == 4:
        channels = weights.shape[1]
        wanted = (batch, channels, height, width)
        if channels in (1, 2) and all(have in (1, want) for have, want in zip(weights.shape, wanted, strict=True)):
            return weights.expand(wanted)
    raise ValueError(
        f"lam must be a number, a map ({height}, {width}) for all images, or have shape "
        f"({batch}, 1, {height}, {width}) or, with a map per direction, ({batch}, 2, {height}, {width}), "
        f"whose first and last two sizes may be 1; got shape {tuple(weights.shape)}."
    )
