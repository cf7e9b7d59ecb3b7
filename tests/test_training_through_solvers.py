"""What a training sees does not depend on the solver: admm and a cone program, the same seed, the same losses."""

import pytest
import torch

from difftv import Admm, Cnn, Denoiser, Ecos, IsotropicTV
from difftv.noise import add_noise
from difftv.solvers import Solver

STEPS = 2


def losses_through(solver: Solver) -> tuple[list[float], list[torch.Tensor]]:
    """The loss before every step and after the last one, and the weights at the end."""
    clean = torch.linspace(0.2, 0.8, 8).expand(2, 1, 8, 8).clone()
    clean[:, :, 2:6, 3:7] += 0.2
    noisy = add_noise(clean, 25.0, seed=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        denoiser = Denoiser(predictor=Cnn(), solver=solver)
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=5e-2)
    losses = []
    for step in range(STEPS + 1):
        optimizer.zero_grad()
        loss = (denoiser(noisy).denoised - clean).square().mean()
        losses.append(loss.item())
        if step < STEPS:
            loss.backward()
            optimizer.step()
    return losses, [weight.detach() for weight in denoiser.parameters()]


def test_the_losses_through_admm_are_those_through_a_cone_program() -> None:
    tight = Admm(IsotropicTV(), tol=1e-8, max_iter=5000, dtype=torch.float64)
    ours, our_weights = losses_through(tight)
    theirs, their_weights = losses_through(Ecos(IsotropicTV()))
    assert ours == pytest.approx(theirs, rel=1e-4)
    # The steps have to matter, or equal losses would say nothing about the gradient.
    assert ours[-1] < 0.98 * ours[0]
    for one, other in zip(our_weights, their_weights, strict=True):
        assert torch.allclose(one, other, atol=2e-3)
