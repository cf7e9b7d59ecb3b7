"""What autograd sees of a solve: in units of the image on the way in, in those of the caller on the way out.

With y = 2^e y' + c, lam = 2^e lam' and u = 2^e u' + c (`difftv.solvers.units`), the chain rule multiplies a gradient by
2^e where it enters the backward of the solver and by 2^-e where it leaves, and in between it is linear. Both factors
are left out, and the gradient is scaled to about 1 per image instead: the cone solvers' backward (LSQR) has absolute
tolerances, under which the gradient of a mean over many pixels would come out as zero.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from difftv.regularizers.bounds import Bounds
from difftv.solvers.data_term import DataTerm
from difftv.solvers.units import Units, scaled
from difftv.types import Fields, Image, Map


@dataclass
class SolveTime:
    """Wall-clock seconds spent in one solve. `backward` stays 0 until the gradient has been computed."""

    forward: float = 0.0
    backward: float = 0.0


class Bridge:
    """The two ends of one solve. What is between them is timed in the backward, and differentiated once at most.

    Args:
        units: those of the solver; None for one that brings its own: values and gradients then pass as they are.
        seconds: where the time of the backward is added.
    """

    def __init__(self, units: Units | None, seconds: SolveTime) -> None:
        self.units = units
        self.seconds = seconds
        self.started = 0.0
        self.exponent = np.zeros(0, np.int64)  # of the gradient that is on its way, image by image

    def enter(self, y: Image, lam: Map, weight: Image | None) -> tuple[Image, Map, Image | None]:
        """Data, maps and weights of the pixels for the solver."""
        if weight is None:
            return (*_Enter.apply(self, y, lam, None), None)
        return _Enter.apply(self, y, lam, weight)

    def data_term(self, y: Image, bounds: Bounds | None, weight: Image | None) -> DataTerm:
        """The data term of images that have entered; the bounds are those of the caller."""
        data = DataTerm.of(y, bounds, weight)
        if self.units is None or data.lower is None or data.upper is None:
            return data
        return replace(data, lower=self.units.data(data.lower), upper=self.units.data(data.upper))

    def leave(self, u: Image) -> Image:
        """The solver's answer, for the caller."""
        return _Leave.apply(self, u)

    def differences(self, v: Fields) -> Fields:
        """An auxiliary field, which has no offset, for the caller."""
        return v if self.units is None else scaled(v, self.units.exponent)


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


class _Enter(torch.autograd.Function):
    @staticmethod
    def forward(ctx, bridge: Bridge, y: Tensor, lam: Tensor, weight: Tensor | None):
        ctx.bridge = bridge
        if bridge.units is not None:
            y, lam = bridge.units.data(y), bridge.units.maps(lam)
        # Views, so that tensors which are solved as they are do not come back as themselves.
        return (y.view_as(y), lam.view_as(lam), *(() if weight is None else (weight.view_as(weight),)))

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads: Tensor):
        bridge = ctx.bridge
        if bridge.units is not None:
            # A weight has no units: of the two factors above, the one of the way in stays.
            own = bridge.exponent, bridge.exponent, bridge.exponent + bridge.units.exponent
            grads = tuple(scaled(grad, exponent) for grad, exponent in zip(grads, own, strict=False))
        bridge.seconds.backward += time.perf_counter() - bridge.started
        return None, *grads, *([None] * (3 - len(grads)))


class _Leave(torch.autograd.Function):
    @staticmethod
    def forward(ctx, bridge: Bridge, u: Tensor) -> Tensor:
        ctx.bridge = bridge
        image = u if bridge.units is None else bridge.units.image(u)
        return image.clone()  # memory of its own: the caller may change it in place

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        bridge = ctx.bridge
        _refuse_batched(grad)
        bridge.started = time.perf_counter()
        if bridge.units is None:
            return None, grad
        largest = grad.detach().abs().amax(dim=(1, 2, 3), keepdim=True).numpy()
        bridge.exponent = np.where(np.isfinite(largest), np.frexp(largest)[1], 0)
        return None, scaled(grad, -bridge.exponent)
