"""The contract of every solver, continued: the gradient in the noisy image and in every map."""

import pytest
import torch

from difftv.solvers import Solver
from tests.contracts.pairs import draw
from tests.contracts.references import differences


def test_gradients_match_differences_of_another_solver(pair: tuple[str, str], tight: Solver) -> None:
    inputs, direction, expected = differences(pair[1])
    arguments = [argument.clone().requires_grad_() for argument in inputs]
    (tight(*arguments).denoised * direction).sum().backward()
    for argument, difference in zip(arguments, expected, strict=True):
        assert difference.abs().max() > 0.1
        assert argument.grad is not None
        assert (argument.grad - difference).norm() < 5e-3 * difference.norm()


def test_dtype_is_kept_and_gradients_flow_in_it(solver: Solver) -> None:
    noisy, lam = (tensor.float().requires_grad_() for tensor in draw(solver.regularizer))
    solution = solver(noisy, lam)
    assert solution.denoised.dtype == torch.float32
    solution.denoised.square().sum().backward()
    for tensor in (noisy, lam):
        assert tensor.grad is not None
        assert tensor.grad.dtype == torch.float32
        assert tensor.grad.isfinite().all()
        assert tensor.grad.abs().max() > 0
    assert solution.seconds.forward > 0
    assert solution.seconds.backward > 0


def test_nothing_is_prepared_for_a_gradient_that_is_not_asked_for(
    solver: Solver, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy, lam = draw(solver.regularizer)
    with_gradient = solver(noisy, lam.requires_grad_()).denoised
    assert with_gradient.requires_grad

    def prepared(*_: object, **__: object) -> None:
        raise AssertionError("a derivative was prepared")

    monkeypatch.setattr("difftv.solvers.diffcp_interface.solve_and_derivative_internal", prepared)
    with torch.no_grad():
        without = solver(noisy, lam).denoised
    assert not without.requires_grad
    torch.testing.assert_close(without, with_gradient.detach(), atol=1e-12, rtol=0)


def test_the_gradient_is_linear_in_the_loss(tight: Solver) -> None:
    noisy, lam = draw(tight.regularizer)
    direction = torch.randn(noisy.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    arguments = [noisy.clone().requires_grad_(), lam.clone().requires_grad_()]
    denoised = tight(*arguments).denoised

    def gradients(factor: float) -> list[torch.Tensor]:
        loss = (factor * direction * denoised).sum()
        return [part / factor for part in torch.autograd.grad(loss, arguments, retain_graph=True)]

    plain = gradients(1.0)
    for factor in (1e-12, 1e9):
        for expected, found in zip(plain, gradients(factor), strict=True):
            assert (found - expected).norm() <= 1e-3 * expected.norm()
