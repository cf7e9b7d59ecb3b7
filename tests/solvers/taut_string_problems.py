"""Random problems for the taut-string solver, and a tight solve of them."""

import torch
from hypothesis import strategies as st

from difftv.regularizers import AnisotropicTV
from difftv.solvers.exact.solver import TautString

TIGHT = 1e-11


def problem(seed, height, width, num_maps, strength=0.1, levels=None, batch=1):
    """Noise of standard deviation 1/4 and a map of 0 to 2 * strength; `levels` rounds both to make ties."""
    random = torch.Generator().manual_seed(seed)
    y = torch.randn(batch, 1, height, width, generator=random, dtype=torch.float64) / 4
    lam = 2 * strength * torch.rand(batch, num_maps, height, width, generator=random, dtype=torch.float64)
    if levels is not None:
        y, lam = (y * levels).round(), (lam * levels).round()
    return y, lam


def solve(y, lam, tol=TIGHT):
    return TautString(AnisotropicTV(lam.shape[1]), tol=tol)(y, lam)


@st.composite
def problems(draw):
    return problem(
        seed=draw(st.integers(0, 10**6)),
        height=draw(st.integers(1, 9)),
        width=draw(st.integers(1, 9)),
        num_maps=draw(st.sampled_from([1, 2])),
        strength=draw(st.sampled_from([0.01, 0.1, 1.0, 10.0])),
        levels=draw(st.sampled_from([None, 4])),
    )
