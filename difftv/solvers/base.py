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
from difftv.solvers.bridge import Bridge, SolveTime, refuse_transforms
from difftv.solvers.units import Units
from difftv.types import CountPerImage, Dual, FlagPerImage, Image, Map, PerImage


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

        Every image is solved in units of its own (`difftv.solvers.units`), so that a tolerance means the same in
        metres, in counts and in [0, 1]. Under `torch.compile` this is a graph break.

        Args:
            noisy: (batch, 1, height, width), floating point, in any units, nominally in [0, 1].
            lam: (batch, num_maps, height, width), >= 0, in the same units; larger = smoother.

        Returns:
            Solution; `denoised` is differentiable in both arguments, once.

        Raises:
            TypeError: an argument is not a tensor.
            ValueError: a shape does not fit, a tensor is not floating point or holds NaN, `noisy` an infinity, or
                `lam` a negative value.
            SolverError: the backend gave no answer for some image.
        """
        if torch.compiler.is_compiling():
            return torch.compiler.disable(self._forward)(noisy, lam)
        return self._forward(noisy, lam)

    def _forward(self, noisy: Image, lam: Map) -> Solution:
        _check_kinds(noisy, lam, self.regularizer)
        seconds = SolveTime()
        # Neither the caller's default device nor its autocast is meant for what happens on the CPU in float64.
        with torch.device("cpu"), torch.autocast("cpu", enabled=False):
            y, weights = (tensor.to(device="cpu").to(dtype=torch.float64) for tensor in (noisy, lam))
            refuse_transforms(y)
            _check_values(y.detach(), weights.detach())
            units = Units.of(y) if self.regularizer.equivariant else Units.as_they_are(y)
            bridge = Bridge(units, seconds)
            y, weights = bridge.enter(y, weights)
            started = time.perf_counter()
            raw = self.solve(y, weights)
            seconds.forward = time.perf_counter() - started
            denoised = bridge.leave(raw.u).to(dtype=noisy.dtype)
        return Solution(
            denoised=denoised.to(device=noisy.device),
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
    lam = 0 does. Of a constant image it is 0; the gap is then that of an image of contrast 1e-6 in the units that the
    solver works in. By strong convexity 1/2 ||u - u*||^2 <= P(u) - D(p).

    Returns:
        (batch,), >= 0 up to rounding, 0 at the optimum.
    """
    p = regularizer.project(p, lam)
    residual = y - regularizer.adjoint(p)
    # D(p) is written around u so that two nearly equal energies are not subtracted.
    primal = 0.5 * (u - y).square().sum(dim=(1, 2, 3)) + regularizer.value(u, lam)
    dual = 0.5 * ((y - residual) * (y + residual)).sum(dim=(1, 2, 3))
    contrast = y - y.mean(dim=(1, 2, 3), keepdim=True)
    scale = 0.5 * contrast.square().sum(dim=(1, 2, 3))
    return (primal - dual) / torch.where(scale > 0, scale, 0.5e-12 * y[0].numel())


def _check_kinds(noisy: Tensor, lam: Tensor, regularizer: Regularizer) -> None:
    """What can be told without looking at a single number."""
    for name, tensor in (("noisy", noisy), ("lam", lam)):
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{name} must be a torch.Tensor, got {type(tensor).__module__}.{type(tensor).__qualname__}. "
                "Convert an array with torch.from_numpy(array)[None, None]."
            )
    if noisy.ndim != 4 or noisy.shape[1] != 1:
        raise ValueError(
            f"noisy must have shape (batch, 1, height, width), got {tuple(noisy.shape)}. "
            "Denoise colour images channel by channel: images.reshape(-1, 1, height, width)."
        )
    if 0 in noisy.shape[2:]:
        raise ValueError(f"noisy must have at least one pixel per image, got shape {tuple(noisy.shape)}.")
    expected = (noisy.shape[0], regularizer.num_maps, *noisy.shape[2:])
    if tuple(lam.shape) != expected:
        raise ValueError(
            f"lam must have shape {expected} (batch, num_maps, height, width) for {regularizer.name} total variation "
            f"with num_maps={regularizer.num_maps}, got {tuple(lam.shape)}. "
            f"A scalar goes in as torch.full({expected}, value)."
        )
    for name, tensor in (("noisy", noisy), ("lam", lam)):
        if not tensor.is_floating_point():
            raise ValueError(f"{name} must be floating point, got {tensor.dtype}. Convert it with .float().")


def _check_values(noisy: Image, lam: Map) -> None:
    if not bool(noisy.isfinite().all()):
        raise ValueError(
            f"noisy holds NaN or infinity in image(s) {_images(~noisy.isfinite())} of the batch. "
            "Check the input images."
        )
    if bool(lam.isnan().any()):
        raise ValueError(
            f"lam holds NaN in image(s) {_images(lam.isnan())} of the batch. "
            "If a network predicts it, its training has diverged: lower the learning rate or clip gradients."
        )
    if bool((lam < 0).any()):
        raise ValueError(
            f"lam must be >= 0 everywhere, its minimum is {float(lam.min()):.3g}. "
            "A predictor makes its map positive with softplus."
        )


def _images(flags: Tensor) -> list[int]:
    return [int(index) for index in flags.flatten(1).any(1).nonzero().flatten()]
