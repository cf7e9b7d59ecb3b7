"""`solver=auto` is `exact` or `admm`, and nothing of its own."""

import pytest
import torch

from difftv.lab.baselines import images_at_a_time, loosened
from difftv.regularizers import AnisotropicTV, IsotropicTV, Regularizer, TVpwL
from difftv.solvers import Admm, Auto, Exact, Solver, TautString, solvers_for


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
    assert images_at_a_time(auto, 2, 7, 6) == images_at_a_time(chosen, 2, 7, 6)
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
    assert images_at_a_time(Admm(IsotropicTV()), 8, 32, 32) == 64
    assert images_at_a_time(Admm(IsotropicTV()), 8, 2000, 2000) == 8
    assert images_at_a_time(Exact(AnisotropicTV()), 8, 32, 32) == 8


def test_searches_loosen_the_batched_solver_and_no_other() -> None:
    for solver in (Admm(IsotropicTV()), Auto(IsotropicTV())):
        loose = loosened(solver)
        assert isinstance(loose, Admm)
        assert (loose.tol, loose.regularizer) == (3e-5, solver.regularizer)
    exact = Exact(AnisotropicTV())
    assert loosened(exact) is exact


def test_data_weights_go_to_the_solver_that_takes_them() -> None:
    random = torch.Generator().manual_seed(0)
    noisy, lam, weight = torch.rand(3, 2, 1, 7, 6, generator=random).unbind()
    regularizer = AnisotropicTV()
    found = Auto(regularizer)(noisy, 0.1 * lam, weight)
    assert torch.equal(found.denoised, Admm(regularizer)(noisy, 0.1 * lam, weight).denoised)
    with pytest.raises(ValueError, match=r"exact cannot take anisotropic with data_weight: .*: admm, scs, ecos, clar"):
        Exact(regularizer)(noisy, 0.1 * lam, weight)
