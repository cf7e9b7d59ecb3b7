"""The cone program of any regularizer, put together from its terms.

    minimize  1/2 sum_squares(U - Y) + sum_t sum_i phi_t(t_i; lam_i, gam_i)
    subject to   |(K x)_i| <= t_i,   lower <= U <= upper

Every length is bounded by a variable t_i of its own, through two inequalities (one component) or a second-order cone
(several); the potential is then a program in t alone. The multipliers of those bounds are the dual variable p of the
regularizer, which is how a cone solver gets its duality gap.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from difftv.regularizers.base import Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.potentials import Absolute, Huber, PiecewiseLipschitz, Potential
from difftv.regularizers.term import Norm, Term

_POTENTIAL_ENTRIES: dict[type[Potential], int] = {Absolute: 0, Huber: 5, PiecewiseLipschitz: 1}
"""Variables, and rows of second-order cones, that a potential adds per length."""


@dataclass(frozen=True)
class ConeProgram:
    """A parametrised CVXPY problem.

    Attributes:
        problem: the problem itself.
        parameters: Y, (channels * height, width), then one per map, (height, width), then a number for every bound;
            with weights, their square root, like Y, comes last, and Y is multiplied by it. The sizes are those of an
            image; of other arrays see `rows_and_columns`.
    variables: U, like Y, then v where there is an auxiliary field, then the multipliers of all blocks.
        blocks: how the multipliers become dual variables, one per term.
        entries_of_v: where the entries of v stand in (auxiliary, *space), flattened; empty without any.
    """

    problem: Any
    parameters: list[Any]
    variables: list[Any]
    blocks: "tuple[Block, ...]"
    entries_of_v: np.ndarray


@dataclass(frozen=True)
class Block:
    """One term's bounds. `index` holds the bounded differences (SEPARABLE) or pixels (EUCLIDEAN), flattened."""

    norm: Norm
    components: int
    index: np.ndarray

    @property
    def multipliers(self) -> int:
        """Variables of the program that hold its multipliers."""
        return 2 if self.index.size else 0

    def dual_variable(self, multipliers: Sequence[np.ndarray], shape: Sequence[int]) -> np.ndarray:
        """p, (components, *space), from the values of the multipliers for one image of that shape."""
        p = np.zeros((self.components, math.prod(shape)))
        if self.index.size and self.norm is Norm.SEPARABLE:
            above, below = multipliers
            p.ravel()[self.index] = above - below
        elif self.index.size:
            # The multipliers of the n cones are stored one after the other, (t, x) each; cvxpylayers splits that vector
            # into n "t" and the "x" entries without undoing the interleaving, so it is put together again here.
            raw = np.concatenate([np.asarray(part).ravel(order="F") for part in multipliers])
            p[:, self.index] = -raw.reshape(-1, 1 + self.components)[:, 1:].T
        return p.reshape(self.components, *shape)


def refusal(regularizer: Regularizer) -> str | None:
    """Why the regularizer has no cone program here; None where it has one."""
    for term in regularizer.terms:
        if type(term.potential) not in _POTENTIAL_ENTRIES:
            return f"the potential {type(term.potential).__name__} is not stated as a cone program"
    return None


def entries_per_pixel(regularizer: Regularizer) -> int:
    """Variables and rows of second-order cones per pixel: what the memory of compiling the program grows with."""
    entries = regularizer.channels + regularizer.auxiliary
    for term in regularizer.terms:
        components = term.operator.components
        lengths, cone_rows = (components, 0) if term.norm is Norm.SEPARABLE else (1, 1 + components)
        entries += cone_rows + lengths * (1 + _POTENTIAL_ENTRIES[type(term.potential)])
    return entries


def cone_program(regularizer: Regularizer, *space: int, weighted: bool = False) -> ConeProgram:
    """The problem for images of that size."""
    import cvxpy as cp

    # CVXPY knows matrices: rows are those of the first axis, the others one after the other in each.
    rows, columns = rows_and_columns(space)
    pixels = rows * columns
    stacked_channels = (regularizer.channels * rows, columns)
    u, y = cp.Variable(stacked_channels), cp.Parameter(stacked_channels)
    maps = [cp.Parameter((rows, columns), nonneg=True) for _ in range(regularizer.num_maps)]
    bounded = [_bounded(term, space) for term in regularizer.terms]
    image = regularizer.channels * pixels
    entries_of_v = _entries_of_v(regularizer, [matrix for _, matrix in bounded], image)
    fields = [cp.vec(u, order="C")]
    if entries_of_v.size:
        fields.append(cp.Variable(entries_of_v.size))
    roots = [cp.Parameter(u.shape, nonneg=True)] if weighted else []
    # A layer's parameters must all stand in its problem, even where no difference is left to weigh.
    cost = _data_term(u, y, *roots) + 0 * sum(cp.sum(part) for part in maps)
    sides = [cp.Parameter() for side in regularizer.bounds or () if side is not None]
    constraints, multipliers, blocks = _within(u, sides, regularizer.bounds), [], []
    for term, (block, matrix) in zip(regularizer.terms, bounded, strict=True):
        blocks.append(block)
        if block.index.size == 0:
            continue
        parts = [matrix[:, :image], matrix[:, image + entries_of_v]] if len(fields) == 2 else [matrix[:, :image]]
        difference = sum(part @ field for part, field in zip(parts, fields, strict=True))
        bound = cp.Variable(block.index.size)
        if block.norm is Norm.SEPARABLE:
            # |d| <= t spelt out (it is what cp.abs becomes), so that the multipliers can be asked for by name.
            bounds = [difference <= bound, -difference <= bound]
            multipliers += [constraint.dual_variables[0] for constraint in bounds]
        else:
            stacked = cp.reshape(difference, (block.components, block.index.size), order="C")
            bounds = [cp.SOC(bound, stacked, axis=0)]
            multipliers += bounds[0].dual_variables
        lam, gam = (_weights(block, maps, channels, pixels) for channels in (term.lam, term.gam))
        price, more = _potential(term.potential, bound, term.factor * lam, gam)
        cost = cost + cp.sum(price)
        constraints += [*bounds, *more]
    problem = cp.Problem(cp.Minimize(cost), constraints)
    return ConeProgram(problem, [y, *maps, *sides, *roots], [u, *fields[1:], *multipliers], tuple(blocks), entries_of_v)


