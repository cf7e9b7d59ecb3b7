"""How the problem is solved: the contract of every solver, and the conversion between devices and precisions.

    u*(y, lam, w) = argmin_u  sum_i w_i/2 (u_i - y_i)^2 + R_lam(u)      subject to the bounds of the regularizer, if any

The predictor may be on an accelerator in float32; a solver states where it works and in which precision.
`Solver.forward` converts: towards a solver on the CPU the tensors change device first and precision second, and
the other way round on the way back, so nothing float64 ever exists on the accelerator (MPS has no float64). Autograd
runs the same casts backwards.
"""

import abc
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from difftv.regularizers.base import Regularizer
from difftv.solvers.bridge import Bridge, SolveTime, refuse_transforms
from difftv.solvers.data_term import DataTerm, within
from difftv.solvers.gap import relative_gap
from difftv.solvers.units import Units
from difftv.solvers.weighing import weighed
from difftv.types import CountPerImage, Fields, FlagPerImage, Image, Map, PerImage

__all__ = ["RawSolution", "Solution", "SolveTime", "Solver", "Workplace", "relative_gap"]


@dataclass(frozen=True)
class Solution:
    """What a solver answers, one entry per image of the batch.

    Attributes:
        denoised: the minimiser u*, on the device and in the dtype of the noisy image, differentiable.
        lam: the map it was solved with.
        gap: relative duality gap (see `relative_gap`), detached float64 on the CPU.
        iterations: iterations that the backend took.
        converged: whether the backend reached its tolerance.
        auxiliary: the auxiliary field v of a regularizer that has one, (batch, 2, height, width) (two for every channel
            of the image), detached, else None.
        seconds: time spent in the solver; its `backward` is filled in when the gradient is computed.
    """

    denoised: Image
    lam: Map
    gap: PerImage
    iterations: CountPerImage
    converged: FlagPerImage
    auxiliary: Fields | None = None
    seconds: SolveTime = field(default_factory=SolveTime, compare=False)


@dataclass(frozen=True)
class RawSolution:
    """What a solver's `solve` returns: u* (differentiable) and v where it works, the facts about them on the CPU."""

    u: Image
    gap: PerImage
    iterations: CountPerImage
    converged: FlagPerImage
    auxiliary: Fields | None = None


@dataclass(frozen=True)
class Workplace:
    """Where a solver works, and in which precision.

    Attributes:
        device: None = wherever the noisy images are.
        dtype: what both tensors are cast to.
        own_units: whether the solver wants every image in units of its own (`difftv.solvers.units`: CPU, float64).
    """

    device: torch.device | None
    dtype: torch.dtype
    own_units: bool

    def nearest(self, device: torch.device | str) -> torch.device:
        """Where to keep the images of a run on `device`: there, unless the solver works elsewhere in any case."""
        return torch.device(device) if self.device is None else self.device

    def bring(self, tensor: Tensor) -> Tensor:
        """The tensor there: device first, for the precision may not exist where it comes from."""
        return tensor.to(device=tensor.device if self.device is None else self.device).to(dtype=self.dtype)

    @contextlib.contextmanager
    def undisturbed(self, source: torch.device) -> Iterator[None]:
        """Without autocast, and on the CPU without another default device, for tensors that come from `source`."""
        device = source if self.device is None else self.device
        with contextlib.ExitStack() as stack:
            if torch.amp.is_autocast_available(device.type):
                stack.enter_context(torch.autocast(device.type, enabled=False))
            if device.type == "cpu":
                stack.enter_context(torch.device("cpu"))
            yield


