"""Large volumes are solved slab by slab: what comes out is what the whole iteration gives."""

import pytest
import torch

from difftv.progress import watched
from difftv.regularizers import AnisotropicTV, HuberTV, IsotropicTV, TVpwL
from difftv.solvers import Admm
from difftv.solvers._admm import slabs, splitting


def volume(*space: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(1, 1, *space, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


@pytest.fixture
def in_slabs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Slabs of two slices, whatever the size; the list counts the solves."""
    solves: list[int] = []
    iterate = splitting.iterate_in_slabs
    monkeypatch.setattr(splitting, "iterate_in_slabs", lambda *given: solves.append(1) or iterate(*given))
    monkeypatch.setattr(slabs, "LARGE", 1)
    monkeypatch.setattr(slabs, "SLAB", 2 * 6 * 5)
    return solves


@pytest.mark.parametrize(
    "regularizer",
    [
        IsotropicTV(axes=3),
        IsotropicTV(axes=3, spacing=(2.0, 1.0, 0.5)),
        HuberTV(axes=3),
        AnisotropicTV(3, axes=3),
        TVpwL(axes=3),
    ],
    ids=lambda regularizer: regularizer.name,
)
@pytest.mark.parametrize("depth", [1, 2, 7])
def test_the_same_minimiser_iterations_gap_and_gradient(regularizer, depth, in_slabs, monkeypatch) -> None:
    y = volume(depth, 6, 5)
    maps = 0.05 + 0.1 * torch.rand(1, regularizer.num_maps, depth, 6, 5, generator=torch.Generator().manual_seed(1))
    answers = []
    for large in (True, False):
        monkeypatch.setattr(slabs, "LARGE", 1 if large else 2**40)
        data, given = y.clone().requires_grad_(), maps.double().requires_grad_()
        found = Admm(regularizer, tol=1e-9, dtype=torch.float64)(data, given)
        found.denoised.square().sum().backward()
        answers.append((found, data.grad, given.grad))
    assert in_slabs == [1]
    (ours, *our_grads), (whole, *grads) = answers
    assert torch.equal(ours.iterations, whole.iterations)
    assert torch.equal(ours.converged, whole.converged)
    torch.testing.assert_close(ours.denoised, whole.denoised, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.gap, whole.gap, rtol=1e-6, atol=1e-15)
    for one, other in zip(our_grads, grads, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8)


def test_in_single_precision_with_progress(in_slabs) -> None:
    y, shares = volume(7, 6, 5, dtype=torch.float32), []
    lam = torch.full_like(y, 0.1)
    with watched(shares.append):
        found = Admm(IsotropicTV(axes=3))(y, lam)
    assert in_slabs == [1]
    assert found.denoised.dtype == torch.float32
    assert bool(found.converged)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_what_slabs_cannot_take_is_solved_as_a_whole(in_slabs) -> None:
    y = volume(7, 6, 5)
    lam = torch.full_like(y, 0.1)
    bounded = Admm(IsotropicTV(axes=3, bounds=(0.2, 0.8)), dtype=torch.float64)(y, lam).denoised
    assert float(bounded.min()) >= 0.2
    Admm(IsotropicTV(axes=3))(y, lam, torch.ones_like(y))
    Admm(IsotropicTV(axes=3))(y.repeat(2, 1, 1, 1, 1), lam.repeat(2, 1, 1, 1, 1))
    Admm(IsotropicTV())(y[:, :, 0], lam[:, :, 0])
    assert in_slabs == []


def test_the_middle_range_of_many_values_is_that_of_sorting_them(monkeypatch) -> None:
    from difftv.problem import data_term

    y = torch.cat([volume(9, 8, 7), 100 * volume(1, 8, 7)], dim=2)
    sorted_ = data_term.contrast(y)
    monkeypatch.setattr(data_term, "_MANY", 1)
    assert torch.equal(data_term.contrast(y), sorted_)
    assert float(sorted_) < 50
