"""How the problem is solved: the contract of every solver, and the bridge between devices.

    u*(y, lam) = argmin_u  1/2 ||u - y||^2 + R_lam(u)

The predictor may live on an accelerator in float32; the solvers work on the CPU in float64. `Solver.forward` is the
bridge: the tensors change device first and precision second on the way in, and the other way round on the way out,
so nothing float64 ever exists on the accelerator (MPS has no float64). Autograd runs the same casts backwards.
"""

import abc
import time
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from difftv.regularizers.base import Regularizer
from difftv.types import CountPerImage, Dual, FlagPerImage, Image, Map, PerImage


@dataclass
class SolveTime:
    """Wall-clock seconds spent in one solve. `backward` stays 0 until the gradient has been computed."""

    forward: float = 0.0
    backward: float = 0.0


@dataclass(frozen=True)
class Solution:
    """What a solver answers, one entry per image of the batch.

    Attributes:
        denoised: the minimiser u*, on the device and in the dtype of the noisy image, differentiable.
        lam: the map it was solved with.
        gap: relative duality gap (see `relative_gap`), detached float64 on the CPU.
        iterations: iterations that the backend took.
        converged: whether the backend reached its tolerance.
        seconds: time spent in the solver; its `backward` is filled in when the gradient is computed.
    """

    denoised: Image
    lam: Map
    gap: PerImage
    iterations: CountPerImage
    converged: FlagPerImage
    seconds: SolveTime = field(default_factory=SolveTime, compare=False)


@dataclass(frozen=True)
class RawSolution:
    """What a solver's `solve` returns, all of it on the CPU: u* (float64, differentiable) and the facts about it."""

    u: Image
    gap: PerImage
    iterations: CountPerImage
    converged: FlagPerImage


class Solver(nn.Module, abc.ABC):
    """A differentiable layer (noisy, lam) -> Solution. Subclasses write `solve`; nothing else is overridden.

    A solver has no parameters and puts nothing into `state_dict`. Whatever it caches is rebuilt after a copy or an
    unpickle, and no call leaves a trace in the next one.
    """

    def __init__(self, regularizer: Regularizer) -> None:
        super().__init__()
        self.regularizer = regularizer

    @abc.abstractmethod
    def solve(self, y: Image, lam: Map) -> RawSolution:
        """The minimiser for CPU float64 tensors; `lam` has the regularizer's channels and the size of `y`.

        Raises:
            SolverError: the backend gave no answer for some image.
        """

    def check_size(self, height: int, width: int) -> None:
        """Refuse an image size that this solver cannot handle on this machine, before any work.

        Raises:
            ProblemTooLargeError: with the estimate, the limit and the alternatives.
        """

    @final  # type: ignore[misc]  # torch types `forward` as an attribute
    def forward(self, noisy: Image, lam: Map) -> Solution:
        """Solve, on whatever device and in whatever dtype the tensors come.

        Args:
            noisy: (batch, 1, height, width), intensities nominally in [0, 1].
            lam: (batch, num_maps, height, width), >= 0; larger = smoother.

        Returns:
            Solution; `denoised` is differentiable in both arguments.

        Raises:
            ValueError: a shape does not fit, a tensor holds NaN, `noisy` an infinity, or `lam` a negative value.
            SolverError: the backend gave no answer for some image.
        """
        _check(noisy, lam, self.regularizer)
        seconds = SolveTime()
        clock = _BackwardClock(seconds)
        y, weights = _ClockStop.apply(clock, *(_to_solver(tensor) for tensor in (noisy, lam)))
        started = time.perf_counter()
        raw = self.solve(y, weights)
        seconds.forward = time.perf_counter() - started
        u = _ClockStart.apply(clock, raw.u)
        return Solution(
            denoised=u.to(dtype=noisy.dtype).to(device=noisy.device),
            lam=lam,
            gap=raw.gap,
            iterations=raw.iterations,
            converged=raw.converged,
            seconds=seconds,
        )


