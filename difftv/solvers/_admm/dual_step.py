"""The dual step p = R(s) of every term, and its derivative at a given s."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from difftv.regularizers.term import Norm, Term

_TINY = 1e-30


@dataclass(frozen=True)
class Weighed:
    """One term with what weighs it, for a batch of images.

    Attributes:
        stated: the term in intensities; `term` is the same in the units of the images.
        unit: intensities per unit, (batch, 1, 1, 1).
        lam, gam: (batch, 1 or components, height, width); `gam` is None where the potential has none.
        rho: step size, (batch, 1, 1, 1).
        real: 1 at real differences, 0 past the border, (components, height, width); None where none lies there.
    """

    stated: Term
    unit: Tensor
    lam: Tensor
    gam: Tensor | None
    rho: Tensor
    real: Tensor | None
    term: Term = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "term", self.stated.rescaled(self.unit))

    def select(self, index: Tensor) -> "Weighed":
        """The same for some of the images."""
        unit, lam, rho = (part.index_select(0, index) for part in (self.unit, self.lam, self.rho))
        gam = None if self.gam is None else self.gam.index_select(0, index)
        return Weighed(self.stated, unit, lam, gam, rho, self.real)

    def kept(self, s: Tensor) -> Tensor:
        """s without the differences past the border."""
        return s if self.real is None else s * self.real

    def step(self, s: Tensor) -> Tensor:
        """p: s shortened to the length that the potential asks for."""
        s = self.kept(s)
        z = self.term.length(s)
        return s * (self.term.potential.dual_step(z, self.rho, self.lam, self.gam) / z.clamp_min(_TINY))

    def frozen(self, s: Tensor) -> "Frozen":
        """The derivative of `step` at s."""
        s = self.kept(s)
        z = self.term.length(s)
        safe = z.clamp_min(_TINY)
        shrink = self.term.potential.dual_step(z, self.rho, self.lam, self.gam) / safe
        by_length, by_lam, by_gam = self.term.potential.dual_step_derivative(z, self.rho, self.lam, self.gam)
        # Where s = 0 the step is r'(0) s in every direction.
        shrink = torch.where(z > 0, shrink, by_length.expand_as(shrink))
        return Frozen(self, s / safe, shrink, by_length, by_lam, by_gam)


@dataclass(frozen=True)
class Frozen:
    """J = dp/ds (symmetric) and dp/dmaps at one s. Along the direction n = s/|s| it is r', across it r/|s|."""

    at: Weighed
    direction: Tensor
    across: Tensor
    along: Tensor
    by_lam: Tensor
    by_gam: Tensor | None

    def select(self, index: Tensor) -> "Frozen":
        """The same for some of the images."""
        parts = [p.index_select(0, index) for p in (self.direction, self.across, self.along, self.by_lam)]
        by_gam = None if self.by_gam is None else self.by_gam.index_select(0, index)
        return Frozen(self.at.select(index), parts[0], parts[1], parts[2], parts[3], by_gam)

    def step(self, q: Tensor) -> Tensor:
        """J q."""
        q = self.at.kept(q)
        if self.at.term.norm is Norm.SEPARABLE:
            return self.along * q
        n = self.direction
        return self.across * q + (self.along - self.across) * self.at.term.inner(n, q) * n

    def map_gradients(self, q: Tensor, difference: Tensor) -> tuple[Tensor, Tensor | None]:
        """dL/dlam and dL/dgam, shaped like lengths, from the adjoint state q and K a at the end of the iteration.

        p = R(s; lam) and s = p + rho K x give (1 - J) dp = rho J K dx + R_lam dlam, and so, with (1 - J) q = rho K a,
        dL/dlam = -<(1 - J)^-1 R_lam, K a> = -R_lam q / rho. J q + rho K a stands for q, and equals it in the limit.
        """
        rho = self.at.rho
        along = self.at.term.inner(self.direction, self.step(q) + rho * self.at.kept(difference)) / rho
        by_gam = None if self.by_gam is None else -self.by_gam * along
        return -self.by_lam * along, by_gam
