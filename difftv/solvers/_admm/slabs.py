"""The iteration of `loop.py` for one large volume: slab by slab and in place, in a quarter of the memory.

Differences and dual steps of a slab need one slice of its neighbours, the cosine transform one axis at a time. What is
held are the data, the maps, the states (one per axis), x, and x of the last look: at 256^3 in float32 the peak is 9.6
volumes, temporaries included.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from difftv.linear.differences import ForwardDifferences
from difftv.problem.problem import Problem
from difftv.progress import Progress
from difftv.regularizers.base import Regularizer
from difftv.solvers._admm.dual_step import ScaledTerm
from difftv.solvers._admm.loop import CHECK_EVERY, RELAXATION, Outcome
from difftv.solvers._admm.transforms import along
from difftv.types import PerImage

LARGE = 2**22
"""Voxels from which a volume is solved in slabs; below, the iteration as a whole takes less than 600 MB."""

SLAB = 2**19
"""Voxels of a slab, about: its temporaries take some 60 MB, and a slice on either side adds little to its work."""


def takes(regularizer: Regularizer) -> bool:
    """Whether large volumes are solved in slabs with it: one term of forward differences, and no bounds."""
    terms = regularizer.terms
    single = len(terms) == 1 and isinstance(terms[0].operator, ForwardDifferences)
    return single and regularizer.axes == 3 and regularizer.bounds is None


def is_large(problem: Problem) -> bool:
    """Whether it is a single large volume on the CPU that `takes` holds for, without weights."""
    data = problem.data
    return (
        takes(problem.regularizer)
        and not data.bounded
        and data.weight is None
        and data.operator is None
        and data.y.device.type == "cpu"
        and data.y.shape[0] == 1
        and data.y.numel() >= LARGE
    )


@final
@dataclass(frozen=True)
class SlabStep:
    """x = (1 + rho K^T K)^-1 b of one volume, for K = D; `rho` is (1, 1, ..)."""

    operator: ForwardDifferences
    rho: Tensor

    channels = fields = 1

    def select(self, index: Tensor) -> "SlabStep":
        """The same: there is one image."""
        return self

    def step(self, b: Tensor, start: Tensor) -> Tensor:
        """x, exactly, wherever it starts."""
        x = b.clone()
        self.solve_in_place(x)
        return x

    def solve_in_place(self, x: Tensor) -> None:
        """Replace b by x."""
        space = x.shape[2:]
        for low, high in parts(space[0], space[1] * space[2]):
            x[:, :, low:high] = along(along(x[:, :, low:high], -1, inverse=False), -2, inverse=False)
        depth, height, width = (torch.from_numpy(slope**2) for slope in self.operator.slopes(*space))
        rho = self.rho.double().reshape(())
        for low, high in parts(space[1], space[0] * space[2]):
            spectrum = along(x[:, :, :, low:high].contiguous(), -3, inverse=False)
            symbol = depth + height[:, low:high] + width
            spectrum *= (1 / (1 + rho * symbol)).to(x.dtype)
            x[:, :, :, low:high] = along(spectrum, -3, inverse=True)
        for low, high in parts(space[0], space[1] * space[2]):
            x[:, :, low:high] = along(along(x[:, :, low:high], -1, inverse=True), -2, inverse=True)


def iterate_in_slabs(term: ScaledTerm, linear: SlabStep, data: Tensor, tol: Tensor, max_iter: int) -> Outcome:
    """What `loop.iterate` does for one term and the linear step, from s = 0."""
    operator, depth = linear.operator, data.shape[2]
    s = data.new_zeros(1, operator.components, *data.shape[2:])
    x, before, progress = torch.zeros_like(data), data.clone(), Progress(1.0)
    reached = torch.zeros(1, dtype=torch.bool, device="cpu")
    iteration = 0
    for iteration in range(1, max_iter + 1):
        for low, high in _slabs(data):
            first, last = max(low - 1, 0), min(high + 1, depth)
            state = s[:, :, first:last]
            pulled = operator.adjoint(state - 2 * _part(term, first, last).step(state))
            x[:, :, low:high] = pulled[:, :, low - first : high - first] + data[:, :, low:high]
        linear.solve_in_place(x)
        for low, high in _slabs(data):
            state = s[:, :, low:high]
            dual = _part(term, low, high).step(state)
            difference = operator.apply(x[:, :, low : min(high + 1, depth)])[:, :, : high - low]
            s[:, :, low:high] = (RELAXATION * term.rho) * difference + (1 - RELAXATION) * state + RELAXATION * dual
        if iteration % CHECK_EVERY and iteration < max_iter:
            continue
        square = sum((x[:, :, a:b] - before[:, :, a:b]).square().sum(dtype=torch.float64) for a, b in _slabs(data))
        change = torch.as_tensor(square / data.numel()).sqrt().to(data.dtype).reshape(1)
        before.copy_(x)
        if progress.wanted:
            progress.change(float((change / tol).max()))
        reached = change <= tol
        if bool(reached) or bool(change.isnan()):
            break
    return Outcome(x, [s], torch.tensor([iteration]), reached)


def certificate_in_slabs(problem: Problem, term: ScaledTerm, found: Outcome) -> PerImage:
    """What `difftv.problem.certificate` computes, of the outcome of `iterate_in_slabs`."""
    y, regularizer, (s,) = problem.data.y, problem.regularizer, found.states
    depth, gap = y.shape[2], torch.zeros(1, dtype=torch.float64)

    def dual(first: int, last: int) -> Tensor:
        p = _part(term, first, last).step(s[:, :, first:last])
        return regularizer.project(p, problem.maps[:, :, first:last])

    for low, high in _slabs(y):
        first, last = max(low - 1, 0), min(high + 1, depth)
        p = dual(first, last)
        pulled = regularizer.adjoint(p)[:, :, low - first : high - first]
        gap += 0.5 * (found.x[:, :, low:high] - y[:, :, low:high] + pulled).square().sum(dtype=torch.float64)
        # The slab with the next slice, less that slice by itself: what is left are the differences of the slab.
        gap += term.term.gap(found.x[:, :, low:last], p[:, :, low - first :], problem.maps[:, :, low:last]).double()
        if last > high:
            ends = slice(high, last)
            own = regularizer.project(p[:, :, high - first :], problem.maps[:, :, ends])
            gap -= term.term.gap(found.x[:, :, ends], own, problem.maps[:, :, ends]).double()
    return gap / problem.data.scale().double()


def parts(size: int, area: int) -> Iterator[tuple[int, int]]:
    """Begin and end of slabs along an axis of that size, `area` voxels to the slice."""
    thickness = max(1, SLAB // area)
    for low in range(0, size, thickness):
        yield low, min(low + thickness, size)


def _slabs(volume: Tensor) -> Iterator[tuple[int, int]]:
    return parts(volume.shape[2], int(np.prod(volume.shape[3:])))


def _part(term: ScaledTerm, low: int, high: int) -> ScaledTerm:
    """The term of the slices from `low` to `high`."""
    gam = None if term.gam is None else term.gam[:, :, low:high]
    return replace(term, lam=term.lam[:, :, low:high], gam=gam)