class Solver(nn.Module, abc.ABC):
    """A differentiable layer (noisy, lam) -> Solution. Subclasses write `solve`; nothing else is overridden.

    A solver has no parameters and puts nothing into `state_dict`. Whatever it caches is rebuilt after a copy or an
    unpickle, and no call leaves a trace in the next one.
    """

    name: ClassVar[str]
    """The word that selects it on the command line."""

    takes_weights: bool = False
    """Whether it takes weights of the pixels in the data term."""

    def __init__(self, regularizer: Regularizer) -> None:
        super().__init__()
        reason = self.refusal(regularizer)
        if reason is not None:
            from difftv.solvers.choice import solvers_for

            raise ValueError(
                f"{self.name} cannot take {regularizer.name}: {reason}. "
                f"Solvers that take it: {', '.join(solver.name for solver in solvers_for(regularizer))}."
            )
        self.regularizer = regularizer

    @classmethod
    def refusal(cls, regularizer: Regularizer) -> str | None:
        """Why this solver cannot take the regularizer, as far as its structure goes; None where it can."""
        return None

    def _check_takes_weights(self) -> None:
        if not self.takes_weights:
            raise ValueError(
                f"data_weight: {self.name} does not weigh pixels. Take admm or a cone solver, "
                f"Admm({type(self.regularizer).__name__}(...)); a constant weight c is the same as lam / c."
            )

    @property
    def workplace(self) -> Workplace:
        """Where `solve` wants its tensors."""
        return Workplace(torch.device("cpu"), torch.float64, own_units=True)

    @abc.abstractmethod
    def solve(self, data: DataTerm, lam: Map) -> RawSolution:
        """The minimiser for at least one image at the `workplace`; `lam` has the regularizer's channels and `y`'s size.

        Bounds hold up to rounding; a solver that cannot keep them says so in `refusal`.

        Raises:
            SolverError: the backend gave no answer for some image.
        """

    def check_size(self, height: int, width: int) -> None:
        """Refuse an image size that this solver cannot handle on this machine, before any work.

        Raises:
            ProblemTooLargeError: with the estimate, the limit and the alternatives.
        """

    def batch_size(self, wanted: int, height: int, width: int) -> int:
        """How many images of this size to solve at a time, at least `wanted`, where nothing else sets a number."""
        return wanted

    def for_search(self) -> "Solver":
        """A solver for grid searches, whose PSNRs are right to 0.001 dB; cheaper where there is one."""
        return self

    @final  # type: ignore[misc]  # torch types `forward` as an attribute
    def forward(self, noisy: Image, lam: Map, data_weight: Image | None = None) -> Solution:
        """Solve, on whatever device and in whatever dtype the tensors come.

        Every image is solved in units of its own (`difftv.solvers.units`), so that a tolerance means the same in
        metres, in counts and in [0, 1]. Under `torch.compile` this is a graph break.

        Args:
            noisy: (batch, channels, height, width), with the channels that the regularizer couples (1: gray), floating
                point, in any units, nominally in [0, 1].
            lam: (batch, num_maps, height, width), >= 0, in the same units; larger = smoother.
            data_weight: w, shaped like `noisy`, finite and >= 0: of every pixel 1 / (variance of its noise), up to a
                factor that goes into lam; smaller = smoother. 0 is a missing pixel, whose value does not matter and may
                be NaN. None = 1 everywhere. Pixels of weight 0 have no gradient, neither in `noisy` nor in w. Where w
                and lam vanish together, any value may come back.

        Returns:
            Solution; `denoised` is differentiable in all arguments, once.

        Raises:
            TypeError: an argument is not a tensor.
            ValueError: a shape does not fit, a tensor is not floating point or holds NaN, `noisy` an infinity, or
                `lam` a negative value; or `noisy` is float64 and would lose its contrast in the solver's precision.
            SolverError: the backend gave no answer for some image.
        """
        if torch.compiler.is_compiling():
            return torch.compiler.disable(self._forward)(noisy, lam, data_weight)
        return self._forward(noisy, lam, data_weight)

    def _forward(self, noisy: Image, given: Map, data_weight: Image | None) -> Solution:
        _check_kinds(noisy, given, self.regularizer)
        lam = given
        if data_weight is not None:
            self._check_takes_weights()
            noisy, lam, data_weight = weighed(noisy, given, data_weight, self.regularizer)
        seconds, workplace = SolveTime(), self.workplace
        # Neither the caller's default device nor its autocast is meant for what happens in a solver.
        with workplace.undisturbed(noisy.device):
            y, weights = (workplace.bring(tensor) for tensor in (noisy, lam))
            refuse_transforms(y)
            _check_precision(noisy.detach(), workplace.dtype)
            _check_values(y.detach(), weights.detach(), self.regularizer)
            units = None
            if workplace.own_units:
                units = Units.of(y) if self.regularizer.equivariant else Units.as_they_are(y)
            bridge = Bridge(units, seconds)
            w = None if data_weight is None else workplace.bring(data_weight)
            y, weights, w = bridge.enter(y, weights, w)
            started = time.perf_counter()
            data = bridge.data_term(y, self.regularizer.bounds, w)
            raw = self.solve(data, weights) if len(y) else _no_images(y, weights, self.regularizer.auxiliary)
            seconds.forward = time.perf_counter() - started
            denoised = within(bridge.leave(raw.u).to(dtype=noisy.dtype), self.regularizer.bounds)
            auxiliary = None if raw.auxiliary is None else bridge.differences(raw.auxiliary).to(dtype=noisy.dtype)
        return Solution(
            denoised=denoised.to(device=noisy.device),
            lam=given,
            gap=raw.gap,
            iterations=raw.iterations,
            converged=raw.converged,
            auxiliary=None if auxiliary is None else auxiliary.to(device=noisy.device),
            seconds=seconds,
        )


def _no_images(y: Image, lam: Map, auxiliary: int) -> RawSolution:
    none = torch.zeros(0, dtype=torch.float64, device="cpu")
    v = y.new_zeros(0, auxiliary, *y.shape[2:]) if auxiliary else None
    return RawSolution(y + 0 * lam.sum(), none, none.long(), none.bool(), v)


