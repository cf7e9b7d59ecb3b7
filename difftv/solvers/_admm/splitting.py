"""The splitting of a batch of problems: its step sizes, and the two iterations on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from difftv.linear.differences import ForwardDifferences
from difftv.linear.fields import GradientMinusField, SymmetrisedGradient
from difftv.linear.filters import CosineFilters
from difftv.linear.operator import LinearOperator
from difftv.problem.data_term import contrast, full_range
from difftv.problem.gap import certificate
from difftv.problem.problem import Problem
from difftv.regularizers.base import Regularizer
from difftv.regularizers.term import Term
from difftv.solvers._admm.cosine_step import CosineStep
from difftv.solvers._admm.data_step import RHO, DataStep, ImageItself
from difftv.solvers._admm.dual_step import ScaledTerm
from difftv.solvers._admm.linear_step import LinearStep
from difftv.solvers._admm.loop import Outcome, Step, iterate
from difftv.solvers._admm.slabs import SlabStep, certificate_in_slabs, is_large, iterate_in_slabs
from difftv.space import inner
from difftv.types import PerImage

STEP = 50.0
"""rho over the mean of lam, in units of the image's range: best on natural patches; twice off costs up to 2x."""

STEPS: dict[type[LinearOperator], float] = {
    GradientMinusField: 25.0,
    SymmetrisedGradient: 75.0,
    CosineFilters: 300.0,
}
"""The same for the operators of which another one was best."""

_SMALLEST_RHO = 1e-3
_LARGEST_IN_RHO, _LARGEST_LAM, _LARGEST_GAM = 0.5, 1e6, 4.0
"""The first over the contrast of the image: past it lam changes the step size little. The others over its whole range:
past them maps change nothing."""


