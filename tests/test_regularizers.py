"""Each regularizer says the same function in three ways; these tests tie them together."""

import cvxpy as cp
import pytest
import torch
from hydra.utils import instantiate

from difftv.regularizers import AnisotropicTV, Regularizer
from tests.conftest import composed, options_of

VARIANTS = [[f"regularizer={name}"] for name in options_of("regularizer")]
VARIANTS += [["regularizer=anisotropic", "regularizer.num_maps=2"]]


@pytest.fixture(params=VARIANTS, ids=lambda overrides: ",".join(overrides))
def regularizer(request: pytest.FixtureRequest) -> Regularizer:
    return instantiate(composed(*request.param).regularizer)


def draw(regularizer: Regularizer, height: int = 6, width: int = 5, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(2, 1, height, width, generator=generator, dtype=torch.float64)
    lam = torch.rand(2, regularizer.num_maps, height, width, generator=generator, dtype=torch.float64)
    p = torch.randn(2, 2, height, width, generator=generator, dtype=torch.float64)
    return u, lam, p


def test_the_name_is_the_option(request: pytest.FixtureRequest, regularizer: Regularizer) -> None:
    assert f"regularizer={regularizer.name}" in request.node.callspec.params["regularizer"]


@pytest.mark.parametrize(("height", "width"), [(6, 5), (1, 5), (4, 1)])
def test_value_equals_its_cone_form(regularizer: Regularizer, height: int, width: int) -> None:
    u, lam, _ = draw(regularizer, height, width)
    variable = cp.Variable((height, width))
    parameters = [cp.Parameter((height, width), nonneg=True) for _ in range(regularizer.num_maps)]
    for parameter, channel in zip(parameters, lam[0], strict=True):
        parameter.value = channel.numpy()
    form = regularizer.cone_form(variable, parameters)
    problem = cp.Problem(cp.Minimize(form.expression), [*form.constraints, variable == u[0, 0].numpy()])
    assert problem.solve(solver="CLARABEL") == pytest.approx(regularizer.value(u, lam)[0].item(), rel=1e-6, abs=1e-8)


def test_value_is_the_supremum_over_the_dual_set(regularizer: Regularizer) -> None:
    u, lam, p = draw(regularizer)
    value = regularizer.value(u, lam)
    below = (regularizer.analysis(u) * regularizer.project(p, lam)).sum(dim=(1, 2, 3))
    assert (below <= value + 1e-12).all()
    attained = regularizer.project(1e9 * regularizer.analysis(u), lam)
    torch.testing.assert_close((regularizer.analysis(u) * attained).sum(dim=(1, 2, 3)), value)


def test_adjoint_identity(regularizer: Regularizer) -> None:
    u, _, p = draw(regularizer)
    torch.testing.assert_close((regularizer.analysis(u) * p).sum(), (u * regularizer.adjoint(p)).sum())


def test_projection_is_idempotent_and_non_expansive(regularizer: Regularizer) -> None:
    _, lam, p = draw(regularizer)
    _, _, q = draw(regularizer, seed=1)
    once = regularizer.project(p, lam)
    torch.testing.assert_close(regularizer.project(once, lam), once)
    assert (once - regularizer.project(q, lam)).norm() <= (p - q).norm()
    assert regularizer.project(p, torch.zeros_like(lam)).abs().max() == 0


def test_number_of_maps_is_checked() -> None:
    with pytest.raises(ValueError, match=r"num_maps=1 .* or 2 .* got 3"):
        AnisotropicTV(num_maps=3)


def test_equivariance_in_units(regularizer: Regularizer) -> None:
    """What solvers rely on when they solve an image in units of its own."""
    u, lam, _ = draw(regularizer)
    scaled = regularizer.value(3.0 * u + 0.7, 3.0 * lam)
    expected = 9.0 * regularizer.value(u, lam)
    assert bool(torch.isclose(scaled, expected).all()) == regularizer.equivariant
