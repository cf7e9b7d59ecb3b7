"""The contract of every device: the numbers of the CPU, on tensors of that device, the same ones every time.

Skipped where torch finds no accelerator.
"""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate

from difftv import Denoiser, tv_denoise
from difftv.devices import same_bits_again
from difftv.predictors.base import starting_at
from difftv.regularizers import IsotropicTV, TVpwL
from difftv.solvers import Admm, TautString
from tests.conftest import composed, options_of
from tests.contracts import pairs
from tests.runs.commands import SMALL, killed, run_alone
from tests.runs.faults import killed_at
from tests.runs.outcomes import outcome

ACCELERATORS = [name for name in ("cuda", "mps") if getattr(torch, name).is_available()]
pytestmark = pytest.mark.skipif(not ACCELERATORS, reason="no accelerator (cuda, mps) on this machine")


@pytest.fixture(params=ACCELERATORS or ["cuda"])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


def precision(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def solved(solver: Admm | TautString, device: torch.device | str, *inputs: torch.Tensor) -> list[torch.Tensor]:
    """Minimiser and gradients on the CPU, of a loss that looks at every pixel in its own way."""
    leaves = [tensor.to(device).requires_grad_() for tensor in inputs]
    solution = solver(*leaves)
    assert solution.denoised.device.type == torch.device(device).type
    generator = torch.Generator().manual_seed(5)
    seed = torch.randn(solution.denoised.shape, generator=generator, dtype=torch.float64)
    solution.denoised.backward(seed.to(solution.denoised))
    assert all(leaf.grad is not None and leaf.grad.device == leaf.device for leaf in leaves)
    return [solution.denoised.detach().double().cpu(), *(leaf.grad.double().cpu() for leaf in leaves)]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", pairs.REGULARIZERS)
def test_admm_there_is_admm_on_the_cpu(name: str, device: torch.device) -> None:
    regularizer = pairs.REGULARIZERS[name]
    noisy, lam = (tensor.to(dtype=precision(device)) for tensor in pairs.draw(regularizer, batch=3))
    solver = Admm(regularizer, tol=1e-9, max_iter=20000, dtype=precision(device))
    atol = 1e-3 if device.type == "mps" else 1e-6
    for there, here in zip(solved(solver, device, noisy, lam), solved(solver, "cpu", noisy, lam), strict=True):
        torch.testing.assert_close(there, here, rtol=atol, atol=atol)


def test_weights_and_bounds(device: torch.device) -> None:
    regularizer = IsotropicTV(bounds=(0.3, 0.6))
    noisy, lam = (tensor.to(dtype=precision(device)) for tensor in pairs.draw(regularizer, batch=2))
    weight = torch.linspace(0.2, 2.0, noisy.numel(), dtype=noisy.dtype).reshape(noisy.shape)
    solver = Admm(regularizer, tol=1e-9, max_iter=20000, dtype=precision(device))
    atol = 1e-3 if device.type == "mps" else 1e-6
    found, expected = (solved(solver, place, noisy, lam, weight) for place in (device, "cpu"))
    for there, here in zip(found, expected, strict=True):
        torch.testing.assert_close(there, here, rtol=atol, atol=atol)


def test_the_exact_solver_works_on_the_cpu_and_hands_back_where_it_was_called(device: torch.device) -> None:
    noisy, lam = (tensor.float() for tensor in pairs.draw(TVpwL(4), batch=3))
    solver = TautString(TVpwL(4))
    for there, here in zip(solved(solver, device, noisy, lam), solved(solver, "cpu", noisy, lam), strict=True):
        assert torch.equal(there, here)


def test_a_stored_model_and_a_function_there(device: torch.device) -> None:
    clean = torch.linspace(0, 1, 48).expand(1, 1, 40, 48)
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    denoiser = Denoiser.pretrained("gray-small")
    here = denoiser(noisy, sigma=25).denoised
    there = denoiser.to(device)(noisy.to(device), sigma=25).denoised
    assert there.device.type == device.type
    torch.testing.assert_close(there.cpu(), here, rtol=0, atol=2e-3)
    assert tv_denoise(noisy.to(device), 0.1).device.type == device.type


@pytest.mark.parametrize("name", options_of("predictor"))
@pytest.mark.parametrize("mixed", [False, True], ids=["float32", "bfloat16"])
def test_a_training_step_gives_the_same_bits_every_time(name: str, mixed: bool, device: torch.device) -> None:
    """Where it does not, a resumed run is not the run that was not interrupted."""
    axes = 3 if name == "slices" else 2
    space, regularizer = ((8, 12, 12), TVpwL(6, axes=3)) if axes == 3 else ((48, 48), TVpwL(4))
    arguments = starting_at({"initial_lam": 0.05}, regularizer, sigma_input=True)

    def trained() -> list[torch.Tensor]:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            predictor = instantiate(composed(f"predictor={name}").predictor, **arguments).to(device)
        denoiser = Denoiser(predictor, TautString(regularizer))
        optimizer = torch.optim.Adam(predictor.parameters(), lr=1e-3)
        generator = torch.Generator().manual_seed(1)
        for _ in range(3):
            clean = torch.rand(8, 1, *space, generator=generator)
            noisy = (clean + 0.1 * torch.randn(clean.shape, generator=generator)).to(device)
            optimizer.zero_grad()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
                denoised = denoiser.denoise(noisy, 25.0).denoised
            assert denoised.dtype == torch.float32
            (denoised - clean.to(device)).square().mean().backward()
            optimizer.step()
        return [parameter.detach().cpu() for parameter in predictor.parameters()]

    with same_bits_again():
        first, second = trained(), trained()
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_a_run_there_is_the_same_run_when_it_is_interrupted(device: torch.device, tmp_path: Path) -> None:
    arguments = [*SMALL, "solver=taut_string", "regularizer=tvpwl", "predictor=unet", f"trainer.device={device.type}"]
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    assert run_alone(*arguments, f"hydra.run.dir={whole}").returncode == 0
    assert killed(run_alone(*arguments, f"hydra.run.dir={cut}", prelude=killed_at("difftv.step", 4)))
    assert run_alone(*arguments, f"hydra.run.dir={cut}").returncode == 0
    (metrics, weights, *rest), (expected, expected_weights, *expected_rest) = outcome(cut), outcome(whole)
    assert metrics == expected
    assert rest == expected_rest
    assert all(torch.equal(value, expected_weights[name]) for name, value in weights.items())
