"""The active-set method as a differentiable function of tensors.

    u*(y, lam, gam) = argmin_u  1/2 ||u - y||^2 + sum_e lam_e (|(Du)_e| - gam_e)_+

over the differences between neighbours along one to three axes, or between the eight neighbours in an image. In the
dual, min 1/2 ||y - D^T p||^2 + sum_e gam_e |p_e| with |p_e| <= lam_e, every edge is either at one of its ends
(-lam, 0, lam) or has |Du| = gam. The latter make a forest, on which u and p follow from sums over its trees. A start by
accelerated gradient steps finds nearly all of these states; then edges enter and leave one by one, as in the network
simplex method, until none is wrong. No step raises the dual objective, and the answer comes with its duality gap.
Gradient: `network_simplex/gradient.py`.

References: Burger, Korolev, Parisotto, Schoenlieb 2019, "Total variation regularisation with spatially variable
Lipschitz constraints", arXiv:1912.02768; Ahuja, Magnanti, Orlin 1993, "Network Flows", chapter 11.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from difftv.progress import shared
from difftv.solvers._threads import map_images
from difftv.types import CountPerImage, Dual, Image, PerImage

VOLUMES = 5
"""Dimensions of a batch of volumes, whose solves take long enough to say how far they are."""


class Minimum(NamedTuple):
    """The minimiser, and for every image its relative duality gap and how many steps and pivots were taken."""

    u: Image
    gap: PerImage
    iterations: CountPerImage


def minimise(y: Image, lam: Dual, gam: Dual, max_steps: int) -> Minimum:
    """The exact minimiser, differentiable in all three; images of a batch side by side in torch's number of threads.

    Args:
        y: (batch, 1, *space), CPU float64, finite.
        lam: (batch, directions, *space) >= 0, infinity allowed; what stands past the border is ignored. There is one
            direction per axis; in an image there may be four, also u[i+1,j+1] - u[i,j] and u[i+1,j] - u[i,j+1].
        gam: like `lam`: the slope, intensity per pixel, up to which a difference costs nothing.
        max_steps: gradient steps of the start at most; pivots do the rest.
    """
    return Minimum(*_Minimiser.apply(y, lam, gam, max_steps))


class _Minimiser(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y: Tensor, lam: Tensor, gam: Tensor, max_steps: int) -> tuple[Tensor, Tensor, Tensor]:
        from difftv.solvers.exact.network_simplex import Answer, solve_image

        u = y.new_empty(y.shape)
        data, weights, slopes = (tensor.detach().contiguous().numpy() for tensor in (y, lam, gam))

        reports = shared(len(data)) if y.ndim == VOLUMES else [None] * len(data)

        def solve(index: int) -> Answer:
            out = u[index, 0].numpy()
            return solve_image(data[index, 0], weights[index], slopes[index], out, max_steps, reports[index])

        ctx.answers = map_images(solve, len(data))
        gap = y.new_tensor([answer.gap for answer in ctx.answers])
        iterations = torch.tensor([answer.steps + answer.pivots for answer in ctx.answers], dtype=torch.int64)
        ctx.mark_non_differentiable(gap, iterations)
        ctx.directions = lam.shape[1]
        return u, gap, iterations

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, *_: Tensor):
        from difftv.solvers.exact.network_simplex import gradient

        seed = grad.contiguous().numpy()
        grad_y = np.empty_like(seed)
        batch = len(grad)
        shape = batch, ctx.directions, *grad.shape[2:]
        grad_lam, grad_gam = np.zeros(shape), np.zeros(shape)

        def pull_back(index: int) -> None:
            gradient(seed[index, 0], ctx.answers[index], grad_y[index, 0], grad_lam[index], grad_gam[index])

        map_images(pull_back, batch)
        return *(torch.from_numpy(array) for array in (grad_y, grad_lam, grad_gam)), None
