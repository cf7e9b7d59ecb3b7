"""Losses of noisy images alone: they estimate the error, and their gradient, that a clean image would give."""

import math

import pytest
import torch
from torch import Tensor, nn

from difftv import AnisotropicTV, Denoiser, Exact
from difftv.errors import ConfigError
from difftv.lab.data import Batch, EvaluationItem
from difftv.lab.losses import Mse, Noise2Noise, Recorrupted, Sure
from difftv.lab.training.evaluation import evaluate_group
from difftv.lab.training.without_clean import loss_of, loss_per_image, second_draw, shown
from difftv.noise import CorrelatedGaussian, GaussianNoise, Noise, PoissonGaussian, add_noise
from difftv.predictors import Constant

SIGMA = 25.0


def clean_images(count: int = 8) -> Tensor:
    from skimage.data import camera

    image = torch.from_numpy(camera()[:, : 48 * count] / 255.0).float()
    return torch.stack([image[120:168, 48 * index : 48 * index + 48] for index in range(count)])[:, None]


def batch_of(clean: Tensor, seed: int) -> Batch:
    noisy = add_noise(clean, SIGMA, seed=seed)
    return Batch(clean=clean, noisy=noisy, sigma=torch.full((len(clean),), SIGMA))


def value_and_gradient(loss: nn.Module, seed: int, lam: float = 0.02) -> tuple[float, float]:
    """The loss, and its derivative in the one weight of a constant map."""
    denoiser = Denoiser(Constant(1, initial_lam=lam), Exact(AnisotropicTV()))
    batch = batch_of(clean_images(), seed)
    found = loss_of(loss, denoiser, batch, denoiser.denoise(batch.noisy, batch.sigma), (3, seed))
    (gradient,) = torch.autograd.grad(found, list(denoiser.parameters()))
    return float(found.detach()), float(gradient)


@pytest.mark.parametrize(("loss", "offset"), [(Sure(), 0.0), (Noise2Noise(), (SIGMA / 255) ** 2)])
def test_value_and_gradient_are_those_of_the_squared_error_on_average(loss: nn.Module, offset: float) -> None:
    seeds = range(10)
    pairs = [(value_and_gradient(loss, seed), value_and_gradient(Mse(), seed)) for seed in seeds]
    for part in (0, 1):
        estimated, true = (torch.tensor([pair[which][part] for pair in pairs]) for which in (0, 1))
        difference = estimated - true - (offset if part == 0 else 0.0)
        error = 3 * float(difference.std()) / math.sqrt(len(pairs))
        assert abs(float(difference.mean())) < max(error, 0.03 * float(true.abs().mean()))
        assert error < 0.4 * float(true.abs().mean())


def test_the_same_step_draws_the_same_probe_and_no_clean_image_is_seen_by_sure() -> None:
    clean = clean_images(2)
    batch = batch_of(clean, 0)
    denoiser = Denoiser(Constant(1, initial_lam=0.05), Exact(AnisotropicTV()))
    solution = denoiser.denoise(batch.noisy, batch.sigma)

    def sure(given: Batch, place: tuple[int, int]) -> float:
        return float(loss_of(Sure(), denoiser, given, solution, place).detach())

    assert sure(batch, (0, 1)) == sure(batch, (0, 1))
    assert sure(batch, (0, 1)) != sure(batch, (0, 2))
    assert sure(batch._replace(clean=torch.full_like(clean, torch.nan)), (0, 1)) == sure(batch, (0, 1))


def test_a_forward_operator_is_refused() -> None:
    batch = batch_of(clean_images(1), 0)._replace(measured=torch.zeros(1))
    denoiser = Denoiser(Constant(1, initial_lam=0.05), Exact(AnisotropicTV()))
    solution = denoiser.denoise(batch.noisy, batch.sigma)
    with pytest.raises(ConfigError, match="without a forward operator"):
        loss_of(Sure(), denoiser, batch, solution, (0, 0))


def recorrupted(seed: int, alpha: float, noise: Noise, lam: float = 0.02) -> tuple[Tensor, Tensor]:
    """The loss and the squared error of what it shows, each with its derivative in the weight of a constant map."""
    clean = clean_images(4)
    noisy = noise.corrupt(clean, seed=seed)
    kind = None if isinstance(noise, GaussianNoise) else noise
    batch = Batch(clean, noisy, torch.full((len(clean),), SIGMA), kind=kind)
    denoiser, loss = Denoiser(Constant(1, initial_lam=lam), Exact(AnisotropicTV())), Recorrupted(alpha)
    seen = shown(loss, batch, (3, seed))
    solution = denoiser.denoise(seen.noisy, seen.noise)
    estimated = loss_of(loss, denoiser, seen, solution, (3, seed))
    weights = list(denoiser.parameters())
    values = (estimated, Mse()(loss.dimming * solution.denoised, clean))
    found = [
        torch.cat(
            [part.detach().flatten() for part in (value, *torch.autograd.grad(value, weights, retain_graph=True))]
        )
        for value in values
    ]
    return found[0], found[1]


