"""The data term 1/2 ||W^(1/2) (A u - y)||^2 within bounds, with what solvers and certificates ask of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from difftv.linear.forward import ForwardOperator
from difftv.regularizers.bounds import Bounds
from difftv.space import inner, per_image, spatial
from difftv.types import Image, PerImage

_FLAT = 1e-6
"""Contrast that a constant image is taken to have, as far as the scale of its objective goes, in the solver's units."""


@dataclass(frozen=True)
class DataTerm:
    """F(u) = sum_i w_i/2 ((A u)_i - y_i)^2, subject to lower <= u <= upper where there are bounds.

    Attributes:
        y: the noisy images.
        lower, upper: bounds of every image, (batch, 1, ..), infinite where a side is open; both None without bounds.
        weight: w, shaped like y, >= 0 and in no units; None = 1 everywhere. Where it is 0, y does not matter.
        operator: A, the forward operator; None = the identity. y and w are then shaped like A u.
    """

    y: Tensor
    lower: Tensor | None = None
    upper: Tensor | None = None
    weight: Tensor | None = None
    operator: ForwardOperator | None = None

    @classmethod
    def of(cls, y: Image, bounds: Bounds | None, weight: Image | None = None) -> "DataTerm":
        """That of images whose intensities are bounded by the same two numbers; None = open."""
        if bounds is None:
            return cls(y, weight=weight)
        lower, upper = (
            per_image(y.new_full((y.shape[0],), nothing if side is None else side), y)
            for side, nothing in zip(bounds, (-torch.inf, torch.inf), strict=True)
        )
        return cls(y, lower, upper, weight)

    @property
    def bounded(self) -> bool:
        """Whether there are bounds."""
        return self.lower is not None

    @property
    def sides(self) -> list[Tensor]:
        """The bounds that are there, lower before upper."""
        return [side for side in (self.lower, self.upper) if side is not None and not bool(side.isinf().any())]

    def select(self, index: Tensor) -> "DataTerm":
        """The same for some of the images."""
        lower, upper, weight = (
            None if part is None else part.index_select(0, index) for part in (self.lower, self.upper, self.weight)
        )
        return replace(self, y=self.y.index_select(0, index), lower=lower, upper=upper, weight=weight)

    def measured(self, units: Callable[[Tensor], Tensor]) -> "DataTerm":
        """The same of intensities in other units."""
        lower, upper = (None if side is None else units(side) for side in (self.lower, self.upper))
        return replace(self, y=units(self.y), lower=lower, upper=upper)

    def clip(self, u: Image) -> Image:
        """The nearest image within the bounds; with gradient 0 where it is on a bound."""
        if self.lower is None or self.upper is None:
            return u
        inside = (u > self.lower) & (u < self.upper)
        return torch.where(inside, u, u.detach().clamp(self.lower, self.upper))

    def value(self, u: Image) -> PerImage:
        """F(u), for u within the bounds."""
        return 0.5 * self._weighed((u - self.y).square()).sum(dim=inner(u))

    def gap(self, u: Image, q: Image, reach: float) -> PerImage:
        """F(u) + F*(-q) + <q, u> >= 0 for u within the bounds: 0 at the minimiser, where q = K^T p.

        Without bounds and weights it is 1/2 ||u - y + q||^2. Otherwise -F*(-q) is the minimum over t of F(t) + <q, t>
        within the bounds, which is at t = clip(y - q/w), and the difference is

            sum_i (u_i - t_i) (w_i/2 (u_i - t_i) + w_i (t_i - y_i) + q_i).

        Where w vanishes an open side would make -F*(-q) infinite for any q but 0, which iterates reach in the limit
        only. With weights, t is therefore kept to the range of the data as well (`_range`), in which u* is known to be.

        Args:
            u, q: shaped like y.
            reach: by how many ranges of the data u* may leave it, 0 where the regularizer cannot.
        """
        if self.operator is not None:
            return self._gap_behind(self.operator, u, q)
        if self.weight is None and not self.bounded:
            return 0.5 * (u - self.y + q).square().sum(dim=inner(u))
        if self.weight is None:
            t = self.clip(self.y - q)
            return ((u - t) * (0.5 * (u - t) + t - self.y + q)).sum(dim=inner(u))
        low, high = self._range(reach)
        step = torch.where(q == 0, torch.zeros_like(q), q / self.weight)  # infinite where w = 0
        t = (self.y - step).clamp(low, high)
        t = torch.where((self.weight == 0) & (q == 0), u.clamp(low, high), t)
        return ((u - t) * (self.weight * (0.5 * (u - t) + t - self.y) + q)).sum(dim=inner(u))

    def _gap_behind(self, operator: ForwardOperator, u: Image, q: Image) -> PerImage:
        """That with an operator: with r = A u - y and e = A^T W r + q, sum_i u_i e_i - min <e, t>.

        t is within the bounds, and |t| <= 2 max |u| is assumed where a side is open, not proved.
        """
        residual = operator.apply(u) - self.y
        e = operator.adjoint(residual if self.weight is None else self.weight * residual) + q
        largest = 2 * u.abs().amax(dim=tuple(range(1, u.ndim)), keepdim=True)
        low, high = -largest, largest
        if self.lower is not None and self.upper is not None:
            low = torch.where(self.lower.isinf(), low, self.lower)
            high = torch.where(self.upper.isinf(), high, self.upper)
        return (u * e - torch.minimum(low * e, high * e)).flatten(1).sum(dim=1)

    def _range(self, reach: float) -> tuple[Tensor, Tensor]:
        """Bounds that u* keeps in any case: the range of y, which leaves out pixels of weight 0, and the bounds."""
        low, high = (extreme(self.y, dim=spatial(self.y), keepdim=True) for extreme in (torch.amin, torch.amax))
        low, high = low - reach * (high - low), high + reach * (high - low)
        return self.clip(low), self.clip(high)

    def scale(self) -> PerImage:
        """The objective of the image of constant channels, an upper bound of the optimum that does not vanish with lam.

        Of a constant image it is 0; that of an image of contrast 1e-6 stands in for it. Where few pixels hold nearly
        all of it, that of an image of the contrast of the others (`contrast`) does.
        """
        if self.operator is not None:
            return self._scale_behind()
        if self.weight is None:
            mean = self.y.mean(dim=spatial(self.y), keepdim=True)
            total = torch.full_like(mean[:, :1].flatten(), self.y[0].numel())
        else:
            mean = weighted_mean(self.y, self.weight)
            total = self.weight.sum(dim=inner(self.weight))
        energy = 0.5 * self._weighed((self.y - self.clip(mean)).square()).sum(dim=inner(self.y))
        energy = torch.minimum(energy, 0.5 * contrast(self.y).flatten().square() * total)
        return torch.where(energy > 0, energy, 0.5 * _FLAT**2 * total)

    def _scale_behind(self) -> PerImage:
        """That with an operator: the objective of the image 0, the largest that a minimiser can have."""
        square = self._weighed(self.y.abs().square())
        energy = 0.5 * square.flatten(1).sum(dim=1)
        return torch.where(energy > 0, energy, torch.ones_like(energy))

    def _weighed(self, values: Tensor) -> Tensor:
        return values if self.weight is None else self.weight * values


