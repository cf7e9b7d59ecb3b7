"""How the problem is solved: the contract of every solver, and the conversion between devices and precisions.

    u*(y, maps, w) = argmin_u  sum_i w_i/2 (u_i - y_i)^2 + R(u; maps)       within the bounds of the regularizer

The predictor may be on an accelerator in float32; a solver states where it works and in which precision.
`Solver.forward` converts: towards a solver on the CPU the tensors change device first and precision second, and
the other way round on the way back, so nothing float64 ever exists on the accelerator (MPS has no float64). Autograd
runs the same casts backwards.
"""

import abc
import contextlib
import inspect
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from difftv.linear.forward import as_operator
from difftv.problem.data_term import DataTerm, within
from difftv.problem.data_weight import normalised
from difftv.problem.problem import Problem
from difftv.problem.units import Units
from difftv.regularizers.base import Regularizer
from difftv.solvers.behind_operator import solve_behind
from difftv.solvers.bridge import Bridge, SolveTime, refuse_transforms
from difftv.solvers.checks import check_kinds, check_precision, check_values
from difftv.solvers.registry import refusal_message
from difftv.solvers.solution import RawSolution, Solution
from difftv.types import Image, Map

__all__ = ["RawSolution", "Solution", "SolveTime", "Solver", "Workplace"]


@dataclass(frozen=True)
class Workplace:
    """Where a solver works, and in which precision.

    Attributes:
        device: None = wherever the noisy images are.
        dtype: dtype that all tensors are cast to.
    """

    device: torch.device | None
    dtype: torch.dtype

    def device_for(self, device: torch.device | str) -> torch.device:
        """Where to keep the images of a run on `device`: there, unless the solver works elsewhere in any case."""
        return torch.device(device) if self.device is None else self.device

    def to(self, tensor: Tensor) -> Tensor:
        """The tensor there: device first, for the precision may not exist where it comes from."""
        return tensor.to(device=tensor.device if self.device is None else self.device).to(dtype=self.dtype)

    @contextlib.contextmanager
    def isolated(self, source: torch.device) -> Iterator[None]:
        """Without autocast, and on the CPU without another default device, for tensors that come from `source`."""
        device = source if self.device is None else self.device
        with contextlib.ExitStack() as stack:
            if torch.amp.is_autocast_available(device.type):
                stack.enter_context(torch.autocast(device.type, enabled=False))
            if device.type == "cpu":
                stack.enter_context(torch.device("cpu"))
            yield


