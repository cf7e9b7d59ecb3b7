"""The contract of every solver with every regularizer: whatever stands in conf/solver is put through all of it."""

import copy
import pickle

import pytest
import torch

from difftv.regularizers import Regularizer
from difftv.regularizers.potentials import Huber
from difftv.solvers import BY_NAME, Solution, Solver
from difftv.solvers.registry import EARLIER_NAMES
from tests.conftest import options_of
from tests.contracts import references
from tests.contracts.pairs import COUPLED, PAIRS, REGULARIZERS, SOLVERS, TAKEN, draw, kind_of, make


def test_every_regularizer_and_every_solver_is_covered() -> None:
    assert {regularizer.name for regularizer in REGULARIZERS.values()} == set(options_of("regularizer"))
    assert {regularizer for _, regularizer in PAIRS} | COUPLED == set(REGULARIZERS)
    assert {regularizer for _, regularizer in PAIRS} & COUPLED
    assert {solver for solver, _ in PAIRS} == set(SOLVERS) == set(options_of("solver")) - {"auto", *EARLIER_NAMES}
    assert {kind_of(solver) for solver in options_of("solver")} == set(BY_NAME.values())
    assert all(kind_of(solver).name == EARLIER_NAMES.get(solver, solver) for solver in options_of("solver"))


@pytest.mark.parametrize("solver", options_of("solver"))
def test_a_regularizer_that_is_refused_is_told_the_solvers_that_take_it(solver: str) -> None:
    for regularizer in REGULARIZERS.values():
        reason = kind_of(solver).refusal(regularizer)
        if reason is not None:
            with pytest.raises(
                ValueError, match=f"{kind_of(solver).name} cannot take {regularizer.name}: .*take it: .*clarabel"
            ):
                kind_of(solver)(regularizer)


def objective(regularizer: Regularizer, x: torch.Tensor, noisy: torch.Tensor, lam: torch.Tensor) -> torch.Tensor:
    return 0.5 * (x[:, : noisy.shape[1]] - noisy).square().sum((1, 2, 3)) + regularizer.value(x, lam)


def minimiser(solution: Solution) -> torch.Tensor:
    """The fields (u) or (u, v) of a solution."""
    parts = [solution.denoised] if solution.auxiliary is None else [solution.denoised, solution.auxiliary]
    return torch.cat(parts, dim=1).detach()


def nearest_affine(noisy: torch.Tensor) -> torch.Tensor:
    height, width = noisy.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    design = torch.stack([torch.ones_like(rows), rows, columns], dim=-1).reshape(-1, 3).double()
    fitted = design @ torch.linalg.lstsq(design, noisy.flatten(0, 1).flatten(1).T).solution
    return fitted.T.reshape(noisy.shape)


ACCURACY = 5e-4
"""Largest error that the default settings may have."""


def test_lam_zero_gives_the_noisy_image_back(solver: Solver) -> None:
    noisy, lam = draw(solver.regularizer)
    torch.testing.assert_close(solver(noisy, 0 * lam).denoised, noisy, atol=ACCURACY, rtol=0)


def test_mean_and_range_are_kept(solver: Solver) -> None:
    noisy, lam = draw(solver.regularizer)
    denoised = solver(noisy, lam).denoised
    within = ACCURACY
    torch.testing.assert_close(denoised.mean((2, 3)), noisy.mean((2, 3)), atol=within, rtol=0)
    if solver.regularizer.auxiliary or len(solver.regularizer.terms) > 1:
        return  # second-order models may leave the range of the image
    assert (denoised.amax((2, 3)) <= noisy.amax((2, 3)) + within).all()
    assert (denoised.amin((2, 3)) >= noisy.amin((2, 3)) - within).all()


def test_large_lam_gives_the_nearest_image_that_costs_nothing(tight: Solver) -> None:
    noisy, lam = draw(tight.regularizer)
    smooth = any(isinstance(term.potential, Huber) for term in tight.regularizer.terms)
    large = torch.full_like(lam, 500.0 if smooth else 5.0)
    for channel, name in enumerate(tight.regularizer.map_names):
        if name.startswith("gam"):
            large[:, channel] = 0
    mean = noisy.mean((2, 3), keepdim=True).expand_as(noisy)
    expected = nearest_affine(noisy) if tight.regularizer.auxiliary else mean
    torch.testing.assert_close(tight(noisy, large).denoised, expected, atol=1e-4, rtol=0)


def test_batch_equals_loop_and_two_calls_are_equal(solver: Solver) -> None:
    noisy, lam = draw(solver.regularizer, batch=3)
    before = noisy.clone(), lam.clone()
    together = solver(noisy, lam).denoised
    assert torch.equal(noisy, before[0])
    assert torch.equal(lam, before[1])
    assert torch.equal(together, solver(noisy, lam).denoised)
    for index in range(3):
        alone = solver(noisy[index : index + 1], lam[index : index + 1]).denoised
        if solver.workplace.device is None:
            # Matrix products of batches are rounded in another order than those of single images.
            torch.testing.assert_close(alone[0], together[index], atol=2e-5, rtol=0)
        else:
            assert torch.equal(alone[0], together[index])


def of_transposed(name: str) -> str:
    """The map that takes the place of this one where rows and columns are exchanged."""
    other = {"v": "h", "h": "v"}
    return "_".join(part[::-1] if part.isdigit() else other.get(part, part) for part in name.split("_"))


