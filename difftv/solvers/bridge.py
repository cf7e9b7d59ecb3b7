"""What autograd sees of a solve: in units of the image on the way in, in those of the caller on the way out.

With y = 2^e y' + c, lam = 2^e lam' and u = 2^e u' + c (`difftv.problem.units`), the chain rule multiplies a gradient by
2^e where it enters the backward of the solver and by 2^-e where it leaves, and in between it is linear. Both factors
are left out, and the gradient is scaled to about 1 per image instead: the cone solvers' backward (LSQR) has absolute
tolerances, under which the gradient of a mean over many pixels would come out as zero.
"""

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from difftv.problem.data_term import DataTerm
from difftv.problem.problem import Problem
from difftv.problem.units import Units, scaled
from difftv.regularizers.base import Regularizer
from difftv.space import inner
from difftv.types import Image, Map


@dataclass
class SolveTime:
    """Wall-clock seconds spent in one solve. `backward` stays 0 until the gradient has been computed."""

    forward: float = 0.0
    backward: float = 0.0


class Bridge:
    """The two ends of one solve. What is between them is timed in the backward, and differentiated once at most.

    Args:
        units: those of the solver.
        seconds: where the time of the backward is added.
    """

    def __init__(self, units: Units, seconds: SolveTime) -> None:
        self.units = units
        self.seconds = seconds
        self.started = 0.0
        self.exponent = np.zeros(0, np.int64)  # of the gradient that is on its way, image by image

    def to_solver(self, y: Image, maps: Map, weight: Image | None, regularizer: Regularizer) -> Problem:
        """The problem in the units of the solver."""
        bounds = DataTerm.of(y.detach(), regularizer.bounds)
        if weight is None:
            y, maps = _ToSolver.apply(self, y, maps, None)
        else:
            y, maps, weight = _ToSolver.apply(self, y, maps, weight)
        lower, upper = (None if side is None else self.units.data(side) for side in (bounds.lower, bounds.upper))
        return Problem(DataTerm(y, lower, upper, weight), regularizer, maps)

    def to_caller(self, u: Image) -> Image:
        """The solver's answer, for the caller."""
        return _ToCaller.apply(self, u)


def refuse_transforms(tensor: Tensor) -> None:
    """Say which way of differentiating is meant, where torch would name its internals instead.

    Raises:
        NotImplementedError: under `torch.func`, whose transforms no solver supports.
    """
    try:
        _Nothing.apply(tensor)
    except RuntimeError as error:
        raise NotImplementedError(
            "A solver runs under autograd (backward, torch.autograd.grad), not under torch.func transforms. "
            "Instead of vmap, stack the images along the first dimension."
        ) from error


def _refuse_batched(grad: Tensor) -> None:
    """The same for `jacobian(..., vectorize=True)` and `is_grads_batched=True`, which batch the backward alone."""
    try:
        grad.detach()
    except RuntimeError as error:
        raise NotImplementedError(
            "The backward of a solver takes one gradient at a time: jacobian(..., vectorize=False), without "
            "is_grads_batched."
        ) from error


class _Nothing(torch.autograd.Function):
    """Like every function without `setup_context`, an error under `torch.func`."""

    @staticmethod
    def forward(ctx, tensor: Tensor) -> None:
        return None


class _ToSolver(torch.autograd.Function):
    @staticmethod
    def forward(ctx, bridge: Bridge, y: Tensor, maps: Tensor, weight: Tensor | None):
        ctx.bridge = bridge
        ctx.save_for_backward(y, maps, weight)
        y, maps = bridge.units.data(y), bridge.units.maps(maps)
        # Views, so that tensors which are solved as they are do not come back as themselves.
        return (y.view_as(y), maps.view_as(maps), *(() if weight is None else (weight.view_as(weight),)))

    @staticmethod
    def backward(ctx, *grads: Tensor):
        bridge = ctx.bridge
        found = _Once.apply(bridge, *ctx.saved_tensors, *grads)
        bridge.seconds.backward += time.perf_counter() - bridge.started
        return None, *found, *([None] * (3 - len(found)))


class _Once(torch.autograd.Function):
    """The gradient in the units of the caller, as a function of all that it depends on.

    Everything that could be differentiated once more goes through here, so that no second derivative is a silent zero.
    """

    @staticmethod
    def forward(ctx, bridge: Bridge, y: Tensor, maps: Tensor, weight: Tensor | None, *grads: Tensor):
        # A weight has no units: of the two factors above, the one of the way in stays.
        own = bridge.exponent, bridge.exponent, bridge.exponent + bridge.units.exponent
        return tuple(scaled(grad, exponent).view_as(grad) for grad, exponent in zip(grads, own, strict=False))

    @staticmethod
    def backward(ctx, *_: Tensor):
        raise RuntimeError(
            "A solver is differentiable once: there is no second derivative of the minimiser (hessian, a gradient of a "
            "gradient, forward-over-reverse). Take finite differences of first derivatives, or detach the first ones."
        )


class _ToCaller(torch.autograd.Function):
    @staticmethod
    def forward(ctx, bridge: Bridge, u: Tensor) -> Tensor:
        ctx.bridge = bridge
        return bridge.units.image(u).clone()  # memory of its own: the caller may change it in place

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        bridge = ctx.bridge
        _refuse_batched(grad)
        bridge.started = time.perf_counter()
        largest = grad.detach().abs().amax(dim=inner(grad), keepdim=True).cpu().double().numpy()
        bridge.exponent = np.where(np.isfinite(largest), np.frexp(largest)[1], 0)
        return None, scaled(grad, -bridge.exponent)
