"""`loss=deepinv`: deepinv's own losses train a method of ours, and agree with ours where they are the same loss."""

import math
import warnings

import pytest
import torch

from difftv import AnisotropicTV, Denoiser, Exact
from difftv.errors import ConfigError, MissingDependencyError
from difftv.lab.data import Batch
from difftv.lab.losses import Deepinv, Sure
from difftv.lab.training.without_clean import loss_of
from difftv.predictors import Constant
from tests.test_loss_without_clean import SIGMA, batch_of, clean_images

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what deepinv and its own dependencies warn of when they are imported
    try:
        Deepinv("R2RLoss")
    except MissingDependencyError as error:
        pytest.skip(str(error), allow_module_level=True)

pytestmark = [pytest.mark.usefixtures("jaxtyping_off"), pytest.mark.filterwarnings("default:::deepinv")]

LOSSES = [
    Deepinv("SureGaussianLoss"),
    Deepinv("R2RLoss", {"alpha": 0.3}),
    Deepinv("Neighbor2Neighbor"),
]


def of(loss: Deepinv | Sure, batch: Batch, denoiser: Denoiser, step: int = 0) -> tuple[float, float]:
    """Value, and derivative in the one weight of a constant map."""
    found = loss_of(loss, denoiser, batch, denoiser.denoise(batch.noisy, batch.sigma), (0, step))
    (gradient,) = torch.autograd.grad(found, list(denoiser.parameters()))
    return float(found.detach()), float(gradient)


def denoiser(lam: float = 0.05) -> Denoiser:
    return Denoiser(Constant(1, initial_lam=lam), Exact(AnisotropicTV()))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_step_draws_the_same_again_reads_no_clean_image_and_has_a_gradient(loss: Deepinv) -> None:
    before = torch.get_rng_state()
    batch = batch_of(clean_images(2), 0)._replace(clean=None)
    value, gradient = of(loss, batch, denoiser())
    assert math.isfinite(value)
    assert gradient != 0
    assert of(loss, batch, denoiser()) == (value, gradient)
    assert of(loss, batch, denoiser(), step=1) != (value, gradient)
    assert bool((torch.get_rng_state() == before).all())


def test_their_sure_is_ours() -> None:
    clean, model = clean_images(8), denoiser(0.04)
    pairs = [[of(loss, batch_of(clean, seed), model, seed)[0] for loss in (LOSSES[0], Sure())] for seed in range(6)]
    theirs, ours = torch.tensor(pairs).T
    difference = theirs - ours
    assert abs(float(difference.mean())) < 3 * float(difference.std()) / 6**0.5 + 0.02 * float(ours.mean().abs())


def test_recorrupted_pairs_choose_the_weight_that_the_squared_error_chooses() -> None:
    """R2R is the squared error of more noise plus a constant: its derivative changes sign near it."""
    batches = [batch_of(clean_images(8), seed) for seed in range(3)]
    slopes = [
        sum(of(LOSSES[1], batch, denoiser(lam), step)[1] for step, batch in enumerate(batches)) for lam in (0.005, 0.3)
    ]
    assert slopes[0] < 0 < slopes[1]


def test_several_levels_a_name_and_arguments_that_do_not_fit_are_refused() -> None:
    batch = batch_of(clean_images(2), 0)._replace(sigma=torch.tensor([SIGMA, 2 * SIGMA]))
    with pytest.raises(ConfigError, match="one noise level"):
        of(LOSSES[0], batch, denoiser())
    with pytest.raises(ValueError, match=r"name must be a loss of deepinv, got 'Sure'. There are: .*R2RLoss"):
        Deepinv("Sure")
    with pytest.raises(ValueError, match="arguments must be those of R2RLoss"):
        Deepinv("R2RLoss", {"beta": 1})
    with pytest.raises(ValueError, match="SplittingLoss draws from a generator of its own"):
        Deepinv("SplittingLoss")
    with pytest.raises(ValueError, match="must not hold sigma"):
        Deepinv("SureGaussianLoss", {"sigma": 0.1})
    odd = batch_of(clean_images(1)[..., :47], 0)
    with pytest.raises(ConfigError, match=r"Neighbor2Neighbor of deepinv: .*even"):
        of(LOSSES[2], odd, denoiser())
