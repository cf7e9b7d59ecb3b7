"""The 1-D taut string: optimality read off the dual, and the fast scan against the linear-time funnel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from difftv.solvers.exact.taut_strings.chain import OVERRUN, SCAN_LIMIT, funnel, scan, solve_chain


def run(routine, z, w):
    n = len(z)
    S = np.concatenate([[0.0], np.cumsum(z)])
    reciprocal = 1.0 / np.arange(1, n + 1)
    u, sign = np.full(n + OVERRUN, np.nan), np.full(n + OVERRUN, 99, np.int8)
    if routine is funnel:
        funnel(S, w, u, sign)
    elif routine is scan:
        assert scan(S, w, reciprocal, u, sign, np.uintp(10**9))
    else:
        solve_chain(S, w, reciprocal, u, sign)
    return u[:n], sign[:n]


@st.composite
def chains(draw):
    """Rows with ties (few levels), zero and huge weights, and lengths down to one."""
    n = draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    z = random.normal(size=n)
    w = 2 * draw(st.sampled_from([0.1, 0.5, 2.0])) * random.random(n)
    if draw(st.booleans()):
        z, w = np.round(2 * z), np.round(2 * w)
    w[random.random(n) < draw(st.sampled_from([0.0, 0.3]))] = 0.0
    w[random.random(n) < draw(st.sampled_from([0.0, 0.3]))] = 1e4
    w[-1] = 0.0
    return z, w


@pytest.mark.parametrize("routine", [scan, funnel, solve_chain])
@given(case=chains())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_the_dual_proves_the_row_optimal(routine, case):
    z, w = case
    u, sign = run(routine, z, w)
    dual = np.cumsum(z - u)
    rounding = 1e-11 * (1 + np.abs(z).max())
    assert np.all(np.abs(dual) <= w + rounding)
    joined = sign[:-1] == 0
    step = u[:-1] - u[1:]
    assert np.all(step[joined] == 0)
    np.testing.assert_allclose(dual[:-1][~joined], (sign * w)[:-1][~joined], atol=rounding)
    assert np.all(sign[:-1][~joined] * step[~joined] >= -rounding)
    assert not np.any(joined & (w[:-1] == 0))
    assert set(np.unique(sign)) <= {-1, 0, 1}


@given(case=chains())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_the_scan_and_the_funnel_agree(case):
    (u, _), (v, _) = run(scan, *case), run(funnel, *case)
    np.testing.assert_allclose(u, v, atol=1e-11 * (1 + np.abs(case[0]).max()))


def hard_row(n):
    """A concave lower wall, an upper one far away, and a drop at the end: each of n bends shows after the whole row."""
    wide = 10.0
    z = -np.arange(n) / n
    z[0] += wide
    z[-1] = -100.0 * n
    w = np.full(n, wide)
    w[-1] = 0.0
    return z, w


def test_a_row_that_makes_the_scan_quadratic_is_handed_to_the_funnel():
    z, w = hard_row(4000)
    n = len(z)
    S = np.concatenate([[0.0], np.cumsum(z)])
    u, sign = np.empty(n + OVERRUN), np.empty(n + OVERRUN, np.int8)
    assert not scan(S, w, 1.0 / np.arange(1, n + 1), u, sign, np.uintp(SCAN_LIMIT * n))
    np.testing.assert_array_equal(run(solve_chain, z, w)[0], run(funnel, z, w)[0])
    np.testing.assert_allclose(run(funnel, z, w)[0], run(scan, z, w)[0], atol=1e-9)
