"""The contract of self-ensembles: maps that turn with the image, for every regularizer; one minimisation as before."""

import pytest
import torch

from difftv import (
    AnisotropicTV,
    Cnn,
    Denoiser,
    Dilated,
    EightNeighbourTV,
    IsotropicTV,
    Regularizer,
    SelfEnsemble,
    TVpwL,
)
from difftv.predictors import strips
from difftv.predictors.base import starting_at
from difftv.progress import watched
from difftv.regularizers.symmetries import SYMMETRIES
from difftv.solvers import TautString
from tests.contracts import pairs

ONE_PER_DIRECTION = [AnisotropicTV(2), TVpwL(4), EightNeighbourTV(4)]


def network(regularizer: Regularizer) -> Dilated:
    """One whose maps differ from pixel to pixel."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        predictor = Dilated(**starting_at({"width": 4, "initial_lam": 0.05}, regularizer))
        predictor.network.head.weight.data.normal_()
    return predictor


def draw(regularizer: Regularizer, height: int = 9, width: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, regularizer.channels, height, width, generator=generator)


@pytest.mark.parametrize("regularizer", ONE_PER_DIRECTION, ids=lambda it: it.name)
def test_the_denoised_image_turns_with_the_image(regularizer: Regularizer) -> None:
    noisy = draw(regularizer)
    denoiser = Denoiser(network(regularizer).requires_grad_(False), TautString(regularizer))
    ensemble = denoiser.self_ensemble()
    expected, alone = ensemble(noisy).denoised, denoiser(noisy).denoised
    for symmetry in SYMMETRIES:
        turned = symmetry.apply(noisy)
        torch.testing.assert_close(ensemble(turned).denoised, symmetry.apply(expected), rtol=0, atol=1e-6)
        if symmetry != SYMMETRIES[0]:
            assert float((denoiser(turned).denoised - symmetry.apply(alone)).abs().max()) > 1e-2


@pytest.mark.parametrize("name", pairs.REGULARIZERS)
def test_turning_changes_neither_the_value_nor_the_maps(name: str) -> None:
    """What `undo` gives weighs the image as the maps weighed the turned one, where every map has its own edges."""
    regularizer = pairs.REGULARIZERS[name]
    predictor = SelfEnsemble(network(regularizer), regularizer).requires_grad_(False)
    noisy = draw(regularizer)
    expected = predictor(noisy)
    one_per_direction = any(len(set(term.lam)) > regularizer.channels for term in regularizer.terms)
    for symmetry in SYMMETRIES:
        turned = symmetry.apply(noisy)
        torch.testing.assert_close(symmetry.undo(predictor(turned), regularizer), expected, rtol=1e-5, atol=1e-6)
        if one_per_direction:
            maps = torch.rand(2, regularizer.num_maps, *turned.shape[-2:], dtype=torch.float64)
            value = regularizer.value(noisy.double(), symmetry.undo(maps, regularizer))
            torch.testing.assert_close(value, regularizer.value(turned.double(), maps))


def test_it_is_the_mean_of_what_the_network_says() -> None:
    regularizer = IsotropicTV()
    predictor, noisy = network(regularizer), draw(regularizer)
    raw = torch.stack([symmetry.undo(predictor.raw_map(symmetry.apply(noisy)), regularizer) for symmetry in SYMMETRIES])
    torch.testing.assert_close(SelfEnsemble(predictor, regularizer).raw_map(noisy), raw.mean(dim=0))


def test_the_gradient_reaches_the_weights_that_it_shares() -> None:
    regularizer = TVpwL(4)
    predictor = network(regularizer)
    Denoiser(predictor, TautString(regularizer)).self_ensemble()(draw(regularizer)).denoised.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in predictor.parameters())


def test_large_images_go_through_in_strips_and_say_how_far(monkeypatch: pytest.MonkeyPatch) -> None:
    regularizer = AnisotropicTV(2)
    predictor = SelfEnsemble(network(regularizer), regularizer)
    noisy = draw(regularizer, 150, 60)
    shares: list[float] = []
    with torch.no_grad():
        whole = predictor(noisy)
        monkeypatch.setattr(strips, "STRIP_PIXELS", 1)
        with watched(shares.append):
            torch.testing.assert_close(predictor(noisy), whole)
    assert shares == sorted(shares)
    assert len(shares) > len(SYMMETRIES)
    assert shares[-1] == 1.0


def test_the_callers_default_device_is_not_meant() -> None:
    regularizer = AnisotropicTV(2)
    predictor, noisy = SelfEnsemble(network(regularizer), regularizer), draw(regularizer)
    expected = predictor(noisy)
    with torch.device("meta"):
        assert torch.equal(predictor(noisy), expected)


def test_another_regularizer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"predictor gives 1 map\(s\), and tvpwl takes 4"):
        SelfEnsemble(Cnn(), TVpwL(4))
