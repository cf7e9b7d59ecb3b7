"""The contract of bounds, lower <= u <= upper, of every solver with every regularizer that it takes."""

import math

import pytest
import torch

from difftv.functional import tv_denoise
from difftv.regularizers import BY_NAME, TGV, AnisotropicTV, IsotropicTV, Regularizer, TVpwL
from difftv.solvers import Admm, Auto, Clarabel, Solver, TautString, relative_gap
from tests.contracts import pairs

BOUNDS = (0.3, 0.6)
"""Both hold at many pixels of `draw`, whatever the regularizer."""


def draw(regularizer: Regularizer, **options: int) -> tuple[torch.Tensor, torch.Tensor]:
    noisy, lam = pairs.draw(regularizer, **options)
    return noisy, 0.4 * lam


def bounded(name: str, bounds: tuple[float | None, float | None] | None = BOUNDS) -> Regularizer:
    options = {"delta": (0.02, 0.01)} if name == "tgv" else {}
    return BY_NAME[name](**options, bounds=bounds)


def precise(regularizer: Regularizer) -> Admm:
    return Admm(regularizer, tol=1e-8, max_iter=20000, dtype=torch.float64)


SOLVERS: list[tuple[str, type[Solver] | None]] = [(name, None) for name in BY_NAME]
SOLVERS += [("anisotropic", TautString), ("eight_neighbour", TautString)]
"""None: `precise`."""


def make(name: str, kind: type[Solver] | None, bounds: tuple[float | None, float | None] | None = BOUNDS) -> Solver:
    regularizer = bounded(name, bounds)
    return precise(regularizer) if kind is None else kind(regularizer)


def params() -> pytest.MarkDecorator:
    # Solves of the second order take seconds each.
    cases = [
        pytest.param(
            name,
            kind,
            id=f"{name}-{'admm' if kind is None else 'taut_string'}",
            marks=pytest.mark.slow if name in ("tgv", "tv_tv2") else (),
        )
        for name, kind in SOLVERS
    ]
    return pytest.mark.parametrize(("name", "kind"), cases)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_minimiser_is_that_of_the_cone_program(name: str) -> None:
    noisy, lam = draw(bounded(name), batch=1)
    exact = Clarabel(bounded(name), tol=1e-10)(noisy, lam)
    assert exact.converged.all()
    assert abs(exact.gap) < 1e-7
    for bound in BOUNDS:  # both are active, and not everywhere
        assert 0 < (exact.denoised - bound).abs().lt(1e-6).sum() < noisy.numel()
    solution = precise(bounded(name))(noisy, lam)
    assert solution.converged.all()
    torch.testing.assert_close(solution.denoised, exact.denoised, atol=1e-5, rtol=0)
    if TautString.refusal(bounded(name)) is None:
        torch.testing.assert_close(TautString(bounded(name))(noisy, lam).denoised, exact.denoised, atol=1e-5, rtol=0)


@params()
def test_bounds_are_kept_exactly_and_the_certificate_is_true(name: str, kind: type[Solver] | None) -> None:
    solver = make(name, kind)
    noisy, lam = draw(solver.regularizer)
    solution = solver(noisy, lam)
    assert solution.denoised.min() == BOUNDS[0]
    assert solution.denoised.max() == BOUNDS[1]
    assert ((solution.gap >= -1e-12) & (solution.gap < 1e-5)).all()
    # No image within the bounds is better than the gap allows.
    x = solution.denoised if solution.auxiliary is None else torch.cat([solution.denoised, solution.auxiliary], dim=1)

    def objective(fields: torch.Tensor) -> torch.Tensor:
        return 0.5 * (fields[:, :1] - noisy).square().sum((1, 2, 3)) + solver.regularizer.value(fields, lam)

    constant = noisy.mean((1, 2, 3), keepdim=True).clamp(*BOUNDS).expand_as(noisy)
    scale = 0.5 * (noisy - constant).square().sum((1, 2, 3))
    for seed in range(5):
        step = 0.01 * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        other = torch.cat([(x + step)[:, :1].clamp(*BOUNDS), (x + step)[:, 1:]], dim=1)
        assert (objective(other) > objective(x) - (solution.gap + 1e-12) * scale).all()


