"""x = (A^T W A + sum_t rho_t K_t^T K_t)^-1 b by conjugate gradients, preconditioned in the cosine or Fourier basis.

In the cosine basis the preconditioner is the inverse with c = trace(A^T W A) / n in place of A^T W A, in the Fourier
basis that with periodic terms. The steps go on from the x before.
"""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from difftv.linear.forward import ForwardOperator
from difftv.linear.operator import LinearOperator
from difftv.solvers._admm.linear_step import LinearStep

_TINY = 1e-30

_ENOUGH = 0.1
"""Share of the first residual at which a step ends in any case. Steps go on from the x before, so that the first
residual falls as the iteration converges: as many iterations, and a third to two thirds of the products with A."""


@final
class ConjugateGradientStep:
    """The linear step with any forward operator, for images with step sizes of their own."""

    def __init__(
        self,
        operator: ForwardOperator,
        weight: Tensor | None,
        terms: Sequence[LinearOperator],
        rho: Sequence[Tensor],
        preconditioner: LinearStep,
        tol: float,
        max_steps: int,
    ) -> None:
        """`tol`: of the residual over b, both as the preconditioner weighs them, for every image by itself."""
        self.operator, self.weight, self.terms, self.rho = operator, weight, terms, rho
        self.preconditioner, self.tol, self.max_steps = preconditioner, tol, max_steps
        self.channels, self.fields = preconditioner.channels, preconditioner.fields

    def select(self, index: Tensor) -> "ConjugateGradientStep":
        """The same for some of the images."""
        return ConjugateGradientStep(
            self.operator.select(index, len(self.rho[0])),
            None if self.weight is None else self.weight.index_select(0, index),
            self.terms,
            [step.index_select(0, index) for step in self.rho],
            self.preconditioner.select(index),
            self.tol,
            self.max_steps,
        )

    def step(self, b: Tensor, start: Tensor) -> Tensor:
        """x, to the tolerance; one step at least, so that no image stays where it is before it is solved."""
        x, residual = start, b - self._matrix(start)
        z = self.preconditioner.step(residual, residual)
        direction, size = z, _inner(residual, z)
        enough = torch.maximum(self.tol**2 * _inner(b, self.preconditioner.step(b, b)), _ENOUGH**2 * size)
        left, longest = size > 0, 0.01 / torch.finfo(b.dtype).eps
        for _ in range(self.max_steps):
            moved = self._matrix(direction)
            length = size / _inner(direction, moved)
            # Preconditioned steps have lengths of about 1. Much longer ones, or those of no length, go where neither A
            # nor a term sees the image: x stays as it is there. So does an image that is done: a batch is a loop.
            left = left & (length > 0) & (length < longest)
            length = torch.where(left, length, torch.zeros_like(length))
            x = x + length * direction
            residual = residual - length * moved
            z = self.preconditioner.step(residual, residual)
            following = _inner(residual, z)
            left = left & (following > enough)
            if not bool(left.any()):
                break
            direction = z + following / size.clamp_min(_TINY) * direction
            size = following
        return x

    def _matrix(self, x: Tensor) -> Tensor:
        measured = self.operator.apply(x[:, : self.channels])
        pulled = self.operator.adjoint(measured if self.weight is None else self.weight * measured)
        if self.fields > self.channels:
            pulled = torch.cat([pulled, torch.zeros_like(x[:, self.channels :])], dim=1)
        for term, step in zip(self.terms, self.rho, strict=True):
            pulled = pulled + term.adjoint(step * term.apply(x))
        return pulled


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=tuple(range(1, a.ndim)), keepdim=True)