def test_transposition(tight: Solver) -> None:
    noisy, lam = draw(tight.regularizer)
    names = tight.regularizer.map_names
    swapped = [names.index(of_transposed(name)) for name in names]
    turned = tight(noisy.mT, lam[:, swapped].mT).denoised
    torch.testing.assert_close(turned.mT, tight(noisy, lam).denoised, atol=2e-5, rtol=0)


def test_the_map_to_the_minimiser_is_non_expansive(tight: Solver) -> None:
    first, lam = draw(tight.regularizer)
    second, _ = draw(tight.regularizer, seed=1)
    assert (tight(first, lam).denoised - tight(second, lam).denoised).norm() <= (first - second).norm() + 1e-4


def test_the_gap_certifies_the_minimiser(tight: Solver) -> None:
    noisy, lam = draw(tight.regularizer)
    solution = tight(noisy, lam)
    assert solution.converged.all()
    assert (solution.gap.abs() < 1e-6).all()
    x = minimiser(solution)
    at_the_minimum = objective(tight.regularizer, x, noisy, lam)
    for seed in range(5):
        step = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert (objective(tight.regularizer, x + 1e-2 * step, noisy, lam) > at_the_minimum).all()


def test_a_default_solve_converges_and_its_gap_tells_the_truth(pair: tuple[str, str], solver: Solver) -> None:
    noisy, lam = draw(solver.regularizer)
    solution, exact = solver(noisy, lam), references.minimiser(pair[1])
    assert solution.converged.all()
    assert (solution.iterations > 0).all()
    scale = 0.5 * (noisy - noisy.mean((2, 3), keepdim=True)).square().sum((1, 2, 3))
    distance = 0.5 * (solution.denoised - exact).square().sum((1, 2, 3))
    assert (distance <= (solution.gap.clamp_min(0) + 1e-8) * scale).all()


@pytest.mark.parametrize("pair", TAKEN, ids="-".join)
def test_solvers_agree(pair: tuple[str, str]) -> None:
    tight = make(*pair, tight=True)
    noisy, lam = draw(tight.regularizer, height=7, width=6, seed=3)
    exact = references.minimiser(pair[1], height=7, width=6, seed=3)
    torch.testing.assert_close(tight(noisy, lam).denoised, exact, atol=2e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (5, 1)])
def test_thin_images(pair: tuple[str, str], tight: Solver, height: int, width: int) -> None:
    noisy, lam = draw(tight.regularizer, height=height, width=width)
    denoised = tight(noisy, lam).denoised
    exact = references.minimiser(pair[1], height=height, width=width)
    torch.testing.assert_close(denoised, exact, atol=2e-5, rtol=0)


def test_empty_batch(solver: Solver) -> None:
    noisy, lam = draw(solver.regularizer)
    solution = solver(noisy[:0].requires_grad_(), lam[:0])
    solution.denoised.sum().backward()
    assert solution.denoised.shape == (0, solver.regularizer.channels, 6, 5)
    assert solution.gap.shape == solution.iterations.shape == solution.converged.shape == (0,)


def test_constant_images_stay_and_have_a_finite_gap(solver: Solver) -> None:
    _, lam = draw(solver.regularizer)
    noisy = torch.full((2, solver.regularizer.channels, 6, 5), 0.25, dtype=torch.float64)
    solution = solver(noisy, lam)
    torch.testing.assert_close(solution.denoised, noisy, atol=ACCURACY, rtol=0)
    assert solution.gap.isfinite().all()


def test_tensors_may_be_strided_or_expanded(solver: Solver) -> None:
    noisy, lam = draw(solver.regularizer, height=5, width=6)
    strided = solver(noisy.mT, lam.mT[:1].expand(2, -1, -1, -1)).denoised
    plain = solver(noisy.mT.contiguous(), lam.mT[:1].repeat(2, 1, 1, 1)).denoised
    assert torch.equal(strided, plain)


def test_copies_and_pickles_give_the_same_answer_and_hold_no_state(solver: Solver) -> None:
    noisy, lam = draw(solver.regularizer)
    expected = solver(noisy, lam).denoised
    assert solver.state_dict() == {}
    assert not list(solver.buffers())
    for twin in (copy.deepcopy(solver), pickle.loads(pickle.dumps(solver))):
        assert torch.equal(twin(noisy, lam).denoised, expected)


@pytest.mark.usefixtures("jaxtyping_off")
def test_wrong_tensors_are_refused_by_name(solver: Solver) -> None:
    noisy, lam = draw(solver.regularizer)
    nan = noisy.clone()
    nan[1, 0, 2, 2] = torch.nan
    with pytest.raises(ValueError, match=r"noisy holds NaN or infinity in image\(s\) \[1\]"):
        solver(nan, lam)
    for channel, name in enumerate(solver.regularizer.map_names):
        wrong = lam.clone()
        wrong[1, channel, 0, 0] = torch.nan
        with pytest.raises(ValueError, match=rf"{name} holds NaN in image\(s\) \[1\]"):
            solver(noisy, wrong)
        wrong[1, channel, 0, 0] = -1
        with pytest.raises(ValueError, match=f"{name} must be >= 0 everywhere, its minimum is -1"):
            solver(noisy, wrong)
    with pytest.raises(ValueError, match="lam must have shape"):
        solver(noisy, lam[..., :-1])
    with pytest.raises(ValueError, match=f"whose maps are {', '.join(solver.regularizer.map_names)}; got"):
        solver(noisy, torch.cat([lam, lam], dim=1))
    with pytest.raises(ValueError, match="must be floating point"):
        solver((noisy * 255).long(), lam)