def test_the_gap_of_any_pair_bounds_the_distance_to_the_optimum() -> None:
    regularizer = IsotropicTV(bounds=BOUNDS)
    noisy, lam = draw(regularizer)
    best = precise(regularizer)(noisy, lam)
    generator = torch.Generator().manual_seed(1)
    scale = 0.5 * (noisy - noisy.mean((1, 2, 3), keepdim=True).clamp(*BOUNDS)).square().sum((1, 2, 3))

    def objective(u: torch.Tensor) -> torch.Tensor:
        return 0.5 * (u - noisy).square().sum((1, 2, 3)) + regularizer.value(u, lam)

    for size in (0.0, 0.03, 0.3):
        u = (best.denoised + size * torch.randn(noisy.shape, generator=generator).double()).clamp(*BOUNDS)
        p = torch.randn(2, 2, 6, 5, generator=generator).double()
        gap = relative_gap(regularizer, u, p, noisy, lam)
        assert (gap * scale >= objective(u) - objective(best.denoised) - 1e-10).all()


@params()
def test_bounds_that_nothing_reaches_change_nothing(name: str, kind: type[Solver] | None) -> None:
    free, wide = make(name, kind, None), make(name, kind, (-1.0, 2.0))
    noisy, lam = draw(free.regularizer)
    tolerance = 1e-12 if kind else 1e-6
    torch.testing.assert_close(wide(noisy, lam).denoised, free(noisy, lam).denoised, atol=tolerance, rtol=0)
    assert free.regularizer.bounds is None


@params()
def test_gradients_match_differences(name: str, kind: type[Solver] | None) -> None:
    solver = make(name, kind)
    noisy, lam = draw(solver.regularizer, batch=1, height=4, width=3, seed=5)
    generator = torch.Generator().manual_seed(6)
    weights = torch.randn(noisy.shape, generator=generator, dtype=torch.float64)
    arguments = [noisy.clone().requires_grad_(), lam.clone().requires_grad_()]
    denoised = solver(*arguments).denoised
    (denoised * weights).sum().backward()
    assert (denoised == BOUNDS[0]).any() or (denoised == BOUNDS[1]).any()
    assert ((denoised > BOUNDS[0]) & (denoised < BOUNDS[1])).any()
    # One random direction in each argument; a kink within the step would show as a large error.
    step = 1e-5
    for argument, fixed in zip(arguments, ((lam,), (noisy,)), strict=True):
        direction = torch.randn(argument.shape, generator=generator, dtype=torch.float64)
        moved = []
        for sign in (1, -1):
            shifted = argument.detach() + sign * step * direction
            pair = (shifted, *fixed) if argument is arguments[0] else (*fixed, shifted)
            moved.append((solver(*pair).denoised * weights).sum())
        expected = (moved[0] - moved[1]) / (2 * step)
        assert argument.grad is not None
        found = (argument.grad * direction).sum()
        assert abs(found - expected) < 5e-3 * max(abs(expected), 0.1), argument.shape


@params()
def test_the_gradient_is_zero_at_pixels_on_a_bound(name: str, kind: type[Solver] | None) -> None:
    solver = make(name, kind, (None, 0.5))
    noisy, lam = (part.requires_grad_() for part in draw(solver.regularizer))
    denoised = solver(noisy, lam).denoised
    on = denoised == 0.5
    assert on.any()
    (denoised * on).sum().backward()
    for tensor in (noisy, lam):
        assert tensor.grad is not None
        assert tensor.grad.abs().max() == 0


@pytest.mark.parametrize(
    ("name", "kind"), [("isotropic", None), ("anisotropic", TautString), ("anisotropic", Clarabel)]
)
@pytest.mark.parametrize("bounds", [BOUNDS, (0.3, None), (None, 0.6)])
def test_scale_and_offset_go_through_bounds(
    name: str, kind: type[Solver] | None, bounds: tuple[float | None, float | None]
) -> None:
    solver = make(name, kind, bounds)
    noisy, lam = draw(solver.regularizer, batch=1)
    expected = solver(noisy, lam).denoised
    for scale, offset in ((1e4, 7.0), (1e-3, 100.0)):
        moved = tuple(None if side is None else scale * side + offset for side in bounds)
        found = make(name, kind, moved)(scale * noisy + offset, scale * lam).denoised
        torch.testing.assert_close((found - offset) / scale, expected, atol=1e-5, rtol=0)


