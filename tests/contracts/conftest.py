"""The pairs of a solver and a regularizer that the contract is for, and the solver of each."""

import pytest

from difftv.solvers import Solver
from tests.contracts.pairs import PAIRS, make

LONGEST = ("admm", "tgv, exact")
"""Takes ten seconds a test: with the slow ones."""

CASES = [pytest.param(pair, id="-".join(pair), marks=pytest.mark.slow if pair == LONGEST else ()) for pair in PAIRS]


@pytest.fixture(params=CASES)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def solver(pair: tuple[str, str]) -> Solver:
    return make(*pair)


@pytest.fixture
def tight(pair: tuple[str, str]) -> Solver:
    return make(*pair, tight=True)
