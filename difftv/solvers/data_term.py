"""The data term 1/2 ||u - y||^2 within bounds, with what solvers and certificates ask of it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from difftv.regularizers.bounds import Bounds
from difftv.types import Image, PerImage

_FLAT = 1e-6
"""Contrast that a constant image is taken to have, as far as the scale of its objective goes, in the solver's units."""


@dataclass(frozen=True)
class DataTerm:
    """F(u) = 1/2 ||u - y||^2, subject to lower <= u <= upper where there are bounds.

    Attributes:
        y: the noisy images.
        lower, upper: of every image, (batch, 1, 1, 1), infinite where a side is open; both None without bounds.
    """

    y: Image
    lower: Tensor | None = None
    upper: Tensor | None = None

    @classmethod
    def of(cls, y: Image, bounds: Bounds | None) -> "DataTerm":
        """That of images whose intensities are bounded by the same two numbers; None = open."""
        if bounds is None:
            return cls(y)
        lower, upper = (
            y.new_full((y.shape[0], 1, 1, 1), nothing if side is None else side)
            for side, nothing in zip(bounds, (-torch.inf, torch.inf), strict=True)
        )
        return cls(y, lower, upper)

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
        return self.measured(lambda part: part.index_select(0, index))

    def measured(self, units: Callable[[Tensor], Tensor]) -> "DataTerm":
        """The same of intensities in other units."""
        lower, upper = (None if side is None else units(side) for side in (self.lower, self.upper))
        return DataTerm(units(self.y), lower, upper)

    def clip(self, u: Image) -> Image:
        """The nearest image within the bounds; with gradient 0 where it is on a bound."""
        if self.lower is None or self.upper is None:
            return u
        inside = (u > self.lower) & (u < self.upper)
        return torch.where(inside, u, u.detach().clamp(self.lower, self.upper))

    def value(self, u: Image) -> PerImage:
        """F(u), for u within the bounds."""
        return 0.5 * (u - self.y).square().sum(dim=(1, 2, 3))

    def gap(self, u: Image, q: Image) -> PerImage:
        """F(u) + F*(-q) + <q, u> >= 0 for u within the bounds: 0 at the minimiser, where q = K^T p.

        Without bounds it is 1/2 ||u - y + q||^2. Otherwise -F*(-q) is the minimum over t of 1/2 ||t - y||^2 + <q, t>
        within the bounds, which is at the projection t of y - q, and of the difference both summands are >= 0:

            1/2 ||u - t||^2 + <u - t, t - y + q>.
        """
        if not self.bounded:
            return 0.5 * (u - self.y + q).square().sum(dim=(1, 2, 3))
        t = self.clip(self.y - q)
        return ((u - t) * (0.5 * (u - t) + t - self.y + q)).sum(dim=(1, 2, 3))

    def scale(self) -> PerImage:
        """The objective of the image of constant channels, an upper bound of the optimum that does not vanish with lam.

        Of a constant image it is 0; that of an image of contrast 1e-6 stands in for it.
        """
        contrast = self.y - self.clip(self.y.mean(dim=(2, 3), keepdim=True))
        pixels = self.y.shape[1] * self.y.shape[2] * self.y.shape[3]
        energy = 0.5 * contrast.square().sum(dim=(1, 2, 3))
        return torch.where(energy > 0, energy, torch.full_like(energy, 0.5 * _FLAT**2 * pixels))


def within(u: Image, bounds: Bounds | None) -> Image:
    """u without what rounding has put past the bounds."""
    for side, past in zip(bounds or (None, None), (torch.lt, torch.gt), strict=True):
        if side is not None:
            u = torch.where(past(u, side), torch.full_like(u, side), u)
    return u


def cone_expression(u, y):
    """1/2 ||u - y||^2 of CVXPY variables and parameters.

    It stays a sum of squares as it stands: dropping the constant ||y||^2 costs SCS a factor 50 in accuracy at equal
    eps.
    """
    import cvxpy as cp

    return 0.5 * cp.sum_squares(u - y)
