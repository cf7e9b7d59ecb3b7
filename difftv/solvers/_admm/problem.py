"""A batch of images in units of their own, and the two iterations on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from difftv.regularizers.base import Regularizer
from difftv.regularizers.fields import GradientMinusField, SymmetrisedGradient
from difftv.regularizers.operator import Operator
from difftv.regularizers.term import Term
from difftv.solvers._admm.dual_step import Weighed
from difftv.solvers._admm.linear_step import LinearStep
from difftv.solvers._admm.loop import Outcome, Step, iterate

STEP = 50.0
"""rho over the mean of lam, in units of the image's range: best on natural patches; twice off costs up to 2x."""

STEPS: dict[type[Operator], float] = {GradientMinusField: 25.0, SymmetrisedGradient: 75.0}
"""The same for the operators of which another one was best."""

_SMALLEST_RHO = 1e-3
_LARGEST_IN_RHO, _LARGEST_LAM, _LARGEST_GAM = 0.5, 1e6, 4.0
"""In units of the range of the image: past the first lam changes little, past the others nothing."""


@dataclass(frozen=True)
class Problem:
    """1/2 ||u - data||^2 + the terms, for a batch of images of range 1.

    Attributes:
        unit: intensities per unit, (batch, 1, 1, 1), the largest range of a channel: u* is equivariant under scale and
            offset, a tolerance is not.
        offset: the mean of every channel, (batch, channels, 1, 1).
        data: the images in these units, without these means.
        maps: the maps in these units.
        terms: the terms with what weighs them.
        linear: the linear step.
    """

    unit: Tensor
    offset: Tensor
    data: Tensor
    maps: Tensor
    terms: tuple[Weighed, ...]
    linear: LinearStep

    @classmethod
    def of(cls, regularizer: Regularizer, y: Tensor, maps: Tensor) -> "Problem":
        """The problem of these images, (batch, channels, height, width), and maps."""
        spread = (y.amax(dim=(2, 3), keepdim=True) - y.amin(dim=(2, 3), keepdim=True)).amax(dim=1, keepdim=True)
        unit = torch.where(spread > 0, spread, torch.ones_like(spread))
        offset = y.mean(dim=(2, 3), keepdim=True)
        data, maps = (y - offset) / unit, (maps / unit).clamp_max(_LARGEST_LAM)
        terms = tuple(_weighed(term, unit, maps) for term in regularizer.terms)
        linear = LinearStep([term.operator for term in regularizer.terms], [term.rho for term in terms], data)
        return cls(unit, offset, data, maps, terms, linear)

    @property
    def operators(self) -> list[Operator]:
        """K of every term."""
        return [term.stated.operator for term in self.terms]

    def solve(self, tol: float, max_iter: int) -> Outcome:
        """(u, v) and the states in these units."""
        return self._iterate(self.terms, self.data, tol, max_iter)

    def pull_back(self, states: Sequence[Tensor], grad: Tensor, tol: float, max_iter: int) -> tuple[Tensor, Tensor]:
        """dL/dy and dL/dmaps at the solution with these states, from dL/du; units cancel.

        Args:
            states: of the outcome.
            grad: dL/du.
            tol: change at which the iteration ends, over the largest entry of `grad`.
            max_iter: iterations at most.
        """
        size = grad.abs().amax(dim=(1, 2, 3), keepdim=True)
        size = torch.where((size > 0) & size.isfinite(), size, torch.ones_like(size))
        frozen = [term.frozen(state) for term, state in zip(self.terms, states, strict=True)]
        found = self._iterate(frozen, grad / size, tol, max_iter)
        by_maps = torch.zeros_like(self.maps)
        for part, q in zip(frozen, found.states, strict=True):
            term = part.at.term
            by_lam, by_gam = part.map_gradients(q, term.operator.apply(found.x))
            _add(by_maps, term.lam, term.factor * by_lam)
            if by_gam is not None:
                _add(by_maps, term.gam, by_gam)
        return size * found.x[:, : self.data.shape[1]], size * by_maps

    def _iterate(self, steps: Sequence[Step], data: Tensor, tol: float, max_iter: int) -> Outcome:
        return iterate(self.operators, steps, [term.rho for term in self.terms], self.linear, data, tol, max_iter)


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
