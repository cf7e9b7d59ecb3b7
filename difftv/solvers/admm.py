"""Every regularizer, batched, wherever the tensors are: `solver=admm`.

Over-relaxed ADMM whose linear step is exact in a basis of cosines and sines, and its derivative by the same iteration
with the dual step replaced by its linearisation at the solution. With p the dual variable, H the generalised Hessian of
the potentials, and P = 1 on u, 0 on the auxiliary field,

    P (u - y) + K^T p = 0,   p in d phi(K x),      (P + K^T H K) a = P dL/du,
    dL/dy = a_u,             dL/dlam = -<dp/dlam at fixed K x, K a>.

The second system is what the linearised iteration solves; nothing is stored but its last state, and no linear solver is
run. Units, step sizes and stopping are per image (`_admm/problem.py`), so that a batch is a loop.

References: Eckstein and Bertsekas 1992, "On the Douglas-Rachford splitting method"; Chambolle and Pock 2016, "An
introduction to continuous optimization for imaging", section 5.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from difftv.arguments import positive, positive_int
from difftv.regularizers.base import Regularizer
from difftv.solvers._admm.problem import Problem
from difftv.solvers._threads import as_many_as_pay
from difftv.solvers.base import RawSolution, Solver, Workplace
from difftv.solvers.data_term import DataTerm
from difftv.solvers.gap import certificate
from difftv.types import Map

DTYPES: Mapping[str, torch.dtype] = {"float32": torch.float32, "float64": torch.float64}
"""Precisions, by the word in a configuration."""

_FLOORS = {torch.float32: 1e-6, torch.float64: 1e-14}
"""Changes of u over ten iterations that rounding alone can cause, about; a smaller `tol` would never be reached."""

_BACKWARD_TOL = {torch.float32: 1e-4, torch.float64: 1e-6}
"""Change of dL/dy over ten iterations at which the backward ends, over the largest entry of dL/du."""


_SEARCH_TOL = 3e-5
"""Ten times the default: an rms error of about 1e-4, a hundredth of that of a denoised image."""

_PIXELS = 2**16
"""Of a batch that costs little more than one small image: below, the time goes into starting operations."""


@final
class Admm(Solver):
    """Any regularizer on CPU, CUDA and MPS, in float32 or float64.

    Args:
        regularizer: what is minimised.
        tol: change of u over ten iterations (rms, over the range of the image) at which an image is done. At 3e-6 the
            image is right to about 1e-5 rms.
        max_iter: iterations after which an image is given back as it is (`converged=False`), >= 1; those of the
            backward are limited alike.
        dtype: torch.float32 or torch.float64 (or the word): the precision that it computes in, whatever the tensors'.

    Raises:
        ValueError: a regularizer without a symbol, another dtype, max_iter < 1, or tol below what dtype resolves.
    """

    name = "admm"
    takes_weights = True

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
            raise ValueError(
                f"tol must be at least {_FLOORS[found]:g} in {str(found).removeprefix('torch.')}, where rounding alone "
                f"changes an image by as much; got {tol:g}. Take a larger tol, or dtype=torch.float64."
            )
        self.max_iter = positive_int("max_iter", max_iter)

    @classmethod
    def refusal(cls, regularizer: Regularizer) -> str | None:
        if any(term.operator.symbol(2, 2) is None for term in regularizer.terms):
            return "it needs operators that a cosine basis diagonalises"
        return None

    @property
    def workplace(self) -> Workplace:
        return Workplace(None, self.dtype, own_units=False)

    def for_search(self) -> Solver:
        return Admm(self.regularizer, max(self.tol, _SEARCH_TOL), self.max_iter, self.dtype)

    def batch_size(self, wanted: int, height: int, width: int) -> int:
        return max(wanted, _PIXELS // (height * width))

    def solve(self, data: DataTerm, lam: Map) -> RawSolution:
        y = data.y
        if y.device.type != "cpu":
            from difftv.solvers._admm.self_test import check_device

            check_device(y.device, self.dtype)
        with as_many_as_pay(y.numel(), y.device):
            u, v, gap, iterations, converged = _Minimiser.apply(y, lam, data.weight, data, self)
        return RawSolution(u, gap, iterations, converged, v if self.regularizer.auxiliary else None)


class _Minimiser(torch.autograd.Function):
    """(y, maps, weight) -> u*, v, gap, iterations, converged; y and weight are those of `data`."""

    @staticmethod
    def forward(ctx, y: Tensor, maps: Tensor, weight: Tensor | None, data: DataTerm, solver: Admm):
        problem = Problem.of(solver.regularizer, replace(data, y=y.contiguous()), maps.contiguous())
        found = problem.solve(solver.tol, solver.max_iter)
        ctx.problem, ctx.solver = problem, solver
        ctx.save_for_backward(*found.states)
        x = problem.unit * found.x
        duals = [problem.unit * term.step(state) for term, state in zip(problem.terms, found.states, strict=False)]
        weights = problem.unit * problem.maps
        centred = problem.data.measured(lambda part: problem.unit * part)
        gap = certificate(solver.regularizer, x, torch.cat(duals, dim=1), centred, weights)
        gap = gap.detach().cpu().double()
        channels = solver.regularizer.channels
        v = x[:, channels:].contiguous()
        ctx.mark_non_differentiable(v, gap, found.iterations, found.converged)
        return x[:, :channels] + problem.offset, v, gap, found.iterations, found.converged

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, *_: Tensor):
        problem, solver = ctx.problem, ctx.solver
        with solver.workplace.undisturbed(grad.device), as_many_as_pay(grad.numel(), grad.device):
            tol = _BACKWARD_TOL[solver.dtype]
            by_y, by_maps, by_weight = problem.pull_back(ctx.saved_tensors, grad.contiguous(), tol, solver.max_iter)
        return by_y, by_maps, by_weight, None, None
