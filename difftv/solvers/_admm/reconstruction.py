"""The minimiser behind a forward operator, and its derivative.

    u* = argmin_u  1/2 ||W^(1/2) (A u - y)||^2 + R(u; maps)

Its optimality, A^T W (A u - y) + K^T p = 0, is that of a right-hand side b = A^T W (y - A u*) + (A^T W A) u*. Where
that u* and the last A^T W A are held fixed, every derivative of u* is one of b. With a the solution of
(A^T W A + K^T H K) a = dL/du,

    dL/dy = W A a,     dL/dW = -(A a) (A u - y),     dL/dtheta = -d/dtheta [<A a, W r> + <W A a, A u>],

which autograd takes from b, in the parameters of A as in the rest; only a and dL/dmaps are computed here.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from difftv.linear.circular import circular
from difftv.linear.forward import first_look, mean_gram
from difftv.linear.operator import LinearOperator
from difftv.problem import DataTerm, Problem, certificate
from difftv.problem.data_term import contrast, full_range
from difftv.solvers._admm.cosine_step import CosineStep
from difftv.solvers._admm.data_step import RHO, DataStep, ImageItself
from difftv.solvers._admm.dual_step import ScaledTerm
from difftv.solvers._admm.fourier_step import FourierStep
from difftv.solvers._admm.gradient_step import ConjugateGradientStep
from difftv.solvers._admm.linear_step import LinearStep
from difftv.solvers._admm.splitting import Splitting, largest_lam, scaled_term
from difftv.solvers.solution import RawSolution

STEP = 10.0
"""rho over the mean of lam, in units of the range of the image: between 3 and 10 were best for blur and tomography;
the 50 of denoising is too large where A loses much."""

SAMPLED_STEP = 150.0
"""That of an operator that measures some frequencies and not the others, as in magnetic resonance imaging: a slice of
640x368 is then right to .01 dB after 30 iterations (at 50 after 60, at 10 after 500); for blur it is 50 times worse."""

_INNER = {torch.float32: 1e-6, torch.float64: 1e-12}
"""Least tolerance of the conjugate gradients, above rounding."""

_INNER_LARGEST, _INNER_STEPS = 1e-5, 60
"""One inner step per iteration, a tolerance of 1e-2, was 50 times less accurate after 100 iterations."""


@dataclass(frozen=True)
class Tolerances:
    """Numerics of one solve: those of the solver, and of its backward."""

    tol: float
    backward: float
    max_iter: int


def reconstruct(problem: Problem, tolerances: Tolerances) -> RawSolution:
    """The minimiser of a problem with an operator; differentiable in y, maps, weight and the parameters of A."""
    data = problem.data
    operator = data.operator
    assert operator is not None
    fixed = replace(
        problem,
        data=replace(data, y=data.y.detach(), weight=None if data.weight is None else data.weight.detach()),
        maps=problem.maps.detach(),
    )
    with torch.no_grad():
        symbols = _Symbols.of(fixed.data, fixed.maps)
        if symbols.fourier is not None:
            # What A continues periodically, the filters do as well: the linear step is then exact.
            fixed = replace(fixed, regularizer=fixed.regularizer.periodic())
        splitting = _splitting(fixed, symbols, tolerances)
        found = splitting.solve(tolerances.tol, tolerances.max_iter)
        duals = [term.step(state) for term, state in zip(splitting.terms, found.states, strict=False)]
        gap = certificate(replace(fixed, maps=splitting.problem.maps), found.x, torch.cat(duals, dim=1))
    channels = problem.regularizer.channels
    u = found.x[:, :channels]
    # A^T W (y - A u), of which the value is not used, for its derivatives.
    residual = data.y - operator.apply(u)
    b = operator.adjoint(residual if data.weight is None else data.weight * residual)
    u = _Implicit.apply(b, problem.maps, u, splitting, found.states, tolerances)
    v = found.x[:, channels:].contiguous() if problem.regularizer.auxiliary else None
    return RawSolution(u, gap.cpu().double(), found.iterations, found.converged, v)


class _Implicit(torch.autograd.Function):
    """(b, maps) -> u*, which has been computed."""

    @staticmethod
    def forward(ctx, b, maps, u: Tensor, splitting: Splitting, states: Sequence[Tensor], tolerances: Tolerances):
        ctx.splitting, ctx.tolerances = splitting, tolerances
        ctx.save_for_backward(*states)
        return u.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        tolerances = ctx.tolerances
        by_b, by_maps, _, converged = ctx.splitting.pull_back(
            ctx.saved_tensors, grad.contiguous(), tolerances.backward, tolerances.max_iter
        )
        if not bool(converged.all()):
            images = (~converged).nonzero().flatten().tolist()
            warnings.warn(
                f"The gradient of image(s) {images} of the batch has not converged in {tolerances.max_iter} "
                "iterations. Raise max_iter of the solver, or its lam.",
                RuntimeWarning,
                stacklevel=2,
            )
        return by_b, by_maps, None, None, None, None


def _splitting(problem: Problem, symbols: "_Symbols", tolerances: Tolerances) -> Splitting:
    data, regularizer, maps = problem.data, problem.regularizer, problem.maps
    operator = data.operator
    assert operator is not None
    look = first_look(operator, data.y).detach()
    scale = contrast(look)
    curvature = mean_gram(operator, look, data.weight).reshape(-1, *[1] * (look.ndim - 1))
    curvature = torch.where(curvature > 0, curvature, torch.ones_like(curvature))
    whole = full_range(look)
    maps = torch.minimum(maps, largest_lam(regularizer) * whole * curvature)
    step = SAMPLED_STEP if symbols.sampled else STEP
    terms = tuple(scaled_term(term, scale, whole, maps, step=step, curvature=curvature) for term in regularizer.terms)
    operators: list[LinearOperator] = [term.operator for term in regularizer.terms]
    rho = [term.rho for term in terms]
    image = ImageItself(regularizer.channels, regularizer.auxiliary)
    box = None
    if data.bounded:
        # The bounds alone: the squares stay in the linear step.
        nothing = DataTerm(look, data.lower, data.upper, torch.zeros_like(look))
        box = DataStep(nothing, RHO * curvature)
        operators.append(image)
        rho.append(box.rho)
    inner = min(max(0.1 * tolerances.tol, _INNER[look.dtype]), _INNER_LARGEST)
    terms, carried, linear = _linear_step(data, symbols, terms, operators, rho, look, curvature, inner)
    pulled = operator.adjoint(data.y if data.weight is None else data.weight * data.y)
    right = replace(problem, maps=maps, data=DataTerm(pulled, data.lower, data.upper, operator=operator))
    return Splitting(right, scale, terms, box, tuple(carried), tuple(rho), linear)


@dataclass(frozen=True)
class _Symbols:
    """A^T W A where it is diagonal: in the cosine basis, (height, width), in the Fourier basis, (.., height, width)."""

    cosine: Tensor | None
    fourier: Tensor | None

    @classmethod
    def of(cls, data: DataTerm, look: Tensor) -> "_Symbols":
        operator, space, weight = data.operator, tuple(look.shape[2:]), data.weight
        assert operator is not None
        if len(space) != 2:
            return cls(None, None)
        cosine = operator.cosine_symbol(*space) if weight is None else None
        return cls(cosine, operator.fourier_symbol(*space, weight) if cosine is None else None)

    @property
    def sampled(self) -> bool:
        """Whether frequencies are measured about equally well, or not at all."""
        if self.fourier is None:
            return False
        measured = self.fourier[self.fourier > 0]
        return measured.numel() > 0 and bool(measured.min() >= 0.2 * measured.median())


def _linear_step(
    data: DataTerm,
    symbols: _Symbols,
    terms: tuple[ScaledTerm, ...],
    operators: Sequence[LinearOperator],
    rho: Sequence[Tensor],
    look: Tensor,
    curvature: Tensor,
    tol: float,
) -> tuple[tuple[ScaledTerm, ...], Sequence[LinearOperator], LinearStep]:
    """The cheapest linear step that what A says of itself allows, with the terms and operators that it is for."""
    operator, weight, fourier = data.operator, data.weight, symbols.fourier
    assert operator is not None
    if symbols.cosine is not None:
        return terms, operators, CosineStep(operators, rho, look, with_data=symbols.cosine)
    if fourier is None:
        image = ImageItself(operators[0].channels, operators[0].fields - operators[0].channels)
        precondition: LinearStep = CosineStep([*operators, image], [*rho, curvature], look, with_data=False)
        return (
            terms,
            operators,
            ConjugateGradientStep(operator, weight, operators, rho, precondition, tol, _INNER_STEPS),
        )
    periodic = [circular(one) for one in operators]
    pairs = operator.complex_images
    if all(one is not None for one in periodic):
        moved = [one for one in periodic if one is not None]
        terms = tuple(term.over(one) for term, one in zip(terms, moved, strict=False))
        return terms, moved, FourierStep(fourier, moved, rho, look, complex_images=pairs)
    precondition = FourierStep(fourier, operators, rho, look, complex_images=pairs)
    return terms, operators, ConjugateGradientStep(operator, weight, operators, rho, precondition, tol, _INNER_STEPS)
