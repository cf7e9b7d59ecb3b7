"""TV behind an operator as deepinv's and mrpro's primal-dual algorithms solve it, and as `admm` does.

    u* = argmin_u  1/2 ||A u - y||^2 + lam sum_i |(D u)_i|_2

for a circular blur of a real image and Fourier sampling of a complex one, of two channels, whose differences have one
length together. All are given the same A and D, and some the closed form of the data term's proximal step. Step sizes
have a product just below 1 / ||K||^2; which quotient is best was tried (`benchmarks.operators`).
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from benchmarks.torchvision_operators import declare
from difftv.linear import ForwardOperator
from difftv.linear.gradient import divergence, gradient
from difftv.regularizers import IsotropicTV
from difftv.solvers import Admm

Watch = Callable[[Tensor], bool]
"""Called with u after some iterations; True ends the solve."""


@dataclass(frozen=True)
class Problem:
    """One image.

    Attributes:
        name: its name in a table.
        operator: A.
        y: measurements.
        lam: weight.
        channels: channels of the image.
    """

    name: str
    operator: ForwardOperator
    y: Tensor
    lam: float
    channels: int

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        """argmin_u 1/2 ||A u - y||^2 + 1/(2 step) ||u - v||^2, in closed form."""
        return self.inverse(self.operator.adjoint(self.y) + v / step, 1 / step)

    def inverse(self, b: Tensor, c: Tensor | float) -> Tensor:
        """(A^T A + c)^-1 b."""
        symbol = self.operator.fourier_symbol(*b.shape[2:])
        assert symbol is not None
        if self.channels == 1:
            half = symbol[..., : b.shape[-1] // 2 + 1]
            return torch.fft.irfft2(torch.fft.rfft2(b) / (half + c), s=b.shape[2:])
        found = torch.fft.ifft2(torch.fft.fft2(torch.complex(b[:, :1], b[:, 1:])) / (symbol + c))
        return torch.cat([found.real, found.imag], dim=1)


def differences(u: Tensor) -> Tensor:
    """D u, (batch, 2 channels, height, width)."""
    return gradient(u.flatten(0, 1)[:, None]).reshape(len(u), -1, *u.shape[2:])


def adjoint_differences(p: Tensor) -> Tensor:
    """D^T p."""
    batch, height, width = len(p), *p.shape[2:]
    return -divergence(p.reshape(-1, 2, height, width)).reshape(batch, -1, height, width)


def admm(problem: Problem, iterations: int, watch: Watch | None, ratio: float) -> Tensor:
    """Ours; it is run anew for every number of iterations that is looked at."""
    maps = torch.full((1, 1, *problem.y.shape[2:]), problem.lam, dtype=torch.float32)
    counts = [iterations] if watch is None else range(10, iterations + 1, 10)
    for count in counts:
        solver = Admm(IsotropicTV(channels=problem.channels), tol=1e-6, max_iter=count)
        u = solver(problem.y, maps, operator=problem.operator).denoised
        if watch is not None and watch(u):
            break
    return u


def mrpro_closed(problem: Problem, iterations: int, watch: Watch | None, ratio: float) -> Tensor:
    """mrpro's `pdhg` on D alone, the data term with its closed proximal step."""
    parts = _mrpro()
    return _run_mrpro(
        problem, (parts.Lengths(problem.lam), parts.Data(problem), parts.D()), iterations, watch, _steps(ratio, 8.0)
    )


def mrpro_stacked(problem: Problem, iterations: int, watch: Watch | None, ratio: float) -> Tensor:
    """mrpro's `pdhg` on A and D, as in its examples."""
    parts = _mrpro()
    data = parts.operators.functionals.L2NormSquared(target=problem.y, weight=0.5**0.5)
    both = parts.operators.LinearOperatorMatrix(((parts.A(problem),), (parts.D(),)))
    f = parts.operators.ProximableFunctionalSeparableSum(data, parts.Lengths(problem.lam))
    return _run_mrpro(problem, (f, None, both), iterations, watch, _steps(ratio, 9.0))


def deepinv_closed(problem: Problem, iterations: int, watch: Watch | None, ratio: float) -> Tensor:
    """deepinv's `PDCP` on D, with its `L12Prior` and the data term's closed proximal step."""
    dinv = _deepinv()
    tau, sigma = _steps(ratio, 8.0)
    options = {
        "prior": dinv.optim.prior.L12Prior(l2_axis=1),
        "stepsize": tau,
        "stepsize_dual": sigma,
        "K": differences,
        "K_adjoint": adjoint_differences,
        "g_first": True,
    }
    return _run_deepinv(problem, options, iterations, watch, differences)


def deepinv_tv(problem: Problem, iterations: int, watch: Watch | None, ratio: float) -> Tensor:
    """deepinv's `PDCP` with its `TVPrior`, K = 1: every step runs the prior's own iteration, from its last state."""
    prior = _deepinv().optim.prior.TVPrior(def_crit=1e-6, n_it_max=INNER)
    options = {"prior": prior, "stepsize": ratio, "stepsize_dual": 1 / ratio}
    return _run_deepinv(problem, options, iterations, watch, lambda u: u)


Solve = Callable[[Problem, int, Watch | None, float], Tensor]
"""Problem, iterations, what is called with u, quotient of the step sizes -> u."""

OURS = "admm"
CONTESTANTS: Mapping[str, Solve] = {
    OURS: admm,
    "deepinv PDCP, TVPrior": deepinv_tv,
    "deepinv PDCP, L12Prior": deepinv_closed,
    "mrpro pdhg on A and D": mrpro_stacked,
    "mrpro pdhg on D": mrpro_closed,
}

