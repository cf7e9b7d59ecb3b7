"""`solver=taut_string` with the regularizers that its active-set method solves."""

import pytest
import torch

from difftv.errors import ProblemTooLargeError
from difftv.regularizers import TGV, TVTV2, AnisotropicTV, EightNeighbourTV, HuberTV, IsotropicTV, TVpwL
from difftv.solvers import Scs, TautString


def problem(num_maps, batch=2, height=24, width=27, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.rand(batch, 1, height, width, generator=generator, dtype=torch.float64)
    maps = 0.02 + 0.1 * torch.rand(batch, num_maps, height, width, generator=generator, dtype=torch.float64)
    return y, maps


def gradients(regularizer, y, maps):
    leaves = [tensor.clone().requires_grad_() for tensor in (y, maps)]
    denoised = TautString(regularizer)(*leaves).denoised
    denoised.pow(3).sum().backward()
    return denoised.detach(), *(leaf.grad for leaf in leaves)


def test_slopes_of_zero_are_anisotropic_to_rounding_and_in_the_gradient():
    y, lam = problem(2)
    got, grad_y, grad_maps = gradients(TVpwL(4), y, torch.cat([lam, 0 * lam], dim=1))
    expected = TautString(AnisotropicTV(2), tol=1e-15)
    leaves = [tensor.clone().requires_grad_() for tensor in (y, lam)]
    denoised = expected(*leaves).denoised
    denoised.pow(3).sum().backward()
    torch.testing.assert_close(got, denoised.detach(), rtol=0, atol=1e-13)
    torch.testing.assert_close(grad_y, leaves[0].grad, rtol=0, atol=1e-12)
    torch.testing.assert_close(grad_maps[:, :2], leaves[1].grad, rtol=0, atol=1e-12)


def test_diagonals_without_weight_are_anisotropic_to_rounding():
    y, lam = problem(2)
    got = TautString(EightNeighbourTV(4))(y, torch.cat([lam, 0 * lam], dim=1)).denoised
    torch.testing.assert_close(got, TautString(AnisotropicTV(2), tol=1e-15)(y, lam).denoised, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("shared", "each", "channels"),
    [
        (TVpwL(), TVpwL(4), [0, 0, 1, 1]),
        (EightNeighbourTV(2), EightNeighbourTV(4), [0, 0, 1, 1]),
    ],
    ids=["tvpwl", "eight_neighbour"],
)
def test_a_shared_map_has_the_sum_of_the_gradients(shared, each, channels):
    y, maps = problem(2)
    one, grad_y, grad_maps = gradients(shared, y, maps)
    other, other_grad_y, parts = gradients(each, y, maps[:, channels])
    assert torch.equal(one, other)
    assert torch.equal(grad_y, other_grad_y)
    for channel in (0, 1):
        torch.testing.assert_close(grad_maps[:, channel], parts[:, 2 * channel] + parts[:, 2 * channel + 1])


def test_the_diagonals_of_one_shared_map_weigh_one_over_their_length():
    y, lam = problem(1)
    split = torch.cat([lam, lam, 0.5**0.5 * lam, 0.5**0.5 * lam], dim=1)
    one = TautString(EightNeighbourTV())(y, lam).denoised
    torch.testing.assert_close(one, TautString(EightNeighbourTV(4))(y, split).denoised, rtol=0, atol=1e-14)


@pytest.mark.parametrize("regularizer", [TVpwL(4), EightNeighbourTV(4)], ids=lambda r: r.name)
@pytest.mark.parametrize("unit", [1e-9, 255.0, 1e9])
def test_units_do_not_matter(regularizer, unit):
    y, maps = problem(4)
    solver = TautString(regularizer)
    plain, scaled = solver(y, maps), solver(unit * y, unit * maps)
    torch.testing.assert_close(scaled.denoised / unit, plain.denoised, rtol=0, atol=1e-13)
    assert float(scaled.gap.max()) <= 1e-13


@pytest.mark.parametrize("regularizer", [TVpwL(4), EightNeighbourTV(4)], ids=lambda r: r.name)
def test_it_is_exact_whatever_the_tolerance_and_the_steps(regularizer):
    y, maps = problem(4)
    exact = TautString(regularizer, tol=1e-15)(y, maps)
    assert bool(exact.converged.all())
    for solver in (TautString(regularizer, tol=1e-2), TautString(regularizer, max_iter=1)):
        got = solver(y, maps)
        torch.testing.assert_close(got.denoised, exact.denoised, rtol=0, atol=1e-13)
        assert float(got.gap.max()) <= 1e-13


def test_slopes_below_which_everything_lies_give_the_noisy_image_back():
    y, maps = problem(2)
    maps[:, 1] = 2.0
    denoised, grad_y, grad_maps = gradients(TVpwL(), y, maps)
    assert torch.equal(denoised, y)
    torch.testing.assert_close(grad_y, 3 * y.square())
    assert not grad_maps.any()


@pytest.mark.parametrize(
    ("regularizer", "reason"),
    [
        (IsotropicTV(), "weighted one by one"),
        (HuberTV(), "weighted one by one|potentials"),
        (TVTV2(), "along the axes or eight of an image"),
        (TGV(), "no auxiliary field"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_it_cannot_take_is_refused_with_the_reason(regularizer, reason):
    with pytest.raises(ValueError, match=f"exact cannot take {regularizer.name}: .*({reason}).*clarabel"):
        TautString(regularizer)


@pytest.mark.parametrize(("regularizer", "told"), [(TVpwL(), True), (EightNeighbourTV(), True), (TGV(), False)])
def test_who_runs_out_of_memory_is_told_of_it_where_it_takes_the_regularizer(monkeypatch, regularizer, told):
    monkeypatch.setattr("difftv.solvers.cvxpy_layer.available_memory", lambda: 0)
    with pytest.raises(ProblemTooLargeError, match="Use patches of at most 0x0") as refused:
        Scs(regularizer).check_size(64, 64)
    assert ("Exact" in str(refused.value)) == told
