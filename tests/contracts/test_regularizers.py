"""A regularizer states terms; these tests tie together what is derived from them."""

import cvxpy as cp
import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from difftv.linear.operator import LinearOperator
from difftv.problem import DataTerm, Problem, certificate
from difftv.regularizers import (
    TGV,
    AnisotropicTV,
    EightNeighbourTV,
    FilterBank,
    HuberTV,
    IsotropicTV,
    Regularizer,
    TVpwL,
)
from difftv.regularizers.potentials import Absolute, Huber, PiecewiseLipschitz, Potential
from difftv.solvers._admm.splitting import Splitting
from difftv.solvers._cone_program import cone_program
from tests.conftest import composed, options_of

VARIANTS = [[f"regularizer={name}"] for name in options_of("regularizer")]
VARIANTS += [
    ["regularizer=anisotropic", "regularizer.num_maps=2"],
    ["regularizer=tvpwl", "regularizer.num_maps=4"],
    ["regularizer=eight_neighbour", "regularizer.num_maps=2"],
    ["regularizer=eight_neighbour", "regularizer.num_maps=4"],
    ["regularizer=filters", "regularizer.num_maps=8"],
    ["regularizer=filters", "regularizer.size=5"],
    ["regularizer=tgv", "regularizer.delta=[0,0]"],
    ["regularizer=isotropic", "regularizer.channels=3"],
    ["regularizer=tv_tv2", "regularizer.channels=2"],
    ["regularizer=tgv", "regularizer.channels=2"],
]
SIZES = [(6, 5), (1, 5), (4, 1), (2, 2), (1, 1), (3, 2)]


@pytest.fixture(params=VARIANTS, ids=lambda overrides: ",".join(overrides))
def regularizer(request: pytest.FixtureRequest) -> Regularizer:
    return instantiate(composed(*request.param).regularizer, _convert_="all")


