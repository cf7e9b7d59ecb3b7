"""The potentials phi(z), z >= 0 the length of a difference: convex, increasing, phi(0) = 0, slopes up to lam.

A potential is elementwise. Its conjugate is defined on lengths of dual variables, 0 <= q <= lam.
The step of a splitting method, which splits s = p + rho K x into its parts, is

    |p| = r(z) = argmin_{q in [0, lam]} 1/2 (q - z)^2 + rho phi*(q),      z = |s|,

and the derivative of the minimiser needs that of r.
"""

import abc
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor


class StepDerivative(NamedTuple):
    """Partial derivatives of r(z; lam, gam): elementwise, one-sided where it has a kink."""

    length: Tensor
    lam: Tensor
    gam: Tensor | None


class Potential(abc.ABC):
    """phi(z; lam, gam). `gam` is None for the potentials that have none."""

    takes_gam: ClassVar[bool] = False
    equivariant: ClassVar[bool] = True
    """Whether phi(s z; s lam, s gam) = s^2 phi(z; lam, gam) for every s > 0."""

    @abc.abstractmethod
    def value(self, z: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        """phi(z)."""

    @abc.abstractmethod
    def conjugate(self, q: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        """phi*(q) for 0 <= q <= lam."""

    @abc.abstractmethod
    def dual_step(self, z: Tensor, rho: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        """r(z) above."""

    @abc.abstractmethod
    def dual_step_derivative(self, z: Tensor, rho: Tensor, lam: Tensor, gam: Tensor | None) -> StepDerivative:
        """The derivatives of r at z."""


@final
@dataclass(frozen=True)
class Absolute(Potential):
    """phi(z) = lam z."""

    def value(self, z: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        return lam * z

    def conjugate(self, q: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        return torch.zeros_like(q)

    def dual_step(self, z: Tensor, rho: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        return torch.minimum(z, lam)

    def dual_step_derivative(self, z: Tensor, rho: Tensor, lam: Tensor, gam: Tensor | None) -> StepDerivative:
        saturated = (z > lam).to(z.dtype)
        return StepDerivative(1 - saturated, saturated, None)


@final
@dataclass(frozen=True)
class Huber(Potential):
    """phi(z) = lam h(z), h(z) = z^2 / (2 delta) up to delta and z - delta / 2 beyond (Huber 1964).

    Args:
        delta: width of the quadratic part, > 0, intensity per pixel.
    """

    equivariant: ClassVar[bool] = False
    delta: float

    def value(self, z: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        inside = torch.clamp(z / self.delta, max=1.0)
        return lam * (z - 0.5 * self.delta * inside) * inside

    def conjugate(self, q: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        # delta q^2 / (2 lam), with 0 for q = lam = 0 and for an infinite lam.
        return 0.5 * self.delta * q * torch.where(lam > 0, q / lam, torch.zeros_like(q))

    def dual_step(self, z: Tensor, rho: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        return torch.minimum(z * self._slope(rho, lam), lam)

    def dual_step_derivative(self, z: Tensor, rho: Tensor, lam: Tensor, gam: Tensor | None) -> StepDerivative:
        slope = self._slope(rho, lam)
        linear = z * slope > lam
        by_lam = torch.where(lam.isinf(), torch.zeros_like(z), z * rho * self.delta / (lam + rho * self.delta) ** 2)
        return StepDerivative(
            torch.where(linear, torch.zeros_like(z), slope.expand_as(z)),
            torch.where(linear, torch.ones_like(z), by_lam),
            None,
        )

    def _slope(self, rho: Tensor, lam: Tensor) -> Tensor:
        """1 / (1 + rho delta / lam), which is 0 for lam = 0 and 1 for an infinite one."""
        return torch.where(lam.isinf(), torch.ones_like(lam), lam / (lam + rho * self.delta))


@final
@dataclass(frozen=True)
class PiecewiseLipschitz(Potential):
    """phi(z) = lam (z - gam)_+: slopes up to gam cost nothing (Burger, Korolev, Parisotto, Schoenlieb 2020)."""

    takes_gam: ClassVar[bool] = True

    def value(self, z: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        assert gam is not None
        return lam * (z - gam).clamp_min(0)

    def conjugate(self, q: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        assert gam is not None
        return gam * q

    def dual_step(self, z: Tensor, rho: Tensor, lam: Tensor, gam: Tensor | None) -> Tensor:
        assert gam is not None
        return torch.minimum((z - rho * gam).clamp_min(0), lam)

    def dual_step_derivative(self, z: Tensor, rho: Tensor, lam: Tensor, gam: Tensor | None) -> StepDerivative:
        assert gam is not None
        past = z - rho * gam
        saturated = (past > lam).to(z.dtype)
        middle = (past > 0).to(z.dtype) * (1 - saturated)
        return StepDerivative(middle, saturated, -rho * middle)
