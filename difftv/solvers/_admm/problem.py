"""A batch of images in units of their own, and the two iterations on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from difftv.linear.fields import GradientMinusField, SymmetrisedGradient
from difftv.linear.operator import Operator
from difftv.regularizers.base import Regularizer
from difftv.regularizers.term import Term
from difftv.solvers._admm.data_step import RHO, DataStep, ImageItself
from difftv.solvers._admm.dual_step import Weighed
from difftv.solvers._admm.linear_step import LinearStep
from difftv.solvers._admm.loop import Outcome, Step, iterate
from difftv.solvers.data_term import DataTerm

STEP = 50.0
"""rho over the mean of lam, in units of the image's range: best on natural patches; twice off costs up to 2x."""

STEPS: dict[type[Operator], float] = {GradientMinusField: 25.0, SymmetrisedGradient: 75.0}
"""The same for the operators of which another one was best."""

_SMALLEST_RHO = 1e-3
_LARGEST_IN_RHO, _LARGEST_LAM, _LARGEST_GAM = 0.5, 1e6, 4.0
"""In units of the range of the image: past the first lam changes little, past the others nothing."""


@dataclass(frozen=True)
class Problem:
    """The data term and the terms of the regularizer, for a batch of images of range 1.

    Attributes:
        unit: intensities per unit, (batch, 1, 1, 1), the largest range of a channel: u* is equivariant under scale and
            offset, a tolerance is not.
        offset: the mean of every channel, (batch, channels, 1, 1).
        data: the data term in these units, of the images without these means.
        maps: the maps in these units.
        terms: the terms with what weighs them.
        split: the data term as one more term, after the others; None where it is a part of the linear step.
        operators: K of every term, the data term among them where it is one.
        rho: the step sizes of the same.
        linear: the linear step.
    """

    unit: Tensor
    offset: Tensor
    data: DataTerm
    maps: Tensor
    terms: tuple[Weighed, ...]
    split: DataStep | None
    operators: tuple[Operator, ...]
    rho: tuple[Tensor, ...]
    linear: LinearStep

    @classmethod
    def of(cls, regularizer: Regularizer, data: DataTerm, maps: Tensor) -> "Problem":
        """The problem of these images, (batch, channels, height, width), and maps."""
        y = data.y
        spread = (y.amax(dim=(2, 3), keepdim=True) - y.amin(dim=(2, 3), keepdim=True)).amax(dim=1, keepdim=True)
        unit = torch.where(spread > 0, spread, torch.ones_like(spread))
        offset = y.mean(dim=(2, 3), keepdim=True)
        data, maps = data.measured(lambda part: (part - offset) / unit), (maps / unit).clamp_max(_LARGEST_LAM)
        terms = tuple(_weighed(term, unit, maps) for term in regularizer.terms)
        split = DataStep(data, torch.full_like(unit, RHO)) if data.bounded or data.weight is not None else None
        operators: list[Operator] = [term.operator for term in regularizer.terms]
        rho = [term.rho for term in terms]
        if split is not None:
            operators.append(ImageItself(regularizer.channels, regularizer.auxiliary))
            rho.append(split.rho)
        linear = LinearStep(operators, rho, data.y, with_data=split is None)
        return cls(unit, offset, data, maps, terms, split, tuple(operators), tuple(rho), linear)

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.linear.channels

    def solve(self, tol: float, max_iter: int) -> Outcome:
        """(u, v) and the states in these units; u is within the bounds."""
        if self.split is None:
            return self._iterate(self.terms, self.data.y, tol, max_iter)
        batch, _, height, width = self.data.y.shape
        start = [self.data.y.new_zeros(batch, operator.components, height, width) for operator in self.operators]
        start[-1] = self.split.start()
        nothing = torch.zeros_like(self.data.y)
        found = self._iterate([*self.terms, self.split], nothing, tol, max_iter, start)
        u = self.split.image(found.states[-1])
        return replace(found, x=torch.cat([u, found.x[:, self.channels :]], dim=1))

    def pull_back(
        self, states: Sequence[Tensor], grad: Tensor, tol: float, max_iter: int
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """dL/dy, dL/dmaps and, with weights, dL/dw at the solution with these states, from dL/du.

        With a = H^-1 dL/du, dL/dy = w a and dL/dw = -a (u - y); units cancel but in the latter.

        Args:
            states: of the outcome.
            grad: dL/du.
            tol: change at which the iteration ends, over the largest entry of `grad`.
            max_iter: iterations at most.
        """
        size = grad.abs().amax(dim=(1, 2, 3), keepdim=True)
        size = torch.where((size > 0) & size.isfinite(), size, torch.ones_like(size))
        frozen = [term.frozen(state) for term, state in zip(self.terms, states, strict=False)]
        by_maps, by_weight = torch.zeros_like(self.maps), None
        if self.split is None:
            found = self._iterate(frozen, grad / size, tol, max_iter)
            by_y = found.x[:, : self.channels]
        else:
            data = self.split.frozen(states[-1])
            found = self._iterate([*frozen, data], data.free * grad / size, tol, max_iter)
            by_y = data.image(found.states[-1])
            if self.data.weight is not None:
                residual = self.unit * (self.split.image(states[-1]) - self.data.y)
                by_weight, by_y = -size * by_y * residual, self.data.weight * by_y
        for part, q in zip(frozen, found.states, strict=False):
            term = part.at.term
            by_lam, by_gam = part.map_gradients(q, term.operator.apply(found.x))
            _add(by_maps, term.lam, term.factor * by_lam)
            if by_gam is not None:
                _add(by_maps, term.gam, by_gam)
        return size * by_y, size * by_maps, by_weight

    def _iterate(
        self,
        steps: Sequence[Step],
        data: Tensor,
        tol: float,
        max_iter: int,
        states: Sequence[Tensor] | None = None,
    ) -> Outcome:
        return iterate(self.operators, steps, self.rho, self.linear, data, tol, max_iter, states)


def _weighed(term: Term, unit: Tensor, maps: Tensor) -> Weighed:
    lam, gam = term.weights(maps)
    if gam is not None:
        gam = gam.clamp_max(_LARGEST_GAM)
    factor = STEPS.get(type(term.operator.of_one_channel), STEP)
    rho = factor * lam.clamp_max(_LARGEST_IN_RHO).mean(dim=(1, 2, 3), keepdim=True)
    real = term.real(maps) if term.operator.beyond_border else None
    return Weighed(term, unit, lam.contiguous(), gam, rho.clamp_min(_SMALLEST_RHO), real)


def _add(by_maps: Tensor, channels: tuple[int, ...], values: Tensor) -> None:
    if len(channels) == 1:
        by_maps[:, channels[0]] += values.sum(dim=1)
        return
    for index, channel in enumerate(channels):
        by_maps[:, channel] += values[:, index]