def _check_kinds(noisy: Tensor, lam: Tensor, regularizer: Regularizer) -> None:
    """What can be told without looking at a single number."""
    for name, tensor in (("noisy", noisy), ("lam", lam)):
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{name} must be a torch.Tensor, got {type(tensor).__module__}.{type(tensor).__qualname__}. "
                "Convert an array with torch.from_numpy(array)[None, None]."
            )
    channels = regularizer.channels
    if noisy.ndim != 4 or noisy.shape[1] != channels:
        coupled = f" with channels={channels}" if channels > 1 else ""
        raise ValueError(
            f"noisy must have shape (batch, {channels}, height, width) for {regularizer.name}{coupled}, "
            f"got {tuple(noisy.shape)}. {_other_channels(noisy)}"
        )
    if 0 in noisy.shape[2:]:
        raise ValueError(f"noisy must have at least one pixel per image, got shape {tuple(noisy.shape)}.")
    expected = (noisy.shape[0], regularizer.num_maps, *noisy.shape[2:])
    if tuple(lam.shape) != expected:
        raise ValueError(
            f"lam must have shape {expected} (batch, maps, height, width) for {regularizer.name}, whose maps are "
            f"{', '.join(regularizer.map_names)}; got {tuple(lam.shape)}. {_from_numbers(regularizer, expected)}"
        )
    for name, tensor in (("noisy", noisy), ("lam", lam)):
        if not tensor.is_floating_point():
            raise ValueError(f"{name} must be floating point, got {tensor.dtype}. Convert it with .float().")


_KEPT = 1e-4
"""Share of the contrast of an image that rounding to a lower precision may take."""


def _check_precision(noisy: Image, dtype: torch.dtype) -> None:
    """Refuse float64 images whose contrast a lower precision cannot hold: the minimiser would be silently wrong."""
    if noisy.dtype != torch.float64 or dtype == torch.float64 or noisy.numel() == 0 or not noisy.isfinite().all():
        return
    low, high = noisy.amin(dim=(2, 3)), noisy.amax(dim=(2, 3))
    contrast = (high - low).amax(dim=1)
    low, high = low.amin(dim=1), high.amax(dim=1)
    largest = torch.maximum(low.abs(), high.abs())
    facts = torch.finfo(dtype)
    # The gap squares the contrast.
    fits = (contrast > facts.tiny**0.5) & (largest < facts.max**0.5) & (facts.eps * largest <= _KEPT * contrast)
    lost = ~fits & (contrast > 0)
    if bool(lost.any()):
        first = int(lost.nonzero()[0])
        raise ValueError(
            f"noisy is float64, and {dtype} cannot hold image {first} of the batch (from {float(low[first]):.6g} to "
            f"{float(high[first]):.6g}). Construct the solver with dtype=torch.float64, or subtract the offset of the "
            "image and divide by its contrast first."
        )


def _check_values(noisy: Image, lam: Map, regularizer: Regularizer) -> None:
    # One question to an accelerator, which waits for every answer; NaN fails the comparison, too.
    if noisy.numel() == 0 or bool(noisy.isfinite().all() & (lam >= 0).all()):
        return
    if not bool(noisy.isfinite().all()):
        raise ValueError(
            f"noisy holds NaN or infinity in image(s) {_images(~noisy.isfinite())} of the batch. "
            "Check the input images."
        )
    for channel, name in enumerate(regularizer.map_names):
        values = lam[:, channel : channel + 1]
        if bool(values.isnan().any()):
            raise ValueError(
                f"{name} holds NaN in image(s) {_images(values.isnan())} of the batch. If it comes from a network in "
                "training, the training has diverged: lower its learning rate or clip its gradients."
            )
        if bool((values < 0).any()):
            raise ValueError(
                f"{name} must be >= 0 everywhere, its minimum is {float(values.min()):.3g}. "
                "A predictor makes its maps positive with softplus."
            )


def _other_channels(noisy: Tensor) -> str:
    """What to do with an image of that shape."""
    if noisy.ndim != 4:
        return "A single gray image goes in as image[None, None]."
    count = noisy.shape[1]
    if count == 1:
        return "Gray images take a regularizer with channels=1."
    return (
        "Channels are denoised each by itself as images.reshape(-1, 1, height, width), or coupled by a regularizer "
        f"with channels={count}, such as IsotropicTV(channels={count})."
    )


def _from_numbers(regularizer: Regularizer, expected: tuple[int, ...]) -> str:
    if regularizer.num_maps == 1:
        return f"A scalar goes in as torch.full({expected}, value)."
    shape = (1, regularizer.num_maps, 1, 1)
    return f"Numbers go in as torch.tensor([{', '.join(regularizer.map_names)}]).reshape{shape}.expand{expected}."


def _images(flags: Tensor) -> list[int]:
    return [int(index) for index in flags.flatten(1).any(1).nonzero().flatten()]
