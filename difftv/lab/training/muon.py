"""Orthogonalised momentum for the hidden layers of a network, Adam for the rest (Muon, Jordan et al. 2024)."""

from collections.abc import Iterable
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from difftv.arguments import not_negative, positive, positive_int

SMALLEST = 16
"""Channels that a layer must take and give: with fewer (the first layer, the maps) there is little to orthogonalise."""

QUINTIC = 3.4445, -4.7750, 2.0315
"""Coefficients of the Newton-Schulz iteration, which rises steeply at 0 and ends between 0.7 and 1.2 (Jordan 2024)."""

MATCH = 0.2
"""Root mean square of a step of Adam over its learning rate, about, which orthogonal steps are scaled to (Liu et al.
2025): one learning rate serves both."""


@final
class Muon(Optimizer):
    """Steps in which all directions of a layer are equally long, whatever their share in the gradient.

    The momentum of a weight of a hidden layer, seen as a matrix of outputs x (inputs and pixels of the kernel), is
    replaced by the orthogonal matrix nearest to it, by a few Newton-Schulz iterations. Weights with fewer than
    `SMALLEST` inputs or outputs, and biases, take steps of Adam. `torch.optim.Muon` takes matrices alone.

    Args:
        params: weights, or groups of them with options of their own.
        lr: learning rate, >= 0, on the scale of Adam's.
        momentum: share of the momentum that is kept at a step, in [0, 1).
        betas: shares of Adam's two moments that are kept, in [0, 1).
        eps: added to the denominators, > 0.
        iterations: Newton-Schulz iterations, >= 1.

    Raises:
        ValueError: options out of range.

    References:
        K. Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024. J. Liu et al., Muon is scalable
        for LLM training, 2025.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        iterations: int = 5,
    ) -> None:
        for name, share in (("momentum", momentum), *(("betas", beta) for beta in betas)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be in [0, 1), got {share}.")
        options = {
            "lr": not_negative("lr", lr),
            "momentum": momentum,
            "betas": tuple(betas),
            "eps": positive("eps", eps),
            "iterations": positive_int("iterations", iterations),
        }
        super().__init__(params, options)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step for every weight that has a gradient.

        Args:
            closure: function that computes the loss and the gradients again, or None.

        Returns:
            What `closure` gave.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    change = _orthogonal if is_hidden(weight) else _adam
                    change(weight, self.state[weight], group)
        return loss


def is_hidden(weight: Tensor) -> bool:
    """Whether a weight is that of a hidden layer, and takes orthogonal steps."""
    return weight.ndim >= 2 and min(weight.shape[:2]) >= SMALLEST


def orthogonalised(matrix: Tensor, iterations: int = 5, eps: float = 1e-8) -> Tensor:
    """A matrix with the singular vectors of the given one, and singular values near 1 (0.7 to 1.2).

    Args:
        matrix: (rows, columns).
        iterations: Newton-Schulz iterations; five lift singular values from 1e-3 of the largest on.
        eps: added to the norm.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    first, third, fifth = QUINTIC
    found = wide / (wide.norm() + eps)
    for _ in range(iterations):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=third, alpha=fifth), found, beta=first)
    return found if wide is matrix else found.T


def _orthogonal(weight: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state["momentum"] = torch.zeros_like(weight)
    momentum = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
    ahead = torch.lerp(weight.grad, momentum, group["momentum"]).flatten(1)  # type: ignore[arg-type]  # has a gradient
    step = orthogonalised(ahead, group["iterations"], group["eps"])
    weight.sub_(step.reshape(weight.shape), alpha=group["lr"] * MATCH * max(step.shape) ** 0.5)


def _adam(weight: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state.update(steps=0, mean=torch.zeros_like(weight), square=torch.zeros_like(weight))
    state["steps"] += 1
    first, second = group["betas"]
    state["mean"].lerp_(weight.grad, 1 - first)
    state["square"].lerp_(weight.grad.square(), 1 - second)  # type: ignore[union-attr]  # has a gradient
    scale = (state["square"] / (1 - second ** state["steps"])).sqrt_().add_(group["eps"])
    weight.addcdiv_(state["mean"], scale, value=-group["lr"] / (1 - first ** state["steps"]))
