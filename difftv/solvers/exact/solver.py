"""Total variation of neighbours, solved exactly and differentiated in closed form.

Eight neighbours, and differences that are free of charge up to a slope, are left to the active-set method of
`exact/simplex.py`. It solves anisotropic total variation as well, but large plateaus more slowly, so that stays here
(docs/architecture.md has the times).

    u*(y, lam) = argmin_u  1/2 ||u - y||^2 + sum_{e = (i, j)} lam_e |u_i - u_j|                                     (1)

Forward. In the dual the rows and the columns are two blocks, each a set of independent 1-D problems that a taut
string solves exactly in linear time; accelerated alternating minimisation goes back and forth between them, as a rule
four to fifty times. The pixels that the 1-D solves have joined are then nearly the right components, which merging,
splitting along minimum cuts and augmenting paths correct (`merge_split/refine.py`) until every component is right.
Of a volume the first components come from accelerated gradient steps on the dual (`exact/volume.py`).

Components. Let C run over the connected components of equal pixels of u*. Across an edge e = (i, j) that leaves
C, p_e = lam_e sign(u_i - u_j) is known; inside C the duals cancel when the optimality condition u - y + K^T p = 0 is
summed over C. With s_e = sign(u_i - u_j), i in C,

    u_C = 1/|C| ( sum_{i in C} y_i - sum_{e leaves C} lam_e s_e ).                                                  (2)

Gradient. The components and signs stay the same in a neighbourhood of almost every (y, lam) (the solution is
piecewise affine), so (2) can be differentiated as it stands. With g = dL/du, g(C) its sum and gbar its mean over a
component,

    dL/dy_i   = sum_C g(C) d u_C / d y_i = gbar_i,                                                                  (3)
    dL/dlam_e = -s_e gbar_i + s_e gbar_j = -sign(u_i - u_j) (gbar_i - gbar_j)    across a border, 0 inside C.       (4)

No linear system, no tolerance: which pixels are joined is a decision of the algorithm, not a comparison of floats. On
the measure-zero set where a component is about to split or merge, (3) and (4) are the derivative of one of the pieces.

(2) is accepted when it has been verified, component by component: no border has the wrong sign, and within every
component a flow proves that it does not split. The duality gap of the image is the sum of what is left, that of
rounding, and decides nothing: a component of little energy would be lost in it.

Bounds lower <= u <= upper clip the minimiser of (1) to them, pixel by pixel. On every edge its p is lam_e, -lam_e or
has a difference of 0, so p stays in d phi(K v) of the clipped image v, and v - y + K^T p = v - u* is 0 inside the
bounds, <= 0 on the upper and >= 0 on the lower one: the condition of optimality within bounds. (Of other potentials
than lam |z|, and of lengths of several differences, p does not stay.) The gradient is 0 on the clipped components.

References: Chambolle and Pock 2015, "A remark on accelerated block coordinate descent"; Chambolle and Darbon 2009, "On
total variation minimization and surface evolution using parametric maximum flows"; Vaiter, Deledalle, Peyre, Dossal,
Fadili 2013, "Local behavior of sparse analysis regularization"; Djolonga and Krause 2017, "Differentiable learning of
submodular models"; Tibshirani and Taylor 2011, "The solution path of the generalized lasso", section 5.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from difftv.arguments import positive, positive_int
from difftv.linear.differences import DiagonalDifferences, ForwardDifferences
from difftv.linear.operator import LinearOperator
from difftv.linear.opponent import OPPONENT, from_opponent, to_opponent
from difftv.linear.per_channel import PerChannel
from difftv.problem.data_term import DataTerm
from difftv.problem.problem import Problem
from difftv.regularizers.base import Regularizer
from difftv.regularizers.potentials import Absolute, PiecewiseLipschitz
from difftv.regularizers.term import Norm
from difftv.solvers._threads import map_images
from difftv.solvers.base import RawSolution, Solver
from difftv.solvers.exact.backward import pulled_back
from difftv.solvers.exact.simplex import minimise
from difftv.solvers.exact.volume import minimise_volumes
from difftv.space import spatial
from difftv.types import Dual, Map

if TYPE_CHECKING:
    from difftv.solvers.exact.taut_strings import Answer

BYTES_PER_VOXEL, BYTES_PER_VOXEL_OF_STATES = 160, 560
"""Peak memory of a volume and its maps, of anisotropic TV and of the active-set method."""

SHARED_FROM = 128 * 128
"""Pixels from which it pays to share one image between threads; below, distributing costs more than it saves."""


@final
class Exact(Solver):
    """Weighted differences of neighbours: exact, with the closed-form gradient in all maps.

    `AnisotropicTV` of signals and images by (accelerated, alternating) taut strings, of a signal in linear time, of
    volumes by components that are merged and split; `TVpwL` and `EightNeighbourTV` by an active-set method, RGB images
    in their opponent colours.

    Args:
        regularizer: separable, lam |Du| or lam (|Du| - gam)_+, of signals, images or volumes: over the neighbours along
            every axis, or eight of an image.
        tol: tolerance of anisotropic TV: at the default of 1e-10 and below, image and gradient are exact to rounding,
            whatever the weights, the size and the contrast; a larger one stops an image early, at this relative
            duality gap, where that comes before its components are right. Volumes and the active-set method go on until
            nothing is wrong, whatever the tolerance, which then only says what counts as converged.
        max_iter: sweeps after which an image is returned as it is (`converged=False`); of volumes and of the active-set
            method, the gradient steps that they start with at most.

    Raises:
        ValueError: another regularizer, tol <= 0 or max_iter < 1.
    """

    name = "exact"

    def __init__(self, regularizer: Regularizer, tol: float = 1e-10, max_iter: int = 2000) -> None:
        super().__init__(regularizer)
        self.tol = positive("tol", tol)
        self.max_iter = positive_int("max_iter", max_iter)

    @classmethod
    def refusal(cls, regularizer: Regularizer, data: DataTerm | None = None) -> str | None:
        if data is not None and data.operator is not None:
            return "it has no forward operator"
        if data is not None and data.weight is not None:
            return "it does not weigh pixels"
        if any(isinstance(term.operator, PerChannel) for term in regularizer.terms):
            return "it takes gray images only, and this one couples channels"
        if regularizer.auxiliary:
            return "it has no auxiliary field"
        if _operators(regularizer) not in ([ForwardDifferences], [ForwardDifferences, DiagonalDifferences]):
            return "it takes differences between neighbours only, along the axes or eight of an image"
        for term in regularizer.terms:
            if term.norm is not Norm.SEPARABLE:
                return "it takes differences that are weighted one by one"
            if not isinstance(term.potential, Absolute | PiecewiseLipschitz):
                return "it takes the potentials lam |z| and lam (|z| - gam)_+ only"
            if regularizer.bounds and not isinstance(term.potential, Absolute):
                return "it takes bounds with the potential lam |z| only"
        return None

    def bytes_needed(self, *space: int) -> int:
        if self.regularizer.axes != 3:
            return 0
        per_voxel = BYTES_PER_VOXEL if _is_anisotropic(self.regularizer) else BYTES_PER_VOXEL_OF_STATES
        return per_voxel * math.prod(space)

    def solve(self, problem: Problem) -> RawSolution:
        data, y, lam = problem.data, problem.data.y, problem.maps
        if self.regularizer.channels > 1:
            return self._solve_colours(problem)
        if _is_anisotropic(self.regularizer):
            if any(length != 1.0 for length in self.regularizer.spacing):
                lam, _ = _edges(self.regularizer, lam)
            if self.regularizer.axes == 3:
                u, gap, iterations = minimise_volumes(y, lam, self.max_iter)
                return RawSolution(u=data.clip(u), gap=gap, iterations=iterations, converged=gap <= self.tol)
            if self.regularizer.axes == 1:
                # A signal is an image of one row: the first taut string is the answer, in linear time.
                y, lam = y.unsqueeze(2), lam.unsqueeze(2)
            u, gap, iterations, converged = _Minimiser.apply(y, lam, self.tol, self.max_iter)
            u = u.reshape(data.y.shape)
        else:
            u, gap, iterations = minimise(y, *_edges(self.regularizer, lam), self.max_iter)
            converged = gap <= self.tol
        # Within bounds the gap is at most that of the images before clipping, term by term.
        return RawSolution(u=data.clip(u), gap=gap, iterations=iterations, converged=converged)

    def _solve_colours(self, problem: Problem) -> RawSolution:
        """The opponent colours are orthonormal and do not meet in the regularizer: each is a gray image."""
        channels = to_opponent(problem.data.y)
        lam, gam = (part.flatten(0, 1) for part in _by_channel(*_edges(self.regularizer, problem.maps)))
        found = minimise(channels.flatten(0, 1)[:, None], lam, gam, self.max_iter)
        # Gaps add up, and so do the energies that they are relative to.
        energy = (
            (channels - channels.mean(dim=spatial(channels), keepdim=True)).square().sum(dim=spatial(channels)).detach()
        )
        share = energy / energy.sum(dim=1, keepdim=True).clamp_min(torch.finfo(energy.dtype).tiny)
        gap = (found.gap.view_as(share) * share).sum(dim=1)
        return RawSolution(
            u=from_opponent(found.u.view_as(channels)),
            gap=gap,
            iterations=found.iterations.view_as(share).sum(dim=1),
            converged=gap <= self.tol,
        )


def _operators(regularizer: Regularizer) -> list[type[LinearOperator]]:
    return [type(term.operator.of_one_channel) for term in regularizer.terms]


def _by_channel(*edges: Dual) -> Iterator[Tensor]:
    """The maps of every opponent colour by itself, (batch, 3, directions, *space)."""
    return (part.unflatten(1, (len(OPPONENT), -1)) for part in edges)


def _is_anisotropic(regularizer: Regularizer) -> bool:
    (first, *others) = regularizer.terms
    return not others and isinstance(first.potential, Absolute) and first.factor == 1.0


def _edges(regularizer: Regularizer, maps: Map) -> tuple[Dual, Dual]:
    """lam and gam of every difference, not divided by the spacing: (batch, directions, *space)."""
    lam, gam = [], []
    for term in regularizer.terms:
        weights, slopes = term.maps(maps)
        shape = -1, term.operator.components, *[-1] * regularizer.axes
        weights = weights.expand(shape)
        slopes = torch.zeros_like(weights) if slopes is None else slopes.expand(shape)
        if any(length != 1.0 for length in regularizer.spacing):
            # lam (|Du| / h - gam)_+ = lam / h (|Du| - h gam)_+
            length = (
                maps.new_tensor(regularizer.spacing).repeat(regularizer.channels).reshape(-1, *[1] * regularizer.axes)
            )
            weights, slopes = weights / length, slopes * length
        lam.append(weights)
        gam.append(slopes)
    return torch.cat(lam, dim=1), torch.cat(gam, dim=1)


class _Minimiser(torch.autograd.Function):
    """(y, lam) -> u*, gap, sweeps, done; the backward is (3) and (4)."""

    @staticmethod
    def forward(ctx, y: Tensor, lam: Tensor, tol: float, max_iter: int) -> tuple[Tensor, ...]:
        u = y.new_empty(y.shape)
        answers = _solve_batch(y.detach().numpy(), lam.detach().numpy(), u.numpy(), tol, max_iter)
        ctx.num_maps = lam.shape[1]
        ctx.answers = answers
        gap = y.new_tensor([answer.gap for answer in answers])
        sweeps = torch.tensor([answer.sweeps for answer in answers], dtype=torch.int64)
        done = torch.tensor([answer.done for answer in answers], dtype=torch.bool)
        ctx.mark_non_differentiable(gap, sweeps, done)
        return u, gap, sweeps, done

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, *_: Tensor):
        return *pulled_back(grad, ctx.answers, ctx.num_maps), None, None


def _solve_batch(y: np.ndarray, lam: np.ndarray, u: np.ndarray, tol: float, max_iter: int) -> "list[Answer]":
    """Write the minimisers into `u`: whole images side by side, or the rows of one image where there are too few."""
    from difftv.solvers.exact.taut_strings import solve_image

    threads = torch.get_num_threads()

    def solve(index: int, team: ThreadPoolExecutor | None = None) -> "Answer":
        image = np.ascontiguousarray(y[index, 0])
        return solve_image(image, lam[index, 0], lam[index, -1], u[index, 0], tol, max_iter, team, threads)

    batch, _, height, width = y.shape
    if batch >= threads or height * width < SHARED_FROM:
        return map_images(solve, batch)
    with ThreadPoolExecutor(threads) as team:
        return [solve(index, team) for index in range(batch)]


TautString = Exact
"""The name in earlier versions."""
