"""Every regularizer, batched, wherever the tensors are: `solver=admm`.

Over-relaxed ADMM whose linear step is exact in a basis of cosines and sines, and its derivative by the same iteration
with the dual step replaced by its linearisation at the solution. With p the dual variable, H the generalised Hessian of
the potentials, and P = 1 on u, 0 on the auxiliary field,

    P (u - y) + K^T p = 0,   p in d phi(K x),      (P + K^T H K) a = P dL/du,
    dL/dy = a_u,             dL/dlam = -<dp/dlam at fixed K x, K a>.

The second system is what the linearised iteration solves; nothing is stored but its last state, and no linear solver is
run. Units, step sizes and stopping are per image (`_admm/splitting.py`), so that a batch is a loop.

References: Eckstein and Bertsekas 1992, "On the Douglas-Rachford splitting method"; Chambolle and Pock 2016, "An
introduction to continuous optimization for imaging", section 5.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from difftv.arguments import positive, positive_int
from difftv.problem import DataTerm, Problem
from difftv.regularizers.base import Regularizer
from difftv.solvers._admm.reconstruction import Tolerances, reconstruct
from difftv.solvers._admm.slabs import LARGE
from difftv.solvers._admm.slabs import takes as takes_slabs
from difftv.solvers._admm.splitting import Splitting
from difftv.solvers._threads import limited_threads
from difftv.solvers.base import RawSolution, Solver, Workplace

DTYPES: Mapping[str, torch.dtype] = {"float32": torch.float32, "float64": torch.float64}
"""Precisions, by the word in a configuration."""

SLABS_TAKE, WHOLE_TAKES, BOUNDED_TAKES = 10, 44, 64
"""Volumes, in the precision of the solver, that one in slabs, one as a whole, and one within bounds take besides the
data and maps at the peak: measured 9.6 at 256^3, 43 at 128^3 and 61 at 164^3, in float32."""

_FLOORS = {torch.float32: 1e-6, torch.float64: 1e-14}
"""Changes of u over ten iterations that rounding alone can cause, about; a smaller `tol` would never be reached."""

_BACKWARD_TOL = {torch.float32: 1e-4, torch.float64: 1e-6}
"""Change of dL/dy over ten iterations at which the backward ends, over the largest entry of dL/du."""

_BACKWARD_TOL_BEHIND = {torch.float32: 1e-4, torch.float64: 1e-8}
"""The same behind an operator, where convergence is slow: at 1e-6 a gradient was 1.4e-4 off its central difference."""


@final
class Admm(Solver):
    """Any regularizer on CPU, CUDA and MPS, in float32 or float64.

    Args:
        regularizer: regularizer that is minimised.
        tol: change of u over ten iterations (rms, over the contrast of the image: `difftv.problem.data_term.contrast`)
            at which an image is done. At 3e-6 the image is right to about 1e-5 rms.
        max_iter: iterations after which an image is given back as it is (`converged=False`), >= 1; those of the
            backward are limited alike.
        dtype: torch.float32 or torch.float64 (or the word): the precision that it computes in, whatever the tensors'.

    Raises:
        ValueError: a regularizer without a symbol, another dtype, max_iter < 1, or tol below what dtype resolves.
    """

    name = "admm"

    def __init__(
        self,
        regularizer: Regularizer,
        tol: float = 3e-6,
        max_iter: int = 2000,
        dtype: torch.dtype | str = torch.float32,
    ) -> None:
        super().__init__(regularizer)
        found = DTYPES.get(dtype, dtype) if isinstance(dtype, str) else dtype
        if found not in DTYPES.values():
            raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype!r}.")
        assert isinstance(found, torch.dtype)
        self.dtype = found
        self.tol = positive("tol", tol)
        if self.tol < _FLOORS[found]:
            finer = " or dtype=torch.float64" if found == torch.float32 else ""
            raise ValueError(
                f"tol must be at least {_FLOORS[found]:g} in {str(found).removeprefix('torch.')}, where rounding alone "
                f"changes an image by as much; got {tol:g}. Take a larger tol{finer}."
            )
        self.max_iter = positive_int("max_iter", max_iter)

    @classmethod
    def refusal(cls, regularizer: Regularizer, data: DataTerm | None = None) -> str | None:
        if any(term.operator.symbol(*[2] * regularizer.axes) is None for term in regularizer.terms):
            return "it needs operators that a cosine basis diagonalises"
        return None

    @property
    def workplace(self) -> Workplace:
        return Workplace(None, self.dtype)

    def bytes_needed(self, *space: int) -> int:
        voxels, regularizer = math.prod(space), self.regularizer
        if regularizer.axes != 3 or len(regularizer.terms) != 1 or regularizer.channels != 1:
            return 0
        whole = WHOLE_TAKES if regularizer.bounds is None else BOUNDED_TAKES
        volumes = SLABS_TAKE if voxels >= LARGE and takes_slabs(regularizer) else whole
        return volumes * voxels * (torch.finfo(self.dtype).bits // 8)

    def solve(self, problem: Problem) -> RawSolution:
        data = problem.data
        if data.y.device.type != "cpu":
            from difftv.solvers._admm.self_test import check_device

            check_device(data.y.device, self.dtype)
        with limited_threads(data.y.numel(), data.y.device):
            if data.operator is not None:
                return reconstruct(problem, Tolerances(self.tol, _BACKWARD_TOL_BEHIND[self.dtype], self.max_iter))
            u, v, gap, iterations, converged = _Minimiser.apply(data.y, problem.maps, data.weight, problem, self)
        return RawSolution(u, gap, iterations, converged, v if self.regularizer.auxiliary else None)


class _Minimiser(torch.autograd.Function):
    """(y, maps, weight) -> u*, v, gap, iterations, converged; the three are those of `problem`."""

    @staticmethod
    def forward(ctx, y: Tensor, maps: Tensor, weight: Tensor | None, problem: Problem, solver: Admm):
        data = replace(problem.data, y=y.contiguous())
        problem = replace(problem, data=data, maps=maps.contiguous())
        splitting = Splitting.of(problem)
        found = splitting.solve(solver.tol, solver.max_iter)
        ctx.splitting, ctx.solver = splitting, solver
        ctx.save_for_backward(*found.states)
        gap = splitting.certificate(found)
        channels = solver.regularizer.channels
        v = found.x[:, channels:].contiguous()
        ctx.mark_non_differentiable(v, gap, found.iterations, found.converged)
        return found.x[:, :channels], v, gap, found.iterations, found.converged

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, *_: Tensor):
        splitting, solver = ctx.splitting, ctx.solver
        with solver.workplace.isolated(grad.device), limited_threads(grad.numel(), grad.device):
            tol = _BACKWARD_TOL[solver.dtype]
            by_y, by_maps, by_weight, _ = splitting.pull_back(
                ctx.saved_tensors, grad.contiguous(), tol, solver.max_iter
            )
        return by_y, by_maps, by_weight, None, None
