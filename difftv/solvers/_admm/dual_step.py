"""The dual step p = R(s) of every term, and its derivative at a given s."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from difftv.linear.operator import LinearOperator
from difftv.regularizers.potentials import Absolute
from difftv.regularizers.term import Norm, Term

_TINY = 1e-30


@dataclass(frozen=True)
class ScaledTerm:
    """One term with its maps and step sizes, for a batch of images.

    Attributes:
        term: the term.
        lam, gam: (batch, 1 or components, *space); `gam` is None where the potential has none.
        rho: step size, (batch, 1, ..).
        valid: 1 at differences within the image, 0 past the border, (components, *space); None where none lies
            there.
    """

    term: Term
    lam: Tensor
    gam: Tensor | None
    rho: Tensor
    valid: Tensor | None

    def select(self, index: Tensor) -> "ScaledTerm":
        """The same for some of the images."""
        lam, rho = (part.index_select(0, index) for part in (self.lam, self.rho))
        gam = None if self.gam is None else self.gam.index_select(0, index)
        return ScaledTerm(self.term, lam, gam, rho, self.valid)

    def over(self, operator: LinearOperator) -> "ScaledTerm":
        """The same with another padding past the border."""
        term = replace(self.term, operator=operator)
        return replace(self, term=term, valid=term.valid(self.lam))

    def masked(self, s: Tensor) -> Tensor:
        """s without the differences past the border."""
        return s if self.valid is None else s * self.valid

    def step(self, s: Tensor) -> Tensor:
        """p: s shortened to the length that the potential asks for."""
        s = self.masked(s)
        if self.term.norm is Norm.SEPARABLE and isinstance(self.term.potential, Absolute):
            # The same in one pass, a fifth of the time.
            return torch.clamp(s, -self.lam, self.lam)
        z = self.term.length(s)
        return s * (self.term.potential.dual_step(z, self.rho, self.lam, self.gam) / z.clamp_min(_TINY))

    def linearised(self, s: Tensor) -> "Linearised":
        """The derivative of `step` at s."""
        s = self.masked(s)
        z = self.term.length(s)
        safe = z.clamp_min(_TINY)
        shrink = self.term.potential.dual_step(z, self.rho, self.lam, self.gam) / safe
        by_length, by_lam, by_gam = self.term.potential.dual_step_derivative(z, self.rho, self.lam, self.gam)
        # Where s = 0 the step is r'(0) s in every direction.
        shrink = torch.where(z > 0, shrink, by_length.expand_as(shrink))
        return Linearised(self, s / safe, shrink, by_length, by_lam, by_gam)


@dataclass(frozen=True)
class Linearised:
    """J = dp/ds (symmetric) and dp/dmaps at one s. Along the direction n = s/|s| it is r', across it r/|s|."""

    at: ScaledTerm
    direction: Tensor
    across: Tensor
    along: Tensor
    by_lam: Tensor
    by_gam: Tensor | None

    def select(self, index: Tensor) -> "Linearised":
        """The same for some of the images."""
        parts = [p.index_select(0, index) for p in (self.direction, self.across, self.along, self.by_lam)]
        by_gam = None if self.by_gam is None else self.by_gam.index_select(0, index)
        return Linearised(self.at.select(index), parts[0], parts[1], parts[2], parts[3], by_gam)

    def step(self, q: Tensor) -> Tensor:
        """J q."""
        q = self.at.masked(q)
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
        along = self.at.term.inner(self.direction, self.step(q) + rho * self.at.masked(difference)) / rho
        by_gam = None if self.by_gam is None else -self.by_gam * along
        return -self.by_lam * along, by_gam
