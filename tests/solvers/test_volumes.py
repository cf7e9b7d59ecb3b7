"""Anisotropic total variation of volumes by components that are merged and split, beside the active-set method."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import maximum_flow

from difftv.progress import watched
from difftv.regularizers import AnisotropicTV, IsotropicTV, TVpwL
from difftv.solvers import Admm, Exact
from difftv.solvers.exact.merge_split import flow_problem, label_components
from difftv.solvers.exact.merge_split import volume as by_components
from difftv.solvers.exact.merge_split.blocking import exhaust
from difftv.solvers.exact.merge_split.flow_problem import strides_of
from difftv.solvers.exact.simplex import minimise as by_pivots
from difftv.solvers.exact.volume import minimise_volumes


def problem(seed, space, num_maps=3, strength=0.1, levels=None):
    """Noise of standard deviation 1/4 and a map of 0 to 2 * strength; `levels` rounds both to make ties."""
    random = torch.Generator().manual_seed(seed)
    y = torch.randn(1, 1, *space, generator=random, dtype=torch.float64) / 4
    lam = 2 * strength * torch.rand(1, num_maps, *space, generator=random, dtype=torch.float64)
    if levels is not None:
        y, lam = (y * levels).round(), (lam * levels).round()
    return y, lam


@given(
    seed=st.integers(0, 10**6),
    space=st.tuples(*[st.integers(1, 6)] * 3),
    num_maps=st.sampled_from([1, 3]),
    strength=st.sampled_from([0.01, 0.1, 1.0, 10.0, np.inf]),
    levels=st.sampled_from([None, 4]),
    max_steps=st.sampled_from([1, 2000]),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_two_methods_agree_in_image_and_gradient(seed, space, num_maps, strength, levels, max_steps):
    y, lam = problem(seed, space, num_maps, 1.0 if np.isinf(strength) else strength, levels)
    if np.isinf(strength):
        lam[lam > 1.0] = np.inf
    answers = []
    for method in ("components", "pivots"):
        data, maps = y.clone().requires_grad_(), lam.clone().requires_grad_()
        if method == "components":
            found = minimise_volumes(data, maps, max_steps)
        else:
            weights = maps.expand(-1, 3, -1, -1, -1)
            found = by_pivots(data, weights, torch.zeros_like(weights), 2000)
        found.u.square().sum().backward()
        answers.append((found.u.detach(), data.grad, maps.grad, found.gap))
    (u, by_y, by_lam, gap), (expected, expected_by_y, expected_by_lam, _) = answers
    assert float(gap) <= 1e-24
    torch.testing.assert_close(u, expected, rtol=0, atol=1e-11)
    if levels is None:  # with ties, components may be cut in several ways
        torch.testing.assert_close(by_y, expected_by_y, rtol=0, atol=1e-9)
        torch.testing.assert_close(by_lam, expected_by_lam, rtol=0, atol=1e-9)


@pytest.mark.parametrize("strength", [0.0, 0.05, 0.3])
def test_blocking_flows_are_maximum_flows(strength):
    """All of a component is one flow problem; SciPy says how much can go from too much to too little."""
    space, random = (5, 4, 6), np.random.default_rng(0)
    size = 120
    y = random.normal(size=space)
    w = strength * random.uniform(size=(3, *space))
    sign = np.zeros(w.shape, np.int8)
    for direction in range(3):
        w[direction].swapaxes(0, 2 - direction)[-1] = 0.0
        sign[direction].swapaxes(0, 2 - direction)[-1] = 1
    unit = 1e-6  # SciPy's flows are integers
    y, w = np.round(y / unit) * unit, np.round(w / unit) * unit
    flow = flow_problem(y, w, np.zeros_like(w), sign, np.empty(space, np.uint32), np.empty(space))
    label_components(flow)
    flow.rounding[:] = 1e-12
    before = flow.excess.copy()
    exhaust(flow, size)
    rows, columns, capacity = [], [], []
    for direction, stride in enumerate(strides_of(space)):
        for k in range(size - int(stride)):
            for pair in ((k, k + int(stride)), (k + int(stride), k)):
                rows.append(pair[0])
                columns.append(pair[1])
                capacity.append(flow.w[direction, k] / unit)
    for k, excess in enumerate(before):
        rows.append(size if excess > 0 else k)
        columns.append(k if excess > 0 else size + 1)
        capacity.append(abs(excess) / unit)
    graph = sp.csr_array((np.round(capacity).astype(np.int32), (rows, columns)), shape=(size + 2, size + 2))
    expected = unit * maximum_flow(graph, size, size + 1).flow_value
    sent = before[before > 0].sum() - flow.excess[before > 0].sum()
    assert sent == pytest.approx(expected, abs=size * 2 * unit)
    assert (strength == 0.0) == (expected == 0.0)


def phantom(side):
    places = np.indices((side,) * 3) / side
    clean = 0.6 * (((places - 0.5) ** 2).sum(0) < 0.1)
    return clean + 0.1 * np.random.default_rng(0).normal(size=clean.shape)


@pytest.mark.parametrize("lam", [0.03, 0.08, 0.3])
def test_large_plateaus_take_few_rounds(monkeypatch, lam):
    """What a plateau takes is counted in rounds, each of which visits every voxel once at most, and not in seconds."""
    y, rounds = phantom(32), []
    once = by_components.refine_once
    monkeypatch.setattr(by_components, "refine_once", lambda *given: rounds.append(given[1]) or once(*given))
    u = np.empty_like(y)
    found = by_components.solve_volume(y, np.full((1, *y.shape), lam), u, 2000, lambda share: None)
    assert found.gap <= 1e-26
    assert sum(rounds) <= 4 * y.size
    if lam > 0.05:
        assert np.unique(found.label, return_counts=True)[1].max() > 0.5 * y.size


def test_weights_of_zero_give_the_volume_back():
    y, _ = problem(0, (4, 3, 5))
    assert torch.equal(Exact(AnisotropicTV(axes=3))(y, torch.zeros_like(y)).denoised, y)


@pytest.mark.parametrize("regularizer", [AnisotropicTV(axes=3), TVpwL(axes=3)], ids=lambda r: r.name)
@pytest.mark.parametrize("batch", [1, 2])
def test_the_share_that_is_done_grows_to_one(regularizer, batch):
    y = torch.from_numpy(phantom(12))[None, None].repeat(batch, 1, 1, 1, 1)
    lam = torch.full((batch, regularizer.num_maps, 12, 12, 12), 0.08, dtype=torch.float64)
    shares = []
    with watched(shares.append):
        seen = Exact(regularizer)(y, lam)
    assert len(shares) > 2
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert torch.equal(seen.denoised, Exact(regularizer)(y, lam).denoised)


def test_interrupts_are_heard_during_a_solve():
    """Between steps and rounds Python runs, so that Ctrl-C ends the solve of a large volume."""

    def interrupt(share):
        raise KeyboardInterrupt

    y = torch.from_numpy(phantom(8))[None, None]
    with watched(interrupt), pytest.raises(KeyboardInterrupt):
        Exact(AnisotropicTV(axes=3))(y, torch.full_like(y, 0.08))


def test_the_memory_that_is_announced_is_what_a_solve_takes():
    y = phantom(40)
    u, solver = np.empty_like(y), Exact(AnisotropicTV(axes=3))
    given = y.nbytes + y.nbytes + u.nbytes  # the maps and the image in the units of the solver, and what comes out
    by_components.solve_volume(y, np.full((1, *y.shape), 0.08), u, 20, lambda share: None)  # compile
    tracemalloc.start()
    try:
        by_components.solve_volume(y, np.full((1, *y.shape), 0.08), u, 2000, lambda share: None)
        taken = tracemalloc.get_traced_memory()[1] + given
    finally:
        tracemalloc.stop()
    assert 0.75 * solver.bytes_needed(*y.shape) <= taken <= solver.bytes_needed(*y.shape)
    assert Exact(TVpwL(axes=3)).bytes_needed(*y.shape) > 2 * taken
    assert Admm(IsotropicTV(axes=3)).bytes_needed(256, 256, 256) < 14 * 4 * 256**3
    # Within bounds no volume is solved in slabs: 61 volumes were measured at 164^3.
    assert Admm(IsotropicTV(axes=3, bounds=(0, 1))).bytes_needed(256, 256, 256) >= 61 * 4 * 256**3
