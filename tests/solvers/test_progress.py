"""A long solve says how far it is."""

import torch

from difftv.progress import watched
from difftv.regularizers import TGV
from difftv.solvers import Admm


def test_the_share_grows_to_one_and_nothing_else_changes() -> None:
    noisy = torch.rand(2, 1, 12, 10, generator=torch.Generator().manual_seed(0))
    lam = torch.full((2, 2, 12, 10), 0.1)
    solver, shares = Admm(TGV()), []
    with watched(shares.append):
        seen = solver(noisy, lam)
    assert len(shares) == int(seen.iterations.max()) // 10
    assert shares == sorted(shares)
    assert shares[0] < 0.5
    assert shares[-1] == 1.0
    assert torch.equal(seen.denoised, solver(noisy, lam).denoised)
    assert len(shares) == int(seen.iterations.max()) // 10
