"""What is particular to `solver=admm`; everything it shares with the others is in the contract tests."""

import numpy as np
import pytest
import torch
from scipy.fft import dctn, dst

from difftv.errors import AcceleratorError
from difftv.problem.data_term import contrast
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
from difftv.solvers import Admm, Exact, Solution
from difftv.solvers._admm import self_test, transforms
from difftv.solvers._admm.dual_step import ScaledTerm
from tests.accelerator import DEVICE, AcceleratorTensor, ToAccelerator

FAMILY = [IsotropicTV(), HuberTV(0.02), TVpwL(), EightNeighbourTV(), FilterBank(), TVTV2(), TGV((0.02, 0.01))]


def draw(
    regularizer: Regularizer, height: int = 6, width: int = 5, batch: int = 2
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    noisy = torch.rand(batch, 1, height, width, generator=generator)
    return noisy, 0.02 + 0.1 * torch.rand(batch, regularizer.num_maps, height, width, generator=generator)


def gradients(solver: Admm, noisy: torch.Tensor, lam: torch.Tensor) -> tuple[Solution, torch.Tensor, torch.Tensor]:
    noisy, lam = (part.detach().clone().requires_grad_() for part in (noisy, lam))
    solution = solver(noisy, lam)
    solution.denoised.float().square().sum().backward()
    assert noisy.grad is not None
    assert lam.grad is not None
    return solution, noisy.grad, lam.grad


@pytest.mark.parametrize("size", [1, 2, 7, 8])
@pytest.mark.parametrize("dense", [True, False])
def test_transforms_are_those_of_scipy(size: int, dense: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms, "DENSE_UP_TO", 512 if dense else 0)
    x = torch.randn(2, 3, size, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u = x[:, :1]
    expected = dctn(u.numpy(), type=2, axes=(2, 3), norm="ortho")
    torch.testing.assert_close(transforms.transform(u), torch.from_numpy(expected))
    torch.testing.assert_close(transforms.inverse(transforms.transform(u)), u)
    # Cosines both ways, sines along the height, sines along the width.
    found = transforms.transform(x)
    assert torch.equal(found[:, :1], transforms.transform(u))
    assert found[:, 1, 0].abs().max() == found[:, 2, :, 0].abs().max() == 0
    across = dst(dctn(x[:, 2].numpy(), type=2, axes=(1,), norm="ortho")[..., :-1], type=1, axis=2, norm="ortho")
    np.testing.assert_allclose(found[:, 2, :, 1:].numpy(), across, atol=1e-12)
    back = transforms.inverse(found)
    torch.testing.assert_close(back[:, 2, :, :-1], x[:, 2, :, :-1])
    assert back[:, 2, :, -1].abs().max() < 1e-12
    if size > 1:
        down = dst(dctn(x[:, 1].numpy(), type=2, axes=(2,), norm="ortho")[:, :-1], type=1, axis=1, norm="ortho")
        np.testing.assert_allclose(found[:, 1, 1:].numpy(), down, atol=1e-12)
        torch.testing.assert_close(back[:, 1, :-1], x[:, 1, :-1])


@pytest.mark.parametrize("regularizer", FAMILY, ids=lambda regularizer: regularizer.name)
def test_it_runs_on_an_accelerator_without_float64(regularizer: Regularizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "ITERATIONS", 3)
    monkeypatch.setattr(self_test, "_passed", set())
    noisy, lam = draw(regularizer)
    solver = Admm(regularizer, tol=1e-4)
    expected, by_noisy, by_lam = gradients(solver, noisy, lam)
    leaves = [AcceleratorTensor(part).requires_grad_() for part in (noisy, lam)]
    with ToAccelerator():
        solution = solver(*leaves)
        assert isinstance(solution.denoised, AcceleratorTensor)
        solution.denoised.square().sum().backward()
    torch.testing.assert_close(solution.denoised.held, expected.denoised)
    for leaf, theirs in zip(leaves, (by_noisy, by_lam), strict=True):
        assert isinstance(leaf.grad, AcceleratorTensor)
        torch.testing.assert_close(leaf.grad.held, theirs)
    assert self_test._passed == {(str(DEVICE), torch.float32)}


def test_an_accelerator_that_computes_wrong_numbers_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "ITERATIONS", 3)
    monkeypatch.setattr(self_test, "_passed", set())
    answers = self_test._answers

    def wrong(regularizer: Regularizer, inputs: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        image, by_y, by_maps = answers(regularizer, inputs)
        return image, by_y, by_maps if inputs[0].dtype == torch.float64 else by_maps + 1.0

    monkeypatch.setattr(self_test, "_answers", wrong)
    noisy, lam = draw(IsotropicTV())
    with (
        ToAccelerator(),
        pytest.raises(AcceleratorError, match=r"meta computes wrong numbers: the gradient in the maps"),
    ):
        Admm(IsotropicTV())(AcceleratorTensor(noisy), AcceleratorTensor(lam))


@pytest.mark.parametrize("regularizer", FAMILY, ids=lambda regularizer: regularizer.name)
def test_scale_and_offset_go_through_where_no_width_is_built_in(regularizer: Regularizer) -> None:
    noisy, lam = (part.double() for part in draw(regularizer))
    solver = Admm(regularizer, dtype=torch.float64)
    plain = gradients(solver, noisy, lam)
    scaled = solver(1e4 * noisy + 7.0, 1e4 * lam)
    close = torch.allclose((scaled.denoised - 7.0) / 1e4, plain[0].denoised, atol=1e-9)
    assert close == regularizer.equivariant


@pytest.mark.parametrize("regularizer", FAMILY, ids=lambda regularizer: regularizer.name)
@pytest.mark.parametrize("value", [0.0, 1e9, torch.inf])
def test_extreme_weights_in_places_give_numbers(regularizer: Regularizer, value: float) -> None:
    noisy, lam = draw(regularizer)
    lam[:, :, 2, 1:3] = value
    solution, by_noisy, by_lam = gradients(Admm(regularizer, tol=1e-4, max_iter=200), noisy, lam)
    for part in (solution.denoised, solution.gap, by_noisy, by_lam):
        assert part.isfinite().all()
    if value > 1 and regularizer.auxiliary == 0 and regularizer.num_maps == 1:
        flat = solution.denoised[:, 0, 2, 2] - solution.denoised[:, 0, 2, 1]
        assert flat.abs().max() < 1e-2


def test_a_solve_that_reaches_its_cap_says_so() -> None:
    noisy, lam = draw(IsotropicTV())
    solution, by_noisy, _ = gradients(Admm(IsotropicTV(), max_iter=7), noisy, lam)
    assert solution.iterations.tolist() == [7, 7]
    assert not solution.converged.any()
    assert solution.denoised.isfinite().all()
    assert by_noisy.isfinite().all()


def test_an_image_stops_on_its_own_and_keeps_its_answer() -> None:
    noisy, lam = draw(IsotropicTV(), batch=3)
    noisy[1] = 0.5
    solver = Admm(IsotropicTV())
    solution = solver(noisy, lam)
    assert solution.iterations[1] < solution.iterations[0]
    for index in range(3):
        alone = solver(noisy[index : index + 1], lam[index : index + 1])
        assert torch.equal(alone.denoised[0], solution.denoised[index])
        assert alone.iterations[0] == solution.iterations[index]


def test_memory_for_the_gradient_does_not_grow_with_the_iterations() -> None:
    kept = []
    for max_iter in (20, 80):
        noisy, lam = draw(TGV())
        sizes: list[int] = []

        def note(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            Admm(TGV(), tol=1e-6, max_iter=max_iter)(noisy.requires_grad_(), lam)
        kept.append(sum(sizes))
    assert kept[0] == kept[1] > 0


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tol": 0.0}, "tol must be a positive finite number"),
        ({"tol": 1e-8}, r"tol must be at least 1e-06 in float32.*dtype=torch.float64"),
        ({"max_iter": 0}, "max_iter must be a positive integer"),
        ({"dtype": torch.float16}, "dtype must be torch.float32 or torch.float64, got torch.float16"),
        ({"dtype": "single"}, "dtype must be torch.float32 or torch.float64, got 'single'"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Admm(IsotropicTV(), **arguments)


def test_a_small_batch_is_solved_in_one_thread_and_the_number_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    used, dual_step = set(), ScaledTerm.step

    def watched(self: ScaledTerm, s: torch.Tensor) -> torch.Tensor:
        used.add((s.shape[-1], torch.get_num_threads()))
        return dual_step(self, s)

    monkeypatch.setattr(ScaledTerm, "step", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for size in (16, 512):
            noisy = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0)).requires_grad_()
            Admm(IsotropicTV(), max_iter=10)(noisy, torch.full_like(noisy, 0.1)).denoised.sum().backward()
        assert torch.get_num_threads() == 2
        assert used == {(16, 1), (512, 2)}
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("count", [60, 400, 1000])
def test_many_bright_pixels_do_not_leave_the_others_unsolved(count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    noisy = torch.rand(1, 1, 64, 64, generator=generator, dtype=torch.float64)
    noisy.view(-1)[torch.randperm(64 * 64, generator=generator)[:count]] = 1000.0
    lam = torch.full_like(noisy, 0.1)
    expected = Exact(AnisotropicTV())(noisy, lam).denoised
    found = Admm(AnisotropicTV(), tol=1e-5, dtype="float64")(noisy, lam)
    assert bool(found.converged)
    assert float((found.denoised - expected)[noisy < 2].square().mean().sqrt()) < 5e-5


def test_a_slope_as_large_as_a_bright_pixel_is_free() -> None:
    noisy = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noisy[0, 0, 10, 12] = 1000.0
    maps = torch.cat([torch.full_like(noisy, 0.1), torch.full_like(noisy, 2000.0)], dim=1)
    found = Admm(TVpwL(), dtype="float64")(noisy, maps).denoised
    torch.testing.assert_close(found, noisy, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_bright_pixel_does_not_leave_the_others_unsolved(dtype: str) -> None:
    noisy = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noisy[0, 0, 20, 30] = 1000.0
    lam = torch.full_like(noisy, 0.1)
    expected = Exact(AnisotropicTV())(noisy, lam).denoised
    found = Admm(AnisotropicTV(), tol=1e-5, dtype=dtype)(noisy, lam)
    others = torch.ones_like(noisy, dtype=torch.bool)
    others[0, 0, 20, 30] = False
    assert bool(found.converged)
    assert float((found.denoised - expected)[others].square().mean().sqrt()) < 5e-5


def test_a_sky_with_stars_is_solved_between_them() -> None:
    random = np.random.default_rng(0)
    sky = 100 + random.normal(0, 5, (96, 96))
    for star in random.uniform(1e3, 6e4, 30):
        sky[random.integers(96), random.integers(96)] += star
    noisy = torch.from_numpy(sky)[None, None]
    lam = torch.full_like(noisy, 5.0)
    expected = Exact(AnisotropicTV())(noisy, lam).denoised
    found = Admm(AnisotropicTV(), dtype="float64")(noisy, lam)
    assert bool(found.converged)
    # A hundredth of the noise.
    assert float((found.denoised - expected)[noisy < 1000].square().mean().sqrt()) < 0.05
    few = torch.tensor([5.0, 4.0]).view(2, 1, 1, 1).expand(2, 1, 3, 3)
    assert contrast(few).flatten().tolist() == [1.0, 1.0]
    assert float(contrast(noisy)) < 100 < float(noisy.max() - noisy.min())


def test_too_small_a_tolerance_advises_what_helps() -> None:
    with pytest.raises(ValueError, match=r"at least 1e-06 in float32.*or dtype=torch\.float64\."):
        Admm(IsotropicTV(), tol=1e-9)
    with pytest.raises(ValueError, match=r"at least 1e-14 in float64.*Take a larger tol\.$"):
        Admm(IsotropicTV(), tol=1e-15, dtype="float64")
