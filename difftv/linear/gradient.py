"""Discrete gradient and divergence: forward differences, Neumann boundary.

(D_v u)[i,j] = u[i+1,j] - u[i,j] and (D_h u)[i,j] = u[i,j+1] - u[i,j], both zero past the border. The divergence is
the negative adjoint: <gradient(u), p> = -<u, divergence(p)> (Chambolle 2004, "An algorithm for total variation
minimization and applications", section 2).
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from difftv.types import Dual, Image


def gradient(u: Image) -> Dual:
    """Forward differences of an image, of every channel by itself.

    Args:
        u: image, (batch, channels, height, width), any real dtype.

    Returns:
        (batch, 2 channels, height, width): the vertical ones of all channels, then the horizontal ones, so that
        `.chunk(2, dim=1)` parts them; the last row of the first and the last column of the second are zero.
    """
    return torch.cat([forward_difference(u, -2), forward_difference(u, -1)], dim=1)


def divergence(p: Dual) -> Image:
    """Negative adjoint of `gradient`.

    Args:
        p: (batch, 2 channels, height, width), in the order of `gradient`; the entries past the border (last row of the
            vertical ones, last column of the horizontal ones) are ignored, since no difference is taken there.

    Returns:
        (batch, channels, height, width).

    Raises:
        ValueError: the number of components is odd.
    """
    channels, odd = divmod(p.shape[1], 2)
    if odd:
        raise ValueError(f"p must have shape (batch, 2 * channels, height, width), got {tuple(p.shape)}.")
    vertical = p[:, :channels, :-1, :]
    horizontal = p[:, channels:, :, :-1]
    return (
        pad(vertical, (0, 0, 0, 1))
        - pad(vertical, (0, 0, 1, 0))
        + pad(horizontal, (0, 1, 0, 0))
        - pad(horizontal, (1, 0, 0, 0))
    )


def forward_difference(u: Tensor, axis: int) -> Tensor:
    """u[i+1] - u[i] along the axis, 0 past the border."""
    size = u.shape[axis]
    inner = u.narrow(axis, 1, size - 1) - u.narrow(axis, 0, size - 1)
    return torch.cat([inner, torch.zeros_like(u.narrow(axis, 0, 1))], dim=axis)


def adjoint_difference(p: Tensor, axis: int) -> Tensor:
    """The adjoint of `forward_difference`: p[i-1] - p[i] along the axis, the last entry of p ignored."""
    size = p.shape[axis]
    inner, nothing = p.narrow(axis, 0, size - 1), torch.zeros_like(p.narrow(axis, 0, 1))
    return torch.cat([nothing, inner], dim=axis) - torch.cat([inner, nothing], dim=axis)
