"""The composition behind a forward operator: a predictor that looks at a first reconstruction, in front of a solver."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from difftv.arguments import positive, positive_int
from difftv.denoiser import Denoiser
from difftv.errors import ConfigError
from difftv.linear.forward import ForwardOperator, as_operator, first_look, mean_gram
from difftv.method import check_pair
from difftv.predictors.base import Predictor
from difftv.predictors.self_ensemble import SelfEnsemble
from difftv.problem import DataTerm
from difftv.solvers.base import Solution, Solver
from difftv.solvers.registry import solver_taking
from difftv.types import Image, Map

P = ParamSpec("P")
R = TypeVar("R")


def _in_full_precision(method: Callable[P, R]) -> Callable[P, R]:
    """The method outside the caller's autocast, which is meant for networks and not for operators."""

    @functools.wraps(method)
    def called(*arguments: P.args, **named: P.kwargs) -> R:
        tensors = [each for each in arguments if isinstance(each, Tensor)]
        device = tensors[0].device.type if tensors else "cpu"
        with torch.autocast(device, enabled=False):
            return method(*arguments, **named)

    return called


@dataclass(frozen=True)
class _Units:
    """Least value and range of the first look, and the mean of the diagonal of A^T W A, each (batch, 1, ..)."""

    low: Tensor
    span: Tensor
    curvature: Tensor


class Reconstructor(nn.Module):
    """u* = argmin_u 1/2 ||W^(1/2) (A u - y)||^2 + R(u; maps),   maps = c d s predictor((first look - low) / s).

    The network sees the first look at the measurements (`difftv.linear.first_look`), of which low and s are the least
    value and the range, so that it sees [0, 1] whatever the units. Weights among the maps are taken back by s and by d,
    the mean of the diagonal of A^T W A, slopes by s alone: measurements in other units, or an operator with another
    scale, change nothing else. With A = 1 and images in [0, 1] it is a `Denoiser`.

        reconstructor = Reconstructor(Cnn(), Admm(IsotropicTV()))
        solution = reconstructor(y, operator=Fourier(mask))     # solution.denoised, solution.lam, solution.gap

    Args:
        predictor: image in [0, 1] -> maps.
        solver: minimiser with the regularizer of the maps; where it takes no operator, `Admm` stands in.
        factor: c > 0, larger = smoother. A predictor that was trained to denoise has one thing to learn about a new
            operator, this number: choose it on validation images.
        looks: number of times that the network looks, >= 1: first at the first look, then at the solution so far, in
            the same units, whose maps are predicted anew. Every look costs one more solve; what is minimised and
            certified is the problem with the last maps. Gradients go through all of them.

    Raises:
        ValueError: the predictor's number of maps, or of channels, is not the one that the solver's regularizer takes;
            factor <= 0; looks < 1.
    """

    def __init__(self, predictor: Predictor, solver: Solver, factor: float = 1.0, looks: int = 1) -> None:
        super().__init__()
        check_pair(predictor, solver)
        self.predictor = predictor
        self.solver = solver
        self.factor = positive("factor", factor)
        self.looks = positive_int("looks", looks)

    @classmethod
    def of(cls, denoiser: Denoiser, factor: float = 1.0) -> "Reconstructor":
        """The predictor and the regularizer of a denoiser, used as they are; the weights are shared."""
        return cls(denoiser.predictor, denoiser.solver, factor, denoiser.looks)

    @classmethod
    def load(cls, path: Path | str, solver: Solver | None = None, factor: float = 1.0) -> "Reconstructor":
        """The model of a run or of a model file, on the CPU: one that was trained behind an operator, or to denoise.

        Args:
            path: the run's directory, or the model file.
            solver: as for `Denoiser.load`.
            factor: factor on the maps; 1 for what was trained behind an operator like the one it is used with.

        Raises:
            CheckpointError: no usable checkpoint or model file.
            ConfigError: it predicts no maps, or names classes that are not of this package; or `solver` has another
                regularizer.
        """
        from difftv.lab.models.reading import read_model

        found = read_model(path).denoiser(solver)
        if not isinstance(found, Denoiser):
            raise ConfigError(f"{path} predicts the image and no maps, which a reconstruction needs.")
        return cls.of(found, factor)

    @classmethod
    def pretrained(cls, name: str, solver: Solver | None = None, factor: float = 1.0) -> "Reconstructor":
        """A model that is shipped with this package, on the CPU; arguments and errors as for `load`.

            solution = Reconstructor.pretrained("knee")(y, operator=Fourier(mask))

        A model that was trained to denoise (`gray`) needs a `factor` that is chosen on validation images.

        Raises:
            ValueError: no model of that name is shipped; the message lists those that are.
        """
        from difftv.models.pretrained import shipped_file

        return cls.load(shipped_file(name), solver, factor)

    def self_ensemble(self) -> "Reconstructor":
        """The same with maps averaged over every look turned and mirrored in all eight ways.

        About 0.1 dB for eight times the time in the network, as with `Denoiser.self_ensemble`; the weights are shared.
        """
        ensemble = SelfEnsemble(self.predictor, self.solver.regularizer)
        return Reconstructor(ensemble, self.solver, self.factor, self.looks)

    @property
    def map_names(self) -> tuple[str, ...]:
        """Names of the maps in a solution, one per channel of `Solution.lam`."""
        return self.solver.regularizer.map_names

    def forward(
        self,
        y: Tensor,
        operator: Any,
        data_weight: Tensor | None = None,
        *,
        sigma: float | Tensor | None = None,
    ) -> Solution:
        """Reconstruct a batch of images.

        Args:
            y: measurements, as the operator gives them, on the predictor's device.
            operator: A; `difftv.linear.as_operator` says which objects are taken.
            data_weight: W, shaped like y, >= 0: 1 / (variance of the noise) of every measurement up to a factor; 0 =
                missing, whose value does not matter and may be NaN.
            sigma: noise level as `level` gives it from that of the measurements, a number or one per image; to
                be given where, and only where, the predictor has the noise level as an input.

        Returns:
            Solution: `denoised` and `lam` on that device, differentiable in y, W, the weights of the network and the
            parameters of A, and what the solver reports.

        Raises:
            ValueError: the operator and its adjoint do not fit, or y or W not the operator.
        """
        operator = as_operator(operator)
        solver = solver_taking(self.solver, DataTerm(y, weight=data_weight, operator=operator))
        image, units = self._first(y, operator, data_weight)
        for _ in range(self.looks):
            solution = solver(y, self._predicted(image, units, sigma), data_weight, operator=operator)
            image = solution.denoised
        return solution

    def maps(
        self,
        y: Tensor,
        operator: Any,
        data_weight: Tensor | None = None,
        *,
        sigma: float | Tensor | None = None,
    ) -> Map:
        """The maps of the first look alone, in the units of the measurements; arguments as for a call."""
        return self._predicted(*self._first(y, as_operator(operator), data_weight), sigma)

    @_in_full_precision
    def _first(self, y: Tensor, operator: ForwardOperator, data_weight: Tensor | None) -> tuple[Image, "_Units"]:
        """The first look, and the units that the network sees it and all later images in."""
        _check_measurements(y, data_weight)
        # A measurement of weight 0 is not known.
        look = first_look(operator, y if data_weight is None else torch.where(data_weight > 0, y, torch.zeros_like(y)))
        _check_look(look, operator, y)
        low, span = _range(look)
        return look, _Units(low, span, mean_gram(operator, look, data_weight).reshape(span.shape))

    def _predicted(self, image: Image, units: "_Units", sigma: float | Tensor | None) -> Map:
        """What the network says of an image, in the units of the measurements."""
        first = next(self.predictor.parameters(), image)
        found = self.predictor(((image - units.low) / units.span).to(first.dtype), sigma).to(image.dtype)
        weights = self.solver.regularizer.weight_channels  # slopes are not scaled by the operator
        span, both = units.span, units.curvature * units.span
        scales = [both if channel in weights else span for channel in range(found.shape[1])]
        return self.factor * torch.cat(scales, dim=1) * found

    @_in_full_precision
    def level(self, y: Tensor, operator: Any, sigma: float | Tensor) -> Tensor:
        """The `sigma` to be given, from the noise level of the measurements: sigma / (sqrt(d) s).

        If A* A were d, its mean diagonal, that would be the noise of an image which says as much as the measurements,
        in units of the range s of the first look. (The noise that a first look really has depends on how much it
        smooths: behind blur a model for denoising that is told it smooths too little.)

        Args:
            y, operator: see a call.
            sigma: standard deviation of the white noise of the measurements, a number or one per image; of complex ones
                that of real and imaginary part. Of images in [0, 1] in 8-bit units, as what is returned.

        Returns:
            (batch,).
        """
        operator = as_operator(operator)
        _check_measurements(y, None)
        with torch.no_grad():
            look = first_look(operator, y)
            _, span = _range(look)
            told = torch.as_tensor(sigma).to(span) / (mean_gram(operator, look).sqrt() * span.flatten())
        return told.expand(len(look))


