"""`solver=auto` is `taut_string` or `admm`, and nothing of its own."""

import pytest
import torch

from difftv.regularizers import AnisotropicTV, IsotropicTV, Regularizer, TVpwL
from difftv.solvers import Admm, Auto, Solver, TautString, solvers_for


@pytest.mark.parametrize(
    ("regularizer", "kind"), [(AnisotropicTV(2), TautString), (TVpwL(), TautString), (IsotropicTV(), Admm)]
)
def test_it_gives_what_the_chosen_solver_gives(regularizer: Regularizer, kind: type[Solver]) -> None:
    random = torch.Generator().manual_seed(0)
    noisy = torch.rand(2, 1, 7, 6, generator=random).requires_grad_()
    lam = (0.1 * torch.rand(2, regularizer.num_maps, 7, 6, generator=random)).requires_grad_()
    auto, chosen = Auto(regularizer), kind(regularizer)
    assert type(auto.chosen) is kind
    assert auto.workplace == chosen.workplace
    assert auto.batch_size(2, 7, 6) == chosen.batch_size(2, 7, 6)
    found, expected = auto(noisy, lam), chosen(noisy, lam)
    assert torch.equal(found.denoised, expected.denoised)
    assert torch.equal(found.gap, expected.gap)
    for one, other in zip(
        torch.autograd.grad(found.denoised.square().sum(), (noisy, lam)),
        torch.autograd.grad(expected.denoised.square().sum(), (noisy, lam)),
        strict=True,
    ):
        assert torch.equal(one, other)
    assert Auto not in solvers_for(regularizer)


def test_small_images_are_searched_many_at_a_time_where_that_costs_little() -> None:
    assert Admm(IsotropicTV()).batch_size(8, 32, 32) == 64
    assert Admm(IsotropicTV()).batch_size(8, 2000, 2000) == 8
    assert TautString(AnisotropicTV()).batch_size(8, 32, 32) == 8
