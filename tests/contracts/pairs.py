"""Every solver with every regularizer that it takes, as the command line builds them."""

import os

import torch
from hydra.utils import get_class, instantiate

from difftv.regularizers import (
    TGV,
    TVTV2,
    AnisotropicTV,
    EightNeighbourTV,
    FilterBank,
    HuberTV,
    IsotropicTV,
    Regularizer,
    TVpwL,
)
from difftv.solvers import Auto, Solver
from tests.conftest import composed, options_of

TIGHT = {
    "scs": ["solver.eps=1e-9"],
    "ecos": [],
    "clarabel": ["solver.tol=1e-9"],
    "admm": ["solver.tol=1e-8", "solver.max_iter=20000", "solver.dtype=float64"],
}
"""Overrides under which a solver is as accurate as the agreement and gradient tests ask for."""


REGULARIZERS: dict[str, Regularizer] = {
    "anisotropic": AnisotropicTV(),
    "anisotropic, 2 maps": AnisotropicTV(2),
    "isotropic": IsotropicTV(),
    "huber": HuberTV(delta=0.02),
    "tvpwl": TVpwL(),
    "tvpwl, 4 maps": TVpwL(4),
    "eight_neighbour": EightNeighbourTV(),
    "eight_neighbour, 4 maps": EightNeighbourTV(4),
    "filters": FilterBank(),
    "filters, 8 maps": FilterBank(num_maps=8),
    "tv_tv2": TVTV2(),
    "tgv": TGV(delta=(0.02, 0.01)),
    "tgv, exact": TGV(delta=(0.0, 0.0)),
    "tvpwl, 3 channels": TVpwL(6, channels=3),
    "tvpwl, 12 maps": TVpwL(12, channels=3),
    "isotropic, 3 channels": IsotropicTV(channels=3),
    "huber, 2 channels": HuberTV(delta=0.02, channels=2),
    "tv_tv2, 2 channels": TVTV2(channels=2),
    "tgv, 2 channels": TGV(delta=(0.02, 0.01), channels=2),
}
"""Widths of the size of the differences below, so that both parts of a Huber function are met."""


def make(solver: str, regularizer: str, *, tight: bool = False) -> Solver:
    """The solver as the command line would build it, with its own tolerance or a tight one."""
    overrides = TIGHT.get(solver, []) if tight else []
    return instantiate(composed(f"solver={solver}", *overrides).solver, regularizer=REGULARIZERS[regularizer])


def kind_of(solver: str) -> type[Solver]:
    return get_class(composed(f"solver={solver}").solver._target_)


SOLVERS = [name for name in options_of("solver") if kind_of(name) is not Auto and kind_of(name).name == name]
"""Without `auto`, which is one of the others, and without names of earlier versions."""

TAKEN = [(s, r) for s in SOLVERS for r in REGULARIZERS if kind_of(s).refusal(REGULARIZERS[r]) is None]
"""Every solver with every regularizer that it takes: all of them agree on the minimiser."""

SAME_PROGRAM = {"scs", "ecos"}
"""Solvers that are handed the cone program of `clarabel`: two regularizers are enough for the rest of the contract."""

COUPLED = {r for r, regularizer in REGULARIZERS.items() if regularizer.channels > 1}
"""The terms of one channel again: the agreement of the solvers, and the whole contract for one of them."""


def _whole_contract(solver: str, regularizer: str) -> bool:
    if regularizer in COUPLED:
        return (solver, regularizer) in {("admm", "isotropic, 3 channels"), ("exact", "tvpwl, 12 maps")}
    return solver not in SAME_PROGRAM or regularizer in {"anisotropic", "isotropic"}


PAIRS = [(s, r) for s, r in TAKEN if _whole_contract(s, r) or "DIFFTV_ALL_PAIRS" in os.environ]
"""Those that are put through the whole contract; DIFFTV_ALL_PAIRS=1 puts all through it, in an hour or so."""


def draw(
    regularizer: Regularizer, batch: int = 2, height: int = 6, width: int = 5, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    noisy = torch.rand(batch, regularizer.channels, height, width, generator=generator, dtype=torch.float64)
    lam = 0.02 + 0.1 * torch.rand(batch, regularizer.num_maps, height, width, generator=generator, dtype=torch.float64)
    return noisy, lam