@params()
def test_a_batch_is_a_loop_and_single_precision_keeps_the_bounds(name: str, kind: type[Solver] | None) -> None:
    regularizer = bounded(name, (0.1, 0.7))
    solver: Solver = Admm(regularizer) if kind is None else kind(regularizer)
    noisy, lam = (part.float() for part in draw(regularizer, batch=3))
    together = solver(noisy, lam).denoised
    assert together.dtype == torch.float32
    assert together.min() >= torch.tensor(0.1)
    assert together.max() <= torch.tensor(0.7)
    for index in range(3):
        alone = solver(noisy[index : index + 1], lam[index : index + 1]).denoised
        torch.testing.assert_close(alone[0], together[index], atol=2e-5, rtol=0)


def test_images_outside_of_the_bounds_constant_images_and_thin_ones() -> None:
    for shape in ((1, 1, 1, 1), (1, 1, 1, 6), (1, 1, 5, 4)):
        for regularizer in (IsotropicTV(bounds=(2.0, 3.0)), TGV(bounds=(2.0, 3.0)), AnisotropicTV(bounds=(2.0, 3.0))):
            noisy = torch.rand(shape, generator=torch.Generator().manual_seed(0))
            for image in (noisy, torch.full(shape, 0.5), 1e-6 * noisy):
                lam = torch.full((1, regularizer.num_maps, *shape[2:]), 0.1)
                solution = Auto(regularizer)(image, lam)
                torch.testing.assert_close(solution.denoised, torch.full(shape, 2.0))
                assert solution.gap.isfinite().all()


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((1, 0), r"bounds must be \(lower, upper\) with lower < upper, got \(1, 0\)"),
        ((0.5, 0.5), "lower < upper"),
        ((0.0, math.nan), "bounds must hold finite numbers, or None for an open side"),
        ((0.0, math.inf), "None for an open side"),
        ((0, True), "finite numbers"),
        ((0, "1"), "finite numbers"),
        ((0,), r"bounds must be a pair \(lower, upper\) such as \(0, 1\)"),
        (1.0, "must be a pair"),
        ("01", "must be a pair"),
    ],
)
@pytest.mark.usefixtures("jaxtyping_off")
def test_what_is_no_bounds_is_refused(bounds: object, message: str) -> None:
    for kind in BY_NAME.values():
        with pytest.raises(ValueError, match=message):
            kind(bounds=bounds)
    with pytest.raises(ValueError, match=message):
        tv_denoise(torch.zeros(1, 1, 2, 2), 0.1, bounds=bounds)  # type: ignore[arg-type]


def test_two_open_sides_are_no_bounds() -> None:
    assert IsotropicTV(bounds=(None, None)).bounds is None
    assert IsotropicTV(bounds=[0, 1]).bounds == (0.0, 1.0)


def test_the_exact_solver_refuses_bounds_of_what_clipping_does_not_solve() -> None:
    with pytest.raises(ValueError, match=r"exact cannot take tvpwl: it takes bounds with .* only.*take it: admm"):
        TautString(TVpwL(bounds=(0, 1)))
    assert isinstance(Auto(TVpwL(bounds=(0, 1))).chosen, Admm)
    assert isinstance(Auto(AnisotropicTV(bounds=(0, 1))).chosen, TautString)


@pytest.mark.parametrize("name", ["anisotropic", "eight_neighbour", "isotropic", "huber", "tvpwl", "tgv", "tv_tv2"])
def test_clipping_is_the_answer_for_separable_total_variation_only(name: str) -> None:
    noisy, lam = draw(bounded(name))
    clipped = precise(bounded(name, None))(noisy, lam).denoised.clamp(*BOUNDS)
    difference = (precise(bounded(name))(noisy, lam).denoised - clipped).abs().max()
    assert difference < 1e-5 if name in {"anisotropic", "eight_neighbour"} else difference > 1e-3


def test_tv_denoise_takes_bounds() -> None:
    noisy, _ = draw(AnisotropicTV())
    found = tv_denoise(noisy, 0.1, bounds=(0.4, None))
    assert found.min() == 0.4
    torch.testing.assert_close(found, tv_denoise(noisy, 0.1).clamp(min=0.4))