@pytest.mark.parametrize("noise", [GaussianNoise(SIGMA), CorrelatedGaussian(SIGMA)], ids=["white", "correlated"])
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_recorrupted_has_the_squared_error_of_what_it_shows_on_average(alpha: float, noise: Noise) -> None:
    found = [recorrupted(seed, alpha, noise) for seed in range(16)]
    differences = torch.stack([estimated - true for estimated, true in found])
    sizes = torch.stack([true for _, true in found]).mean(dim=0).abs()
    errors = 3 * differences.std(dim=0) / math.sqrt(len(found))
    assert bool((differences.mean(dim=0).abs() < errors).all())
    assert bool((errors < 0.5 * sizes).all()), errors / sizes


def test_what_recorrupted_shows_has_the_noise_of_the_images_and_its_target_noise_of_its_own() -> None:
    clean = torch.full((2, 1, 200, 200), 0.5)
    batch = Batch(clean, add_noise(clean, SIGMA, seed=0), torch.full((2,), SIGMA))
    loss = Recorrupted(0.5)
    seen = shown(loss, batch, (0, 1))
    assert seen.clean is None
    assert seen.again is not None
    first, second = seen.noisy - clean / loss.dimming, seen.again - clean
    assert float(first.std()) == pytest.approx(SIGMA / 255, rel=0.01)
    assert float(second.std()) == pytest.approx(math.sqrt(5) * SIGMA / 255, rel=0.01)
    assert abs(float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])) < 0.01
    assert torch.equal(shown(loss, batch, (0, 1)).noisy, seen.noisy)
    assert not torch.equal(shown(loss, batch, (0, 2)).noisy, seen.noisy)
    part = shown(
        loss, batch._replace(clean=None, noisy=batch.noisy[1:], sigma=batch.sigma[1:], first=1, whole=2), (0, 1)
    )
    assert torch.equal(part.noisy, seen.noisy[1:])
    assert shown(Mse(), batch, (0, 1)) is batch


def test_images_that_are_evaluated_are_recorrupted_by_their_name() -> None:
    batch = batch_of(clean_images(2), 0)._replace(clean=None)
    denoiser, loss = Denoiser(Constant(1, initial_lam=0.05), Exact(AnisotropicTV())), Recorrupted()
    solution = denoiser.denoise(batch.noisy, batch.sigma)
    one, same, other = (loss_per_image(loss, denoiser, batch, solution, name).tolist() for name in ("a", "a", "b"))
    assert one == same
    assert one != other


PHOTONS = PoissonGaussian(0.02, 5)


def photon_loss(loss: nn.Module, seed: int, stabilise: bool) -> tuple[float, float]:
    """The loss of photon noise, and its derivative in the one weight of a constant map."""
    denoiser = Denoiser(Constant(1, initial_lam=0.03), Exact(AnisotropicTV()), stabilise=stabilise)
    clean = clean_images(4)
    noisy = torch.cat([PHOTONS.corrupt(one[None], seed=100 * seed + i) for i, one in enumerate(clean)])
    batch = Batch(clean, noisy, 255 * PHOTONS.std_per_image(clean), kind=PHOTONS)
    found = loss_of(loss, denoiser, batch, denoiser.denoise(noisy, batch.noise), (3, seed))
    (gradient,) = torch.autograd.grad(found, list(denoiser.parameters()))
    return float(found.detach()), float(gradient)


@pytest.mark.parametrize("stabilise", [True, False], ids=["transform", "weights"])
@pytest.mark.parametrize("loss", [Sure(), Noise2Noise()], ids=["sure", "noise2noise"])
def test_photon_noise_has_the_squared_error_on_average_both_ways(loss: nn.Module, stabilise: bool) -> None:
    pairs = [(photon_loss(loss, seed, stabilise), photon_loss(Mse(), seed, stabilise)) for seed in range(8)]
    offset = float(PHOTONS.std(clean_images(4)).square().mean()) if isinstance(loss, Noise2Noise) else 0.0
    for part in (0, 1):
        estimated, true = (torch.tensor([pair[which][part] for pair in pairs]) for which in (0, 1))
        difference = estimated - true - (offset if part == 0 else 0.0)
        error = 3 * float(difference.std()) / math.sqrt(len(pairs))
        assert abs(float(difference.mean())) < max(error, 0.05 * float(true.abs().mean()))
        assert error < 0.6 * float(true.abs().mean())


def test_the_second_draw_of_photons_does_not_depend_on_how_a_batch_is_divided() -> None:
    clean = clean_images(4)
    batch = Batch(clean, clean, torch.ones(4), kind=PHOTONS)
    whole = second_draw(batch, clean, 7)
    part = second_draw(batch._replace(first=2, whole=4), clean[2:], 7)
    assert torch.equal(part, whole[2:])
    assert not torch.equal(whole[0] - clean[0], whole[1] - clean[1])


def test_the_loss_that_is_the_estimated_error_is_computed_once() -> None:
    calls = []

    class Counting(Denoiser):
        def denoise(self, *arguments, **options):
            calls.append(arguments)
            return super().denoise(*arguments, **options)

    denoiser = Counting(Constant(initial_lam=0.05), Exact(AnisotropicTV()))
    noisy = add_noise(clean_images(1), SIGMA, seed=0)
    (found,) = evaluate_group(denoiser, [EvaluationItem("a", None, noisy, SIGMA)], loss=Sure())
    assert found.row["loss"] == found.row["estimated_mse"]
    assert len(calls) == 2  # the image, and the probe
    assert found.denoised is not None
    assert not found.denoised.requires_grad
