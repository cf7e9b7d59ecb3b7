"""Discrete gradient and divergence: forward differences, Neumann boundary.

In an image (D_v u)[i,j] = u[i+1,j] - u[i,j] and (D_h u)[i,j] = u[i,j+1] - u[i,j], both zero past the border, and so
along every axis of a signal or a volume. The divergence is the negative adjoint: <gradient(u), p> = -<u, divergence(p)>
(Chambolle 2004, "An algorithm for total variation minimization and applications", section 2).
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from difftv.types import Dual, Image


def gradient(u: Image) -> Dual:
    """Forward differences along every axis, of every channel by itself.

    Args:
        u: image, (batch, channels, *space), any real dtype.

    Returns:
        (batch, axes * channels, *space): the differences of all channels along the first axis (of an image: the
        vertical ones), then those along the next, so that `.chunk(axes, dim=1)` parts them; the last entry along its
        axis is zero.
    """
    return torch.cat([forward_difference(u, axis) for axis in range(2 - u.ndim, 0)], dim=1)


def divergence(p: Dual) -> Image:
    """Negative adjoint of `gradient`.

    Args:
        p: (batch, axes * channels, *space), in the order of `gradient`; the entries past the border (of an image: last
            row of the vertical ones, last column of the horizontal ones) are ignored, since no difference is taken
            there.

    Returns:
        (batch, channels, *space).

    Raises:
        ValueError: the number of components is no multiple of the number of axes.
    """
    axes = p.ndim - 2
    channels, odd = divmod(p.shape[1], axes)
    if odd:
        raise ValueError(
            f"p must have shape (batch, {axes} * channels, {'height, width' if axes == 2 else '*space'}), "
            f"got {tuple(p.shape)}."
        )
    total = None
    for axis, part in zip(range(-axes, 0), p.split(channels, dim=1), strict=True):
        inside, others = part.narrow(axis, 0, p.shape[axis] - 1), (0, 0) * (-1 - axis)
        before = pad(inside, (*others, 0, 1))
        total = (before if total is None else total + before) - pad(inside, (*others, 1, 0))
    assert total is not None
    return total


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
