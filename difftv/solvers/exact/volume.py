"""Anisotropic total variation of volumes as a differentiable function of tensors.

Equation 1 of `exact/solver.py` over the neighbours along three axes. There is no exact method for planes or pairs of
axes that sweeps could alternate between; accelerated gradient steps on the dual (`network_simplex/start.py`) take their
place. The edges on which their dual is below its bound join voxels to nearly the right components, which are merged and
split until every one is right (`merge_split/refine.py`).
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from difftv.progress import shared
from difftv.solvers._threads import map_images
from difftv.solvers.exact.backward import pulled_back
from difftv.solvers.exact.simplex import Minimum
from difftv.types import Image, Map


def minimise_volumes(y: Image, lam: Map, max_steps: int) -> Minimum:
    """The exact minimiser, differentiable in both; volumes of a batch side by side in torch's number of threads.

    Args:
        y: (batch, 1, *space), CPU float64, finite, with a contrast of about 2.
        lam: (batch, 1, *space), or one channel per axis, >= 0, infinity allowed; what stands past the border is
            ignored.
        max_steps: gradient steps of the start at most.
    """
    return Minimum(*_Minimiser.apply(y, lam, max_steps))


class _Minimiser(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y: Tensor, lam: Tensor, max_steps: int) -> tuple[Tensor, Tensor, Tensor]:
        from difftv.solvers.exact.merge_split.volume import Answer, solve_volume

        u = y.new_empty(y.shape)
        data, weights = y.detach().contiguous().numpy(), lam.detach().numpy()
        reports = shared(len(data))

        def solve(index: int) -> Answer:
            return solve_volume(data[index, 0], weights[index], u[index, 0].numpy(), max_steps, reports[index])

        ctx.answers = map_images(solve, len(data))
        ctx.num_maps = lam.shape[1]
        gap = y.new_tensor([answer.gap for answer in ctx.answers])
        iterations = torch.tensor([answer.steps for answer in ctx.answers], dtype=torch.int64)
        ctx.mark_non_differentiable(gap, iterations)
        return u, gap, iterations

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, *_: Tensor):
        return *pulled_back(grad, ctx.answers, ctx.num_maps), None
