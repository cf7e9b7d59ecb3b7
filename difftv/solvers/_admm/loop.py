"""The over-relaxed iteration, for the minimiser and for its derivative; images leave the batch when they are done.

    p = R(s);   x = (P + sum rho K^T K)^-1 (P data + K^T (s - 2 p));   s <- p + a rho K x + (1 - a) (s - p)

`R` is the dual step of the potentials or, for the derivative, its linearisation at the final s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from difftv.linear.operator import LinearOperator
from difftv.progress import Progress
from difftv.solvers._admm.linear_step import LinearStep
from difftv.space import inner

RELAXATION = 1.8
CHECK_EVERY = 10
"""Iterations between two looks at the change of u, which an accelerator has to wait for."""


@runtime_checkable
class Step(Protocol):
    """R of one term, for a batch of images."""

    def select(self, index: Tensor) -> "Step":
        """The same for some of the images."""

    def step(self, s: Tensor) -> Tensor:
        """R(s)."""


@dataclass(frozen=True)
class Outcome:
    """x, the states s and, per image on the CPU, the number of iterations and whether the change fell below `tol`."""

    x: Tensor
    states: list[Tensor]
    iterations: Tensor
    converged: Tensor


def iterate(
    operators: Sequence[LinearOperator],
    steps: Sequence[Step],
    rho: Sequence[Tensor],
    linear: LinearStep,
    data: Tensor,
    tol: Tensor,
    max_iter: int,
    states: Sequence[Tensor] | None = None,
    *,
    relative: bool = False,
) -> Outcome:
    """Iterate from s = 0, or from other states, until rms(x_k - x_{k-10}) <= tol, image by image; `tol`: (batch,).

    `relative`: the change is over rms(u), where that is above 1.
    """
    batch, channels, *space = data.shape
    if states is None:
        states = [data.new_zeros(batch, operator.components, *space) for operator in operators]
    ended = Outcome(
        data.new_zeros(batch, linear.fields, *space),
        [torch.zeros_like(state) for state in states],
        torch.full((batch,), max_iter, dtype=torch.int64, device="cpu"),
        torch.zeros(batch, dtype=torch.bool, device="cpu"),
    )
    left = torch.arange(batch, device="cpu")
    x = data.new_zeros(batch, linear.fields, *space)
    before, progress = torch.cat([data, x[:, channels:]], dim=1), Progress(1.0)
    for iteration in range(1, max_iter + 1):
        x, states = _once(operators, steps, rho, linear, data, states, x)
        if iteration % CHECK_EVERY and iteration < max_iter:
            continue
        change = _change(x - before, channels, operators[0].magnitude)
        if relative:
            change = change / x[:, :channels].square().flatten(1).mean(dim=1).sqrt().clamp_min(1.0)
        before = x
        if progress.wanted:
            progress.change(float((change / tol).max()))
        reached = (change <= tol).cpu()
        # An image whose numbers are no numbers is not going to change; it has not converged, either.
        done = reached | change.isnan().cpu() | (iteration == max_iter)
        if not bool(done.any()):
            continue
        which = done.nonzero().flatten()
        _store(ended, left[which], [x, *states], which.to(data.device))
        ended.iterations[left[which]] = iteration
        ended.converged[left[which]] = reached[which]
        if bool(done.all()):
            break
        keep = (~done).nonzero().flatten()
        left, keep = left[keep], keep.to(data.device)
        data, before, x, tol = (part.index_select(0, keep) for part in (data, before, x, tol))
        states = [state.index_select(0, keep) for state in states]
        rho = [step.index_select(0, keep) for step in rho]
        linear, steps = linear.select(keep), [step.select(keep) for step in steps]
    return ended


def _once(
    operators: Sequence[LinearOperator],
    steps: Sequence[Step],
    rho: Sequence[Tensor],
    linear: LinearStep,
    data: Tensor,
    states: Sequence[Tensor],
    before: Tensor,
) -> tuple[Tensor, list[Tensor]]:
    duals = [step.step(state) for step, state in zip(steps, states, strict=True)]
    pulled = [op.adjoint(torch.sub(s, p, alpha=2)) for op, s, p in zip(operators, states, duals, strict=True)]
    right = sum(pulled[1:], pulled[0])
    channels = data.shape[1]
    if linear.fields == channels:
        right = right + data
    else:
        right = torch.cat([right[:, :channels] + data, right[:, channels:]], dim=1)
    x = linear.step(right, before)
    following = []
    for operator, step, state, dual in zip(operators, rho, states, duals, strict=True):
        following.append(torch.addcmul(torch.lerp(state, dual, RELAXATION), RELAXATION * step, operator.apply(x)))
    return x, following


def _change(step: Tensor, channels: int, magnitude: float) -> Tensor:
    """Root mean square of a step of u; that of v is added, which may still move where u rests for hundreds of steps."""
    change = step[:, :channels].square().mean(dim=inner(step))
    if step.shape[1] > channels:
        change = change + (step[:, channels:] / magnitude).square().mean(dim=inner(step))
    return change.sqrt()


def _store(ended: Outcome, places: Tensor, values: Sequence[Tensor], which: Tensor) -> None:
    places = places.to(ended.x.device)
    for target, source in zip([ended.x, *ended.states], values, strict=True):
        target.index_copy_(0, places, source.index_select(0, which))