@dataclass(frozen=True)
class Splitting:
    """x = (u, v), split into the differences of all terms and, within bounds or with data weights, the image.

    Attributes:
        problem: the problem.
        contrast: contrast of every image, (batch, 1, ..): step sizes and tolerances are over it.
        terms: the terms with their maps.
        data_step: the data term as one more term, after the others; None where it is a part of the linear step.
        operators: K of every term, the identity of the data term among them where it is one.
        rho: the step sizes of the same.
        linear: the linear step.
    """

    problem: Problem
    contrast: Tensor
    terms: tuple[ScaledTerm, ...]
    data_step: DataStep | None
    operators: tuple[LinearOperator, ...]
    rho: tuple[Tensor, ...]
    linear: LinearStep

    @classmethod
    def of(cls, problem: Problem) -> "Splitting":
        """That of a batch of images, (batch, channels, *space), and their maps."""
        data, regularizer = problem.data, problem.regularizer
        scale = contrast(data.y)
        whole = full_range(data.y)
        problem = replace(problem, maps=_at_most(problem.maps, largest_lam(regularizer) * whole))
        terms = tuple(scaled_term(term, scale, whole, problem.maps) for term in regularizer.terms)
        data_step = DataStep(data, torch.full_like(scale, RHO)) if data.bounded or data.weight is not None else None
        operators: list[LinearOperator] = [term.operator for term in regularizer.terms]
        rho = [term.rho for term in terms]
        if data_step is not None:
            operators.append(ImageItself(regularizer.channels, regularizer.auxiliary))
            rho.append(data_step.rho)
        linear: LinearStep
        if is_large(problem):
            (operator,) = operators
            assert isinstance(operator, ForwardDifferences)
            linear = SlabStep(operator, rho[0])
        else:
            linear = CosineStep(operators, rho, data.y, with_data=data_step is None)
        return cls(problem, scale, terms, data_step, tuple(operators), tuple(rho), linear)

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.linear.channels

    def solve(self, tol: float, max_iter: int) -> Outcome:
        """(u, v) and the states; u is within the bounds.

        Args:
            tol: change of u over ten iterations at which an image is done, over its contrast.
            max_iter: iterations at most.
        """
        y, within = self.problem.data.y, tol * self.contrast.flatten()
        if isinstance(self.linear, SlabStep):
            return iterate_in_slabs(self.terms[0], self.linear, y, within, max_iter)
        if self.data_step is None:
            return self._iterate(self.terms, y, within, max_iter)
        start = [y.new_zeros(len(y), operator.components, *y.shape[2:]) for operator in self.operators]
        start[-1] = self.data_step.start()
        # Behind an operator the squares are a part of the linear step, and y is A^T W y.
        data = torch.zeros_like(y) if self.problem.data.operator is None else y
        found = self._iterate([*self.terms, self.data_step], data, within, max_iter, start)
        u = self.data_step.image(found.states[-1])
        return replace(found, x=torch.cat([u, found.x[:, self.channels :]], dim=1))

    def certificate(self, found: Outcome) -> PerImage:
        """Relative duality gap of an outcome of `solve`, on the CPU in float64."""
        if isinstance(self.linear, SlabStep):
            return certificate_in_slabs(self.problem, self.terms[0], found)
        duals = [term.step(state) for term, state in zip(self.terms, found.states, strict=False)]
        return certificate(self.problem, found.x, torch.cat(duals, dim=1)).detach().cpu().double()

    def pull_back(
        self, states: Sequence[Tensor], grad: Tensor, tol: float, max_iter: int
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """dL/dy, dL/dmaps and, with weights, dL/dw at the solution with these states, from dL/du; what has converged.

        With a = H^-1 dL/du, dL/dy = w a and dL/dw = -a (u - y).

        Args:
            states: states of the outcome.
            grad: dL/du.
            tol: change at which the iteration ends, over the largest entry of `grad`, or (with A) over the rms of a.
            max_iter: iterations at most.
        """
        size = grad.abs().amax(dim=inner(grad), keepdim=True)
        size = torch.where((size > 0) & size.isfinite(), size, torch.ones_like(size))
        linearised = [term.linearised(state) for term, state in zip(self.terms, states, strict=False)]
        by_maps, by_weight = torch.zeros_like(self.problem.maps), None
        data, within = self.problem.data, torch.full_like(size, tol).flatten()
        # Where A loses something, a is a multiple of dL/du.
        relative = data.operator is not None
        if self.data_step is None:
            found = self._iterate(linearised, grad / size, within, max_iter, relative=relative)
            by_y = found.x[:, : self.channels]
        else:
            step = self.data_step.linearised(states[-1])
            found = self._iterate([*linearised, step], step.free * grad / size, within, max_iter, relative=relative)
            by_y = step.image(found.states[-1])
            if data.weight is not None:
                residual = self.data_step.image(states[-1]) - data.y
                by_weight, by_y = -size * by_y * residual, data.weight * by_y
        for part, q in zip(linearised, found.states, strict=False):
            term = part.at.term
            by_lam, by_gam = part.map_gradients(q, term.operator.apply(found.x))
            _add(by_maps, term.lam, term.factor * by_lam)
            if by_gam is not None:
                _add(by_maps, term.gam, by_gam)
        return size * by_y, size * by_maps, by_weight, found.converged

    def _iterate(
        self,
        steps: Sequence[Step],
        data: Tensor,
        tol: Tensor,
        max_iter: int,
        states: Sequence[Tensor] | None = None,
        *,
        relative: bool = False,
    ) -> Outcome:
        return iterate(self.operators, steps, self.rho, self.linear, data, tol, max_iter, states, relative=relative)


def largest_lam(regularizer: Regularizer) -> float:
    """Maps over the whole range of an image past which nothing changes, for every term."""
    sizes = [term.operator.magnitude for term in regularizer.terms]
    return _LARGEST_LAM * max(1.0, *sizes, *(1 / size for size in sizes))


def scaled_term(
    term: Term,
    contrast: Tensor,
    whole: Tensor,
    maps: Tensor,
    *,
    step: float = STEP,
    curvature: Tensor | None = None,
) -> ScaledTerm:
    """The term with its step sizes, `step` over the mean of lam.

    Args:
        term: term of the regularizer.
        contrast: contrast of every image.
        whole: whole range of every image.
        maps: maps of the problem.
        step: factor of most operators; the others keep their ratio to it.
        curvature: mean of the diagonal of A^T W A, (batch, 1, ..); None = 1.
    """
    lam, gam = term.maps(maps)
    # Step sizes are known for differences of neighbours at distance 1, of which K is `magnitude` times as large.
    size = term.operator.magnitude
    one = 1.0 if curvature is None else curvature
    lam = _at_most(lam, _LARGEST_LAM / size * whole * one)
    if gam is not None:
        gam = torch.minimum(gam, _LARGEST_GAM * size * whole)
    factor = STEPS.get(type(term.operator.of_one_channel), STEP) * (step / STEP)
    rho = factor * (size * lam / (contrast * one)).clamp_max(_LARGEST_IN_RHO).mean(dim=inner(lam), keepdim=True)
    valid = term.valid(maps) if term.operator.has_padding else None
    return ScaledTerm(term, lam.contiguous(), gam, one * (rho.clamp_min(_SMALLEST_RHO) / size**2), valid)


def _at_most(values: Tensor, largest: Tensor) -> Tensor:
    """The smaller of both; the values themselves, and no copy of a large volume, where that changes nothing."""
    if bool((values.amax(dim=inner(values), keepdim=True) <= largest).all()):
        return values
    return torch.minimum(values, largest)


def _add(by_maps: Tensor, channels: tuple[int, ...], values: Tensor) -> None:
    if len(channels) == 1:
        by_maps[:, channels[0]] += values.sum(dim=1)
        return
    for index, channel in enumerate(channels):
        by_maps[:, channel] += values[:, index]
