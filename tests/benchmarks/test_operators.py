"""The benchmark behind an operator: `admm` and the closed proximal step solve one problem; tables and document."""

from pathlib import Path

import pytest
import torch

from benchmarks import operators, published
from benchmarks.clock import Spread
from benchmarks.operators import BLUR, ERROR, MRI, GradientRow, OperatorRow, iterations_needed, minimiser, problems
from benchmarks.primal_dual import (
    CONTESTANTS,
    OURS,
    Problem,
    adjoint_differences,
    contestants,
    differences,
)
from benchmarks.stored import read
from benchmarks.study import write_parts
from benchmarks.torchvision_operators import declare
from difftv.regularizers import IsotropicTV

SIZE = 32


@pytest.fixture(scope="module", params=[BLUR, MRI])
def problem(request: pytest.FixtureRequest) -> Problem:
    return problems(SIZE)[request.param]


def test_the_proximal_step_solves_its_equation(problem: Problem) -> None:
    v = torch.randn(1, problem.channels, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    u, A = problem.prox(v, 0.7), problem.operator
    torch.testing.assert_close(
        A.adjoint(A.apply(u) - problem.y) + (u - v) / 0.7, torch.zeros_like(u), atol=1e-5, rtol=0
    )


def test_differences_have_their_adjoint_and_are_those_of_the_regularizer(problem: Problem) -> None:
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(1, problem.channels, 6, 5, generator=generator, dtype=torch.float64)
    p = torch.randn(1, 2 * problem.channels, 6, 5, generator=generator, dtype=torch.float64)
    torch.testing.assert_close((differences(u) * p).sum(), (u * adjoint_differences(p)).sum())
    maps = torch.ones(1, 1, 6, 5, dtype=torch.float64)
    length = torch.linalg.vector_norm(differences(u), dim=1).sum()
    torch.testing.assert_close(length, IsotropicTV(channels=problem.channels).value(u, maps)[0])


def test_admm_comes_near_the_minimiser(problem: Problem) -> None:
    exact = minimiser(problem)
    count, error = iterations_needed(problem, OURS, exact, 1.0, most=400)
    assert error <= ERROR
    assert 10 <= count < 400
    assert iterations_needed(problem, OURS, exact, 1.0, most=10)[1] > ERROR


def test_all_algorithms_come_to_one_minimiser(problem: Problem) -> None:
    declare()
    pytest.importorskip("deepinv", reason="deepinv is not installed (make test-interop)")
    pytest.importorskip("mrpro", reason="mrpro is not installed (make test-interop)")
    exact = minimiser(problem)
    assert len(contestants(problem)) == (5 if problem.channels == 1 else 4)
    for name in contestants(problem):
        ratio = operators.RATIOS.get((problem.name, name), 1.0)
        _, error = iterations_needed(problem, name, exact, ratio, most=1500)
        assert error <= ERROR, name


def test_tables_and_document(tmp_path: Path) -> None:
    rows = [
        OperatorRow(BLUR, name, 1, 256, 70, 1e-4, 9e-5, [0.5, 0.25, 0.5], Spread(2.0, 1.0, 3.0)) for name in CONTESTANTS
    ]
    gradients = [GradientRow(BLUR, OURS, 1, 256, count, 0.5, 2**20 * count) for count in (50, 100)]
    path = tmp_path / "operators.json"
    write_parts(path, {"operators": rows, "gradients": gradients}, operators.COMMAND)
    stored = read(path)
    assert stored.found["operators"].rows == rows
    assert stored.found["gradients"].rows == gradients
    assert operators.COMMAND in stored.where()
    assert "500" in stored.tables()
    text = published.drawn("<!-- measured: gradients -->\n<!-- /measured -->", tmp_path)
    assert "100 [MiB]" in text