def draw(regularizer: Regularizer, height: int = 6, width: int = 5, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    fields = regularizer.channels + regularizer.auxiliary
    x = torch.randn(2, fields, height, width, generator=generator, dtype=torch.float64)
    maps = torch.rand(2, regularizer.num_maps, height, width, generator=generator, dtype=torch.float64)
    p = torch.randn(2, regularizer.components, height, width, generator=generator, dtype=torch.float64)
    return x, maps, p


def test_the_name_is_the_option(request: pytest.FixtureRequest, regularizer: Regularizer) -> None:
    assert f"regularizer={regularizer.name}" in request.node.callspec.params["regularizer"]


def test_maps_have_different_names_and_positive_starts(regularizer: Regularizer) -> None:
    assert len(set(regularizer.map_names)) == regularizer.num_maps
    assert regularizer.starts(0.05)[0] == 0.05
    assert all(start > 0 for start in regularizer.starts(0.05))
    with pytest.raises(ValueError, match="lam must be a positive finite number"):
        regularizer.starts(-1.0)


@pytest.mark.parametrize(("height", "width"), SIZES[:-1])
def test_value_equals_its_cone_program(regularizer: Regularizer, height: int, width: int) -> None:
    x, maps, _ = draw(regularizer, height, width)
    program = cone_program(regularizer, height, width)
    channels = regularizer.channels
    u, v = x[0, :channels].flatten(0, 1).numpy(), x[0, channels:].numpy()
    for parameter, values in zip(program.parameters, [u, *maps[0].numpy()], strict=True):
        parameter.value = values
    fixed = [program.variables[0] == u]
    if program.entries_of_v.size:
        fixed.append(program.variables[1] == v.ravel()[program.entries_of_v])
    problem = cp.Problem(program.problem.objective, [*program.problem.constraints, *fixed])
    found = problem.solve(solver="CLARABEL", tol_gap_abs=1e-8, tol_gap_rel=1e-8, tol_feas=1e-8)
    assert found == pytest.approx(regularizer.value(x, maps)[0].item(), rel=1e-6, abs=1e-7)


def test_value_is_the_supremum_over_the_dual_set(regularizer: Regularizer) -> None:
    """R = max_p <K x, p> - phi*(p): attained where Fenchel and Young's inequality is an equality."""
    x, maps, p = draw(regularizer)
    value = regularizer.value(x, maps)

    def below(candidate: torch.Tensor) -> torch.Tensor:
        inner = (regularizer.analysis(x) * candidate).sum(dim=(1, 2, 3))
        return inner - regularizer.conjugate(candidate, maps)

    assert (below(regularizer.project(p, maps)) <= value + 1e-12).all()
    differences = [
        regularizer.split(regularizer.analysis(x))[i].requires_grad_() for i in range(len(regularizer.terms))
    ]
    total = sum(
        term.potential.value(term.length(part), *term.maps(maps)).sum()
        for term, part in zip(regularizer.terms, differences, strict=True)
    )
    attained = torch.cat(torch.autograd.grad(total, differences), dim=1).nan_to_num(0.0)
    torch.testing.assert_close(below(attained), value, atol=1e-10, rtol=1e-10)
    assert (below(0.9 * attained) < value).all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_matrix_adjoint_and_symbol_agree_with_apply(regularizer: Regularizer, height: int, width: int) -> None:
    for term in regularizer.terms:
        operator = term.operator
        unit = torch.eye(operator.fields * height * width, dtype=torch.float64)
        columns = operator.apply(unit.reshape(-1, operator.fields, height, width)).flatten(1)
        matrix = torch.from_numpy(operator.matrix(height, width).toarray())
        torch.testing.assert_close(columns.T, matrix)
        dual = torch.eye(operator.components * height * width, dtype=torch.float64)
        rows = operator.adjoint(dual.reshape(-1, operator.components, height, width)).flatten(1)
        torch.testing.assert_close(rows, matrix)
        symbol = operator.symbol(height, width)
        assert symbol is not None
        basis = _basis(operator, height, width)
        blocks = np.zeros((operator.fields, height * width, operator.fields, height * width))
        for i, j in np.ndindex(operator.fields, operator.fields):
            np.fill_diagonal(blocks[i, :, j], symbol[i, j])
        size = operator.fields * height * width
        kept = basis @ blocks.reshape(size, size) @ basis.T
        np.testing.assert_allclose(kept, (matrix.T @ matrix).numpy(), atol=1e-12)


def _basis(operator: LinearOperator, height: int, width: int) -> np.ndarray:
    """Columns: the cosines and sines that diagonalise K^T K, written down from their formulas."""

    def cosines(n: int) -> np.ndarray:
        i, k = np.arange(n)[:, None], np.arange(n)[None]
        return np.where(k == 0, 1 / np.sqrt(n), np.sqrt(2 / n) * np.cos(np.pi * k * (i + 0.5) / n))

    def sines(n: int) -> np.ndarray:
        i, k = np.arange(n)[:, None], np.arange(n)[None]
        inside = np.sqrt(2 / n) * np.sin(np.pi * k * (i + 1) / n)
        return np.where((k == 0) | (i == n - 1), 0.0, inside)

    fields, channels = operator.fields, operator.channels
    blocks = [np.kron(cosines(height), cosines(width))] * channels
    if fields > channels:
        blocks += [np.kron(sines(height), cosines(width)), np.kron(cosines(height), sines(width))] * channels
    basis = np.zeros((fields * height * width,) * 2)
    for index, block in enumerate(blocks):
        place = slice(index * height * width, (index + 1) * height * width)
        basis[place, place] = block
    return basis


def test_only_real_differences_count(regularizer: Regularizer) -> None:
    x, _, p = draw(regularizer)
    for term, part in zip(regularizer.terms, regularizer.split(p), strict=True):
        past = torch.from_numpy(~term.operator.valid_mask(6, 5)).double()
        assert (term.analysis(x) * past).abs().max() == 0
        torch.testing.assert_close(term.adjoint(part), term.adjoint(part + 100 * past))


def test_an_image_in_the_kernel_costs_nothing(regularizer: Regularizer) -> None:
    _, maps, _ = draw(regularizer)
    rows, columns = torch.meshgrid(torch.arange(6).double(), torch.arange(5).double(), indexing="ij")
    flat, ramp = torch.full((1, 1, 6, 5), 0.3).double(), (0.1 * rows - 0.2 * columns)[None, None]
    channels = regularizer.channels
    flat, ramp = flat.expand(-1, channels, -1, -1), ramp.expand(-1, channels, -1, -1)
    if regularizer.auxiliary:
        slopes = torch.tensor([0.1, -0.2], dtype=torch.float64).view(1, 2, 1, 1).repeat(1, channels, 6, 5)
        flat, ramp = torch.cat([flat, 0 * slopes], dim=1), torch.cat([ramp, slopes], dim=1)
        assert regularizer.value(ramp, maps[:1]).abs().max() < 1e-8
    else:
        assert regularizer.value(ramp, 0 * maps[:1] + torch.eye(regularizer.num_maps)[0].view(1, -1, 1, 1)) > 0.1
    assert regularizer.value(flat, maps[:1]).abs().max() < 1e-12


def test_projection_is_idempotent_and_non_expansive(regularizer: Regularizer) -> None:
    _, maps, p = draw(regularizer)
    _, _, q = draw(regularizer, seed=1)
    once = regularizer.project(p, maps)
    torch.testing.assert_close(regularizer.project(once, maps), once)
    assert (once - regularizer.project(q, maps)).norm() <= (p - q).norm()
    assert regularizer.project(p, torch.zeros_like(maps)).abs().max() == 0


POTENTIALS = [Absolute(), Huber(0.3), PiecewiseLipschitz()]


@pytest.mark.parametrize("potential", POTENTIALS, ids=lambda potential: type(potential).__name__)
def test_the_dual_step_minimises_what_it_says(potential: Potential) -> None:
    generator = torch.Generator().manual_seed(0)
    z, lam = 3 * torch.rand(200, generator=generator).double(), torch.rand(200, generator=generator).double()
    gam = 0.5 * torch.rand(200, generator=generator).double() if potential.takes_gam else None
    rho = torch.tensor(1.7).double()

    def objective(q: torch.Tensor) -> torch.Tensor:
        return 0.5 * (q - z).square() + rho * potential.conjugate(q, lam, gam)

    best = potential.dual_step(z, rho, lam, gam)
    assert ((best >= 0) & (best <= lam)).all()
    for share in torch.linspace(0, 1, 51).double():
        assert (objective(best) <= objective(share * lam) + 1e-12).all()


@pytest.mark.parametrize("potential", POTENTIALS, ids=lambda potential: type(potential).__name__)
def test_the_derivative_of_the_dual_step_is_what_autograd_says(potential: Potential) -> None:
    generator = torch.Generator().manual_seed(0)
    z, lam, gam = (scale * torch.rand(200, generator=generator).double() for scale in (3.0, 1.0, 0.5))
    arguments = [z, lam, gam] if potential.takes_gam else [z, lam]
    for argument in arguments:
        argument.requires_grad_()
    rho = torch.tensor(1.7).double()
    step = potential.dual_step(z, rho, lam, gam if potential.takes_gam else None)
    expected = torch.autograd.grad(step.sum(), arguments, allow_unused=True)
    found = potential.dual_step_derivative(z, rho, lam, gam if potential.takes_gam else None)
    for ours, theirs in zip(found, expected, strict=False):
        torch.testing.assert_close(ours.detach(), theirs)
    assert (found.gam is None) != potential.takes_gam


@pytest.mark.parametrize("potential", POTENTIALS, ids=lambda potential: type(potential).__name__)
def test_zero_and_infinite_weights_give_numbers(potential: Potential) -> None:
    z = torch.tensor([0.0, 0.5, 2.0]).double()
    gam = torch.full_like(z, 0.1) if potential.takes_gam else None
    rho = torch.tensor(1.5).double()
    nothing, infinite = torch.zeros_like(z), torch.full_like(z, torch.inf)
    assert (potential.dual_step(z, rho, nothing, gam) == 0).all()
    assert (potential.dual_step(z, rho, infinite, gam) <= z).all()
    for lam in (nothing, infinite):
        for part in potential.dual_step_derivative(z, rho, lam, gam):
            assert part is None or part.isfinite().all()
    assert (potential.conjugate(nothing, nothing, gam) == 0).all()


@pytest.mark.parametrize(
    ("construct", "message"),
    [
        (lambda: AnisotropicTV(num_maps=3), r"num_maps must be 1 .* or 2 .* got 3"),
        (lambda: TVpwL(num_maps=1), r"num_maps must be 2 .* or 4 .* got 1"),
        (lambda: EightNeighbourTV(num_maps=True), r"num_maps must be 1 .*, 2 .* or 4 .* got True"),
        (lambda: FilterBank(size=4), r"size must be 3 or 5 \(pixels\), got 4"),
        (lambda: FilterBank(num_maps=2), r"num_maps must be 1 \(shared\) or 8 .* got 2"),
        (lambda: HuberTV(delta=0), r"delta must be a positive finite number, got 0"),
        (lambda: HuberTV(delta=-1e-3), r"delta must be a positive finite number"),
        (lambda: TGV(delta=(1e-3, -1.0)), r"delta\[1\] must be a finite number >= 0 .* got -1.0"),
        (lambda: TGV(delta=(float("nan"), 0.0)), r"delta\[0\] must be a finite number >= 0"),
        (lambda: IsotropicTV(channels=0), r"channels must be a positive integer, got 0"),
        (lambda: TGV(channels=True), r"channels must be a positive integer, got True"),
        (lambda: TGV(delta=1e-3), r"delta must be a pair of Huber widths \(d1, d2\), got 0.001"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.usefixtures("jaxtyping_off")
def test_wrong_arguments_are_refused(construct, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        construct()


def test_equivariance_in_units(regularizer: Regularizer) -> None:
    """What solvers rely on when they solve an image in units of its own."""
    x, maps, _ = draw(regularizer)
    moved = 3.0 * x
    moved[:, : regularizer.channels] += 0.7
    expected = 9.0 * regularizer.value(x, maps)
    assert bool(torch.isclose(regularizer.value(moved, 3.0 * maps), expected).all()) == regularizer.equivariant


def test_a_dual_that_is_off_by_a_percent_has_a_larger_gap(regularizer: Regularizer) -> None:
    x, maps, _ = draw(regularizer)
    channels = regularizer.channels
    # Weights that flatten: most entries of the dual are then inside their set, where a change of it shows.
    found = Problem(DataTerm(x[:, :channels].contiguous()), regularizer, 10 * maps)
    splitting = Splitting.of(found)
    solved = splitting.solve(1e-12, 5000)
    dual = torch.cat([term.step(state) for term, state in zip(splitting.terms, solved.states, strict=True)], dim=1)
    right, moved = (certificate(found, solved.x, share * dual) for share in (1.0, 1.01))
    assert bool((right.abs() < 1e-6).all())
    assert bool((moved > 10 * right.abs().clamp_min(1e-9)).all())