INNER = 10
"""Steps of the iteration within TVPrior, which begins where it stopped before."""


def contestants(problem: Problem) -> dict[str, Solve]:
    """Those that solve this very problem: TVPrior takes every channel by itself."""
    return {name: solve for name, solve in CONTESTANTS.items() if solve is not deepinv_tv or problem.channels == 1}


def _steps(ratio: float, norm_squared: float) -> tuple[float, float]:
    """Primal and dual step."""
    root = (0.99 / norm_squared) ** 0.5
    return root * ratio, root / ratio


def _run_deepinv(
    problem: Problem,
    options: Mapping[str, Any],
    iterations: int,
    watch: Watch | None,
    dual: Callable[[Tensor], Tensor],
) -> Tensor:
    dinv, start = _deepinv(), problem.operator.adjoint(problem.y)

    class Data(dinv.optim.L2):  # type: ignore[name-defined, misc]
        def prox(self, x: Tensor, y: Tensor, physics: Any, *args: Any, gamma: Any = 1.0, **kwargs: Any) -> Tensor:
            return problem.prox(x, gamma)

        def prox_conjugate(
            self, x: Tensor, y: Tensor, physics: Any, *args: Any, gamma: Any = 1.0, **kwargs: Any
        ) -> Tensor:
            return x - gamma * problem.prox(x / gamma, 1 / gamma)

    model = dinv.optim.PDCP(
        **options,
        data_fidelity=Data(),
        lambda_reg=problem.lam,
        max_iter=iterations,
        unfold=torch.is_grad_enabled(),
        trainable_params=[],
    )
    iterator = model.fixed_point.iterator
    # The objective would be evaluated at every iteration.
    model.has_cost, iterator.has_cost, iterator.cost_fn = False, False, None
    if watch is not None:
        step = iterator.forward

        def watched(*args: Any, **kwargs: Any) -> Any:
            found = step(*args, **kwargs)
            if watch(found["est"][0]):
                raise _ReachedError(found["est"][0])
            return found

        iterator.forward = watched
    physics = dinv.physics.LinearPhysics(A=problem.operator.apply, A_adjoint=problem.operator.adjoint)
    try:
        return model(problem.y, physics, init=lambda y, physics: {"est": (start, start, 0 * dual(start))})
    except _ReachedError as reached:
        return reached.u


class _ReachedError(Exception):
    """Ends an iteration from within, with its u."""

    def __init__(self, u: Tensor) -> None:
        super().__init__()
        self.u = u


def _run_mrpro(
    problem: Problem, what: tuple[Any, Any, Any], iterations: int, watch: Watch | None, steps: tuple[float, float]
) -> Tensor:
    (u,) = _mrpro().pdhg(
        *what,
        (problem.operator.adjoint(problem.y),),
        max_iterations=iterations,
        primal_stepsize=steps[0],
        dual_stepsize=steps[1],
        callback=None if watch is None else lambda status: not watch(status["solution"][0]),
    )
    return u


@functools.cache
def _deepinv() -> Any:
    declare()
    import deepinv

    return deepinv


@functools.cache
def _mrpro() -> SimpleNamespace:
    """`pdhg`, and the operators and functionals that mrpro does not have."""
    declare()
    from mrpro import operators
    from mrpro.algorithms.optimizers import pdhg
    from mrpro.operators.Functional import ProximableFunctional

    class D(operators.LinearOperator):  # type: ignore[misc]
        def forward(self, x: Tensor) -> tuple[Tensor]:
            return (differences(x),)

        def adjoint(self, x: Tensor) -> tuple[Tensor]:
            return (adjoint_differences(x),)

    class A(operators.LinearOperator):  # type: ignore[misc]
        def __init__(self, problem: Problem) -> None:
            super().__init__()
            self.problem = problem

        def forward(self, x: Tensor) -> tuple[Tensor]:
            return (self.problem.operator.apply(x),)

        def adjoint(self, x: Tensor) -> tuple[Tensor]:
            return (self.problem.operator.adjoint(x),)

    class Lengths(ProximableFunctional):  # type: ignore[misc]
        """lam sum_i |p_i|_2, of all channels together; the conjugate's proximal step is a projection."""

        def __init__(self, lam: float) -> None:
            super().__init__()
            self.lam = lam

        def forward(self, x: Tensor) -> tuple[Tensor]:
            return (self.lam * x.norm(dim=1).sum(),)

        def prox(self, x: Tensor, sigma: Any = 1.0) -> tuple[Tensor]:
            return (x - self.prox_convex_conj(x / sigma)[0] * sigma,)

        def prox_convex_conj(self, x: Tensor, sigma: Any = 1.0) -> tuple[Tensor]:
            return (x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) / self.lam).clamp_min(1.0),)

    class Data(ProximableFunctional):  # type: ignore[misc]
        def __init__(self, problem: Problem) -> None:
            super().__init__()
            self.problem = problem

        def forward(self, x: Tensor) -> tuple[Tensor]:
            return (0.5 * (self.problem.operator.apply(x) - self.problem.y).abs().square().sum(),)

        def prox(self, x: Tensor, sigma: Any = 1.0) -> tuple[Tensor]:
            return (self.problem.prox(x, sigma),)

    return SimpleNamespace(pdhg=pdhg, operators=operators, A=A, D=D, Lengths=Lengths, Data=Data)