_TAIL, _WIDER = 0.25, 8.0
"""Share of the pixels on either side that the contrast may ignore, and how many times the range of the others a range
must exceed before it does: the range of photographs with noise is 2 to 6 times that of their middle half."""

_MANY = 2**20
"""Values from which two of them are found without sorting all."""


def full_range(y: Image) -> Tensor:
    """The largest range of a channel, (batch, 1, ..); 1 for constant images."""
    low, high = torch.aminmax(y.detach().flatten(2), dim=2)
    return per_image(_positive(high - low), y)


def contrast(y: Image) -> Tensor:
    """`full_range`, without what a minority of bright or dark pixels adds to it, (batch, 1, ..).

    Step sizes and tolerances follow it: under those of the whole range, pixels a thousand times as bright as the
    others would leave these unsolved. Bounds of lam and gam follow the whole range.
    """
    values = y.detach().flatten(2)
    low, high = torch.aminmax(values, dim=2)
    spread = high - low
    rank = int(_TAIL * values.shape[2])
    if rank:
        middle = _WIDER * _between(values, rank)
        spread = torch.where((middle > 0) & (middle < spread), middle, spread)
    return per_image(_positive(spread), y)


def _between(values: Tensor, rank: int) -> Tensor:
    """The range of the values without the `rank` smallest and largest ones, along the last dimension."""
    if values.device.type == "cpu" and values.shape[2] >= _MANY:
        # Sorting would hold the indices besides, three times the memory of the image.
        parted = np.partition(values.numpy(), (rank, values.shape[2] - 1 - rank), axis=2)
        return torch.from_numpy(parted[..., -1 - rank] - parted[..., rank])
    ordered = values.sort(dim=2).values
    return ordered[..., -1 - rank] - ordered[..., rank]


def _positive(spread: Tensor) -> Tensor:
    spread = spread.amax(dim=1)
    return torch.where(spread > 0, spread, torch.ones_like(spread))


def weighted_mean(y: Image, weight: Image) -> Tensor:
    """Of every channel, (batch, channels, 1, ..); the weights of a channel are not all 0."""
    # Of shares of the largest weight, so that no sum overflows.
    space = spatial(y)
    share = weight / weight.amax(dim=space, keepdim=True)
    return (share * y).sum(dim=space, keepdim=True) / share.sum(dim=space, keepdim=True)


def within(u: Image, bounds: Bounds | None) -> Image:
    """u without what rounding has put past the bounds."""
    for side, past in zip(bounds or (None, None), (torch.lt, torch.gt), strict=True):
        if side is not None:
            u = torch.where(past(u, side), torch.full_like(u, side), u)
    return u