def rows_and_columns(space: Sequence[int]) -> tuple[int, int]:
    """The sizes of the matrix that stands for an image of that size in the program."""
    return space[0], math.prod(space[1:])


def _data_term(u: Any, y: Any, root: Any = None) -> Any:
    """F(u); with weights, `root` is their square root and y is root times the images.

    It stays a sum of squares as it stands: dropping the constant ||y||^2 costs SCS a factor 50 in accuracy at equal
    eps.
    """
    import cvxpy as cp

    return 0.5 * cp.sum_squares(u - y if root is None else cp.multiply(root, u) - y)


def _within(u: Any, parameters: Sequence[Any], bounds: Bounds | None) -> list[Any]:
    """u within the bounds, which are parameters: every image is solved in units of its own."""
    if bounds is None:
        return []
    left = iter(parameters)
    lower, upper = (None if side is None else next(left) for side in bounds)
    return [*([] if lower is None else [u >= lower]), *([] if upper is None else [u <= upper])]


def _entries_of_v(regularizer: Regularizer, matrices: Sequence[Any], image: int) -> np.ndarray:
    """The entries of v that some valid difference reads; a cone solver must not be given the others."""
    if not regularizer.auxiliary:
        return np.zeros(0, dtype=int)
    read = [abs(matrix).sum(axis=0) > 0 for matrix in matrices]
    return np.flatnonzero(np.any(read, axis=0)[image:])


def _bounded(term: Term, space: Sequence[int]) -> tuple[Block, Any]:
    """The block of a term and the rows of K that it bounds, those of differences past the border left out or zero."""
    valid = term.operator.valid_mask(*space)
    components = valid.shape[0]
    matrix = term.operator.matrix(*space)
    if term.norm is Norm.SEPARABLE:
        index = np.flatnonzero(valid)
        return Block(term.norm, components, index), matrix[index]
    index = np.flatnonzero(valid.any(axis=0))
    rows = (np.arange(components)[:, None] * math.prod(space) + index).ravel()
    masked = valid.ravel()[rows].astype(float)
    return Block(term.norm, components, index), matrix[rows].multiply(masked[:, None]).tocsr()


def _weights(block: Block, maps: list[Any], channels: tuple[int, ...], pixels: int) -> Any:
    """The entries of the maps that weigh the bounds of a block; None for no channel."""
    import cvxpy as cp

    if not channels:
        return None
    if block.norm is Norm.EUCLIDEAN:
        return cp.vec(maps[channels[0]], order="C")[block.index]
    component, pixel = np.divmod(block.index, pixels)
    parts = []
    for which in range(block.components):
        chosen = pixel[component == which]
        if chosen.size:
            channel = channels[which] if len(channels) > 1 else channels[0]
            parts.append(cp.vec(maps[channel], order="C")[chosen])
    return cp.hstack(parts)


def _potential(potential: Potential, t: Any, lam: Any, gam: Any) -> tuple[Any, list[Any]]:
    """phi(t) for t >= 0, and what it is subject to."""
    import cvxpy as cp

    if isinstance(potential, Absolute):
        return cp.multiply(lam, t), []
    if isinstance(potential, Huber):
        # h(t) = min { a^2 / 2 + t - sqrt(delta) a : sqrt(delta) a <= t }. In these units of a the derivative of the
        # program is accurate; with a in intensities, or in units of delta, LSQR stops at errors of up to 4 %.
        root = potential.delta**0.5
        a = cp.Variable(t.shape)
        return cp.multiply(lam, 0.5 * cp.square(a)) + cp.multiply(lam, t - root * a), [root * a <= t]
    assert isinstance(potential, PiecewiseLipschitz)
    excess = cp.Variable(t.shape)
    return cp.multiply(lam, excess), [excess >= t - gam, excess >= 0]