def relative_gap(regularizer: Regularizer, u: Image, p: Dual, y: Image, lam: Map) -> PerImage:
    """Relative duality gap of the pair (u, p), a certificate of how far u is from the minimiser.

        gap = (P(u) - D(p)) / (1/2 ||y - mean(y)||^2),
        P(u) = 1/2 ||u - y||^2 + R_lam(u),   D(p) = 1/2 ||y||^2 - 1/2 ||y - K^T p||^2,   p projected onto C_lam first.

    The denominator is the objective of the constant image, an upper bound of the optimum that does not vanish where
    lam = 0 does; it is floored at the energy of an image of contrast 1e-6, for constant images. By strong convexity
    1/2 ||u - u*||^2 <= P(u) - D(p).

    Returns:
        (batch,), >= 0 up to rounding, 0 at the optimum.
    """
    p = regularizer.project(p, lam)
    residual = y - regularizer.adjoint(p)
    # D(p) is written around u so that two nearly equal energies are not subtracted.
    primal = 0.5 * (u - y).square().sum(dim=(1, 2, 3)) + regularizer.value(u, lam)
    dual = 0.5 * ((y - residual) * (y + residual)).sum(dim=(1, 2, 3))
    contrast = y - y.mean(dim=(1, 2, 3), keepdim=True)
    scale = 0.5 * contrast.square().sum(dim=(1, 2, 3)).clamp_min(1e-12 * contrast[0].numel())
    return (primal - dual) / scale


def _to_solver(tensor: Tensor) -> Tensor:
    return tensor.to(device="cpu").to(dtype=torch.float64)


def _check(noisy: Tensor, lam: Tensor, regularizer: Regularizer) -> None:
    if noisy.ndim != 4 or noisy.shape[1] != 1:
        raise ValueError(
            f"noisy must have shape (batch, 1, height, width), got {tuple(noisy.shape)}. "
            "Denoise colour images channel by channel: images.reshape(-1, 1, height, width)."
        )
    expected = (noisy.shape[0], regularizer.num_maps, *noisy.shape[2:])
    if tuple(lam.shape) != expected:
        raise ValueError(
            f"lam must have shape {expected} (batch, num_maps, height, width) for regularizer="
            f"{regularizer.name}, got {tuple(lam.shape)}. A scalar goes in as torch.full({expected}, value)."
        )
    for name, tensor in (("noisy", noisy), ("lam", lam)):
        if not tensor.is_floating_point():
            raise ValueError(f"{name} must be floating point, got {tensor.dtype}. Convert it with .float().")
    if not bool(noisy.detach().isfinite().all()):
        raise ValueError(
            f"noisy holds NaN or infinity in image(s) {_images(~noisy.detach().isfinite())} of the batch. "
            "Check the input images."
        )
    if bool(lam.detach().isnan().any()):
        raise ValueError(
            f"lam holds NaN in image(s) {_images(lam.detach().isnan())} of the batch. "
            "Training has diverged: lower optimizer.lr or trainer.grad_clip."
        )
    if bool((lam.detach() < 0).any()):
        raise ValueError(
            f"lam must be >= 0 everywhere, its minimum is {float(lam.detach().min()):.3g}. "
            "A predictor makes its map positive with softplus."
        )


def _images(flags: Tensor) -> list[int]:
    return [int(index) for index in flags.flatten(1).any(1).nonzero().flatten()]


class _BackwardClock:
    """Measures the time between the gradient entering the solver (`_ClockStart`) and leaving it (`_ClockStop`)."""

    def __init__(self, seconds: SolveTime) -> None:
        self.seconds = seconds
        self.started = 0.0


class _ClockStart(torch.autograd.Function):
    @staticmethod
    def forward(ctx, clock: _BackwardClock, u: Tensor) -> Tensor:
        ctx.clock = clock
        return u.view_as(u)

    @staticmethod
    def backward(ctx, grad: Tensor):
        ctx.clock.started = time.perf_counter()
        return None, grad


class _ClockStop(torch.autograd.Function):
    @staticmethod
    def forward(ctx, clock: _BackwardClock, *tensors: Tensor):
        ctx.clock = clock
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx, *grads: Tensor):
        ctx.clock.seconds.backward += time.perf_counter() - ctx.clock.started
        return None, *grads