def _range(look: Image) -> tuple[Tensor, Tensor]:
    """Least value and range of every image, (batch, 1, ..); the range of a constant image counts as 1."""
    low, high = (extreme(look, dim=tuple(range(1, look.ndim)), keepdim=True) for extreme in (torch.amin, torch.amax))
    return low, torch.where(high > low, high - low, torch.ones_like(low))


def _check_measurements(y: Tensor, data_weight: Tensor | None) -> None:
    if not isinstance(y, Tensor) or not (y.is_floating_point() or y.is_complex()):
        kind = f"{y.dtype}" if isinstance(y, Tensor) else f"{type(y).__module__}.{type(y).__qualname__}"
        raise TypeError(f"y must be a torch.Tensor of floating-point or complex numbers, got {kind}.")
    if data_weight is not None and data_weight.shape != y.shape:
        raise ValueError(
            f"data_weight must have the shape of the measurements, {tuple(y.shape)}; got {tuple(data_weight.shape)}."
        )


def _check_look(look: Image, operator: ForwardOperator, y: Tensor) -> None:
    if not bool(look.detach().isfinite().all()):
        raise ValueError(
            "y holds NaN or infinity at measurements that count, or the adjoint of operator gives them. Give missing "
            "measurements the data_weight 0."
        )
    with torch.no_grad():
        shape = operator.apply(look).shape
    if len(look) != len(y) or shape != y.shape:
        raise ValueError(f"y must have the shape of operator.apply(image), {tuple(shape)}; got {tuple(y.shape)}.")
