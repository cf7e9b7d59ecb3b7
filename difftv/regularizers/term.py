"""One term of a regularizer: an operator, a norm over its components, a potential, and the maps that weigh it."""

import enum
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from difftv.linear.operator import LinearOperator
from difftv.regularizers.potentials import Potential
from difftv.space import inner
from difftv.types import Dual, Fields, Map, PerImage


class Norm(enum.Enum):
    """What the potential takes the length of, at every pixel."""

    SEPARABLE = "every component by itself"
    EUCLIDEAN = "all components together"


@dataclass(frozen=True)
class Term:
    """sum_i phi(|(K x)_i|; lam_i, gam_i) over the valid differences.

    Attributes:
        operator: K.
        norm: whether |.| is taken of every component or of all of them together.
        potential: phi.
        lam: channels of the maps that weigh the components, one for each (SEPARABLE) or a single one that all share.
        gam: map of the free slopes, where the potential has any.
        factor: a constant that multiplies lam.
    """

    operator: LinearOperator
    norm: Norm
    potential: Potential
    lam: tuple[int, ...] = (0,)
    gam: tuple[int, ...] = ()
    factor: float = 1.0

    def __post_init__(self) -> None:
        allowed = {1} if self.norm is Norm.EUCLIDEAN else {1, self.operator.components}
        assert len(self.lam) in allowed
        assert len(self.gam) in (allowed if self.potential.takes_gam else {0})

    def maps(self, maps: Map) -> tuple[Tensor, Tensor | None]:
        """lam and gam of this term, (batch, 1 or components, *space)."""
        lam = _channels(maps, self.lam)
        if self.factor != 1.0:
            lam = self.factor * lam
        return lam, _channels(maps, self.gam) if self.gam else None

    weights = maps
    """Its name in earlier versions."""

    def length(self, p: Dual) -> Tensor:
        """|p|, (batch, components or 1, *space)."""
        if self.norm is Norm.SEPARABLE:
            return p.abs()
        first, *others = p.split(1, dim=1)
        square = first * first
        for other in others:
            square = square + other * other
        return square.sqrt()

    def inner(self, p: Dual, q: Dual) -> Tensor:
        """p q where `length` takes components one by one, else their inner product; shaped like `length`."""
        return p * q if self.norm is Norm.SEPARABLE else (p * q).sum(dim=1, keepdim=True)

    def valid(self, like: Tensor) -> Tensor:
        """1 at valid differences and 0 at those past the border, (components, *space), as `like`."""
        mask = self.operator.valid_mask(*like.shape[2:]).astype(np.float32)
        return torch.from_numpy(mask).to(dtype=like.dtype).to(device=like.device)

    real = valid
    """Its name in earlier versions."""

    def analysis(self, x: Fields) -> Dual:
        """K x at the valid differences, 0 elsewhere."""
        return self.operator.apply(x) * self.valid(x)

    def adjoint(self, p: Dual) -> Fields:
        """K^T p, whatever stands past the border ignored."""
        return self.operator.adjoint(p * self.valid(p))

    def value(self, x: Fields, maps: Map) -> PerImage:
        """The sum, of every image of the batch."""
        lam, gam = self.maps(maps)
        z = self.length(self.analysis(x))
        # An infinite lam over a difference of zero costs nothing.
        return torch.where(z > 0, self.potential.value(z, lam, gam), torch.zeros_like(z)).sum(dim=inner(z))

    def conjugate(self, p: Dual, maps: Map) -> PerImage:
        """sum_i phi*(|p_i|), for |p_i| <= lam_i."""
        lam, gam = self.maps(maps)
        q = self.length(p * self.valid(p))
        return torch.where(q > 0, self.potential.conjugate(q, lam, gam), torch.zeros_like(q)).sum(dim=inner(q))

    def gap(self, x: Fields, p: Dual, maps: Map) -> PerImage:
        """sum_i phi(|(K x)_i|) + phi*(|p_i|) - <p_i, (K x)_i>, every summand >= 0, for |p_i| <= lam_i."""
        lam, gam = self.maps(maps)
        valid = self.valid(x)
        difference, p = self.operator.apply(x) * valid, p * valid
        z, q = self.length(difference), self.length(p)
        nothing = torch.zeros_like(z)
        primal = torch.where(z > 0, self.potential.value(z, lam, gam), nothing)
        dual = torch.where(q > 0, self.potential.conjugate(q, lam, gam), nothing)
        return (primal + dual - self.inner(difference, p)).sum(dim=inner(z))

    def project(self, p: Dual, maps: Map) -> Dual:
        """The nearest dual variable with |p_i| <= lam_i, zero past the border."""
        lam, _ = self.maps(maps)
        p = p * self.valid(p)
        z = self.length(p)
        return torch.where(z > lam, p * (lam / z.clamp_min(torch.finfo(p.dtype).tiny)), p)


def _channels(maps: Map, channels: tuple[int, ...]) -> Tensor:
    """The named channels; a copy only where they are not next to each other."""
    first = channels[0]
    if channels == tuple(range(first, first + len(channels))):
        return maps[:, first : first + len(channels)]
    return torch.cat([maps[:, channel : channel + 1] for channel in channels], dim=1)