class Solver(nn.Module, abc.ABC):
    """A differentiable layer (noisy, maps) -> Solution. Subclasses write `solve`; nothing else is overridden.

    A solver puts nothing into `state_dict`, and no call leaves a trace in the next one.
    """

    name: ClassVar[str]
    """The word that selects it on the command line."""

    def __init__(self, regularizer: Regularizer) -> None:
        super().__init__()
        reason = self.refusal(regularizer)
        if reason is not None:
            raise ValueError(refusal_message(self.name, regularizer, None, reason))
        self.regularizer = regularizer

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if len(inspect.signature(inspect.unwrap(cls.solve)).parameters) != 2:
            raise TypeError(
                f"{cls.__name__}.solve must take a Problem, which holds the data term and the maps: "
                "solve(self, problem). Earlier versions handed over both."
            )

    @classmethod
    def refusal(cls, regularizer: Regularizer, data: DataTerm | None = None) -> str | None:
        """Why this solver cannot take the problem; None where it can.

        Args:
            regularizer: regularizer of which the structure counts, not the numbers.
            data: the data term, of which it counts what it has; None stands for 1/2 ||u - y||^2.
        """
        return None

    def worker(self, data: DataTerm | None) -> "Solver":
        """The solver that solves such a problem: this one, unless it is a choice between several."""
        return self

    @property
    def workplace(self) -> Workplace:
        """Where `solve` wants its tensors."""
        return Workplace(torch.device("cpu"), torch.float64)

    @abc.abstractmethod
    def solve(self, problem: Problem) -> RawSolution:
        """The minimiser for at least one image at the `workplace`, in units in which its range is about 2.

        Bounds hold up to rounding; a solver that cannot keep them says so in `refusal`.

        Raises:
            SolverError: the backend gave no answer for some image.
        """

    def check_size(self, *space: int) -> None:
        """Refuse an image size that this solver cannot handle on this machine, before any work.

        Raises:
            ProblemTooLargeError: with the estimate, the limit and the alternatives.
        """

    def bytes_needed(self, *space: int) -> int:
        """Memory that one image of that size takes at the peak of its solve, about; 0 where it was not measured."""
        return 0

    @final  # type: ignore[misc]  # torch types `forward` as an attribute
    def forward(
        self, noisy: Tensor, lam: Map, data_weight: Tensor | None = None, *, operator: object = None
    ) -> Solution:
        """Solve, on whatever device and in whatever dtype the tensors come.

        Every image is solved in units of its own (`difftv.problem.units`), so that a tolerance means the same in
        metres, in counts and in [0, 1]. Under `torch.compile` this is a graph break.

        Args:
            noisy: (batch, channels, *space), with the axes and channels that the regularizer is for (one channel:
                gray), floating point, in any units, nominally in [0, 1].
            lam: the maps, (batch, num_maps, *space), >= 0, in the same units; larger = smoother.
            data_weight: w, shaped like `noisy`, finite and >= 0: of every pixel 1 / (variance of its noise), up to a
                factor that goes into lam; smaller = smoother. 0 is a missing pixel, whose value does not matter and may
                be NaN. None = 1 everywhere. Pixels of weight 0 have no gradient, neither in `noisy` nor in w. Where w
                and lam vanish together, any value may come back.
            operator: A, a forward operator (`difftv.linear.as_operator` says which objects are taken): `noisy` are
                then measurements, w is shaped like them, and lam like the image. None = the identity.

        Returns:
            Solution; `denoised` is differentiable in all arguments, once.

        Raises:
            TypeError: an argument is not a tensor.
            ValueError: a shape does not fit, a tensor is not floating point or holds NaN, `noisy` an infinity, or
                `lam` a negative value; or `noisy` is float64 and would lose its contrast in the solver's precision.
            SolverError: the backend gave no answer for some image.
        """
        if operator is not None:
            return torch.compiler.disable(solve_behind)(self, noisy, lam, data_weight, as_operator(operator))
        if torch.compiler.is_compiling():
            return torch.compiler.disable(self._forward)(noisy, lam, data_weight)
        return self._forward(noisy, lam, data_weight)

    def _forward(self, noisy: Image, given: Map, data_weight: Image | None) -> Solution:
        check_kinds(noisy, given, self.regularizer)
        maps = given
        if data_weight is not None:
            stated = DataTerm(noisy, weight=data_weight)
            worker = self.worker(stated)
            if worker is not self:
                return worker._forward(noisy, given, data_weight)
            reason = self.refusal(self.regularizer, stated)
            if reason is not None:
                raise ValueError(refusal_message(self.name, self.regularizer, stated, reason))
            noisy, maps, data_weight = normalised(noisy, given, data_weight, self.regularizer)
        seconds, workplace = SolveTime(), self.workplace
        # Neither the caller's default device nor its autocast is meant for what happens in a solver.
        with workplace.isolated(noisy.device):
            y, maps = workplace.to(noisy), workplace.to(maps)
            refuse_transforms(y)
            check_precision(noisy.detach(), workplace.dtype)
            check_values(y.detach(), maps.detach(), self.regularizer)
            units = Units.of(y, scaled=self.regularizer.equivariant)
            bridge = Bridge(units, seconds)
            weight = None if data_weight is None else workplace.to(data_weight)
            problem = bridge.to_solver(y, maps, weight, self.regularizer)
            started = time.perf_counter()
            raw = self.solve(problem) if len(y) else _no_images(problem)
            seconds.forward = time.perf_counter() - started
            denoised = within(bridge.to_caller(raw.u).to(dtype=noisy.dtype), self.regularizer.bounds)
            auxiliary = None if raw.auxiliary is None else units.differences(raw.auxiliary).to(dtype=noisy.dtype)
        return Solution(
            denoised=denoised.to(device=noisy.device),
            lam=given,
            gap=raw.gap,
            iterations=raw.iterations,
            converged=raw.converged,
            auxiliary=None if auxiliary is None else auxiliary.to(device=noisy.device),
            seconds=seconds,
        )


def _no_images(problem: Problem) -> RawSolution:
    y, auxiliary = problem.data.y, problem.regularizer.auxiliary
    none = torch.zeros(0, dtype=torch.float64, device="cpu")
    v = y.new_zeros(0, auxiliary, *y.shape[2:]) if auxiliary else None
    return RawSolution(y + 0 * problem.maps.sum(), none, none.long(), none.bool(), v)
