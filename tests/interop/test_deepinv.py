"""The prior and the denoisers inside deepinv itself: its algorithms run with them and find what its own prior finds."""

import warnings

import pytest
import torch

from difftv import TGV, Admm, AnisotropicTV, Cnn, Denoiser, IsotropicTV, TautString, TVpwL
from difftv.errors import MissingDependencyError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what deepinv and its own dependencies warn of when they are imported
    try:
        from difftv.interop.deepinv import LearnedDenoiser, RegularizerDenoiser, RegularizerPrior
    except MissingDependencyError as error:
        pytest.skip(str(error), allow_module_level=True)
    import deepinv as dinv

pytestmark = [
    pytest.mark.usefixtures("jaxtyping_off"),
    pytest.mark.filterwarnings("default:::deepinv"),
]

HEIGHT, WIDTH = 10, 9


def images(batch=2, channels=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)


def blocks():
    """A clean image of a few constant pieces."""
    clean = torch.zeros(1, 1, HEIGHT, WIDTH, dtype=torch.float64)
    clean[..., 2:7, 3:] = 1.0
    clean[..., 6:, :4] = 0.5
    return clean


def test_channels_that_the_regularizer_couples_are_solved_together():
    x, maps = images(channels=3), torch.full((1, 1, HEIGHT, WIDTH), 0.5, dtype=torch.float64)
    prior = RegularizerPrior(Admm(IsotropicTV(channels=3), tol=1e-9, max_iter=20_000, dtype=torch.float64), maps)
    gamma = torch.tensor([0.1, 0.3], dtype=torch.float64)
    expected = prior.solver(x, 0.5 * gamma.view(2, 1, 1, 1).expand(2, 1, HEIGHT, WIDTH)).denoised
    torch.testing.assert_close(prior.prox(x, gamma=gamma), expected)
    assert prior.fn(x).shape == (2,)
    denoiser = Denoiser(Cnn(channels=3), prior.solver).double()
    torch.testing.assert_close(LearnedDenoiser(denoiser)(x, 0.1), denoiser(x).denoised)


def isotropic():
    return RegularizerPrior(Admm(IsotropicTV(), tol=1e-9, max_iter=20_000, dtype=torch.float64))


def theirs():
    """deepinv's own prior, run to the end instead of to its default criterion."""
    return dinv.optim.TVPrior(def_crit=1e-13, n_it_max=10_000)


def blur():
    kernel = torch.tensor([[0.05, 0.1, 0.05], [0.1, 0.4, 0.1], [0.05, 0.1, 0.05]], dtype=torch.float64)
    return dinv.physics.Blur(filter=kernel[None, None], padding="circular").double()


def test_prox_and_value_are_those_of_deepinvs_own_prior_at_convergence():
    x = images()
    torch.testing.assert_close(isotropic().prox(x, gamma=0.1), theirs().prox(x, gamma=0.1), rtol=0, atol=1e-6)
    torch.testing.assert_close(isotropic().fn(x), theirs().fn(x))
    each = torch.tensor([0.05, 0.1], dtype=torch.float64)
    torch.testing.assert_close(isotropic().prox(x, gamma=each), theirs().prox(x, gamma=each), rtol=0, atol=1e-6)


def test_a_call_leaves_no_trace_in_the_next_one():
    prior = RegularizerPrior(Admm(IsotropicTV()))
    first = prior.prox(images(), gamma=0.1)
    prior.prox(images(seed=1), gamma=0.3)
    assert torch.equal(prior.prox(images(), gamma=0.1), first)


@pytest.mark.parametrize("algorithm", ["PGD", "HQS"])
def test_an_algorithm_of_deepinv_finds_with_it_what_it_finds_with_its_own_prior(algorithm):
    physics = blur()
    clean = blocks()
    y = physics(clean) + 0.1 * (images(batch=1, channels=1) - 0.5)
    found = []
    for prior in (isotropic(), theirs()):
        model = getattr(dinv.optim, algorithm)(
            data_fidelity=dinv.optim.L2(), prior=prior, lambda_reg=0.02, stepsize=1.0, max_iter=6, early_stop=False
        )
        found.append(model(y, physics))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6)
    assert (found[0] - clean).square().sum() < (y - clean).square().sum()


@pytest.mark.parametrize("algorithm", ["PGD", "HQS"])
def test_plug_and_play_runs_with_the_denoisers(algorithm):
    physics = blur()
    y = physics(images(batch=1).round())
    options = {"data_fidelity": dinv.optim.L2(), "stepsize": 1.0, "max_iter": 5, "early_stop": False}
    build = getattr(dinv.optim, algorithm)
    weight = RegularizerDenoiser(TautString(AnisotropicTV()))
    played = build(prior=dinv.optim.PnP(denoiser=weight), sigma_denoiser=0.05, **options)(y, physics)
    explicit = build(prior=RegularizerPrior(TautString(AnisotropicTV())), lambda_reg=0.05, **options)(y, physics)
    torch.testing.assert_close(played, explicit, rtol=0, atol=1e-12)
    learned = LearnedDenoiser(Denoiser(Cnn(), TautString(AnisotropicTV())))
    with torch.no_grad():
        found = build(prior=dinv.optim.PnP(denoiser=learned), sigma_denoiser=0.05, **options)(y.float(), blur().float())
    assert found.shape == y.shape
    assert found.isfinite().all()


def test_a_learned_model_denoises_every_channel_and_gets_its_noise_level_in_bits():
    class Level(torch.nn.Module):
        solver, sigma_input = TautString(AnisotropicTV()), True

        def denoise(self, noisy, sigma):
            lam = torch.as_tensor(sigma, dtype=noisy.dtype).reshape(-1, 1, 1, 1) / 1000
            return self.solver(noisy, lam.expand(noisy.shape))

    x = images()
    denoiser = LearnedDenoiser(Level())
    one = RegularizerDenoiser(TautString(AnisotropicTV()))
    for sigma in (0.2, torch.tensor(0.2, dtype=torch.float64), torch.tensor([0.2, 0.3], dtype=torch.float64)):
        torch.testing.assert_close(denoiser(x, sigma), one(x, 255 * torch.as_tensor(sigma) / 1000))
    with pytest.raises(ValueError, match="one value per image is needed, 2 of them; got 3"):
        denoiser(x, torch.ones(3))


def test_an_unfolded_algorithm_trains_its_maps_and_its_numbers():
    physics = blur()
    clean = blocks()
    y = physics(clean)
    prior = RegularizerPrior(TautString(AnisotropicTV()), torch.nn.Parameter(torch.full((HEIGHT, WIDTH), 0.2).double()))
    model = dinv.optim.PGD(
        data_fidelity=dinv.optim.L2(),
        prior=prior,
        lambda_reg=1.0,
        stepsize=1.0,
        max_iter=4,
        unfold=True,
        trainable_params=["stepsize", "lambda"],
    ).double()
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert any(name.endswith("maps") for name in names), names
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = (model(y, physics) - clean).square().mean()
        loss.backward()
        assert prior.maps.grad.abs().max() > 0
        optimizer.step()
        with torch.no_grad():
            prior.maps.clamp_(min=0)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_maps_come_from_the_prior_or_from_the_algorithm():
    physics, y = blur(), blur()(images(batch=2, channels=2))
    maps = 0.02 + images(batch=2, channels=2, seed=3) / 20
    options = {"data_fidelity": dinv.optim.L2(), "stepsize": 1.0, "max_iter": 3, "early_stop": False}
    own = dinv.optim.PGD(prior=RegularizerPrior(TautString(AnisotropicTV(2)), maps), **options)(y, physics)
    given = dinv.optim.PGD(prior=RegularizerPrior(TautString(AnisotropicTV(2))), g_param=[maps], **options)(y, physics)
    assert torch.equal(own, given)
    listed = RegularizerPrior(TautString(AnisotropicTV(2)), [maps[:, :1], maps[:, 1:]])
    x = images(batch=2, channels=2)
    assert torch.equal(listed.prox(x), RegularizerPrior(TautString(AnisotropicTV(2)), maps).prox(x))
    # A channel is an image of its own with the maps of its image.
    torch.testing.assert_close(listed.prox(x)[1, 1], TautString(AnisotropicTV(2))(x[1:, 1:], maps[1:]).denoised[0, 0])


def test_gamma_multiplies_the_weights_and_not_the_free_slopes():
    x = images(batch=1, channels=1)
    prior = RegularizerPrior(TautString(TVpwL()), [0.1, 0.03])
    expected = TautString(TVpwL())(
        x, torch.tensor([0.05, 0.03]).double().reshape(1, 2, 1, 1).expand(1, 2, HEIGHT, WIDTH)
    )
    torch.testing.assert_close(prior.prox(x, gamma=0.5), expected.denoised)


def test_prox_is_differentiable_in_image_maps_and_gamma():
    x = images(batch=1)[..., :5, :4].contiguous().requires_grad_()
    maps = (0.05 + images(batch=1, channels=1, seed=3)[..., :5, :4] / 20).contiguous().requires_grad_()
    gamma = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    prior = RegularizerPrior(TautString(AnisotropicTV()))
    torch.autograd.gradcheck(lambda *given: prior.prox(given[0], given[1], gamma=given[2]), (x, maps, gamma), eps=1e-7)


def test_what_cannot_be_meant_is_refused():
    prior = RegularizerPrior(TautString(AnisotropicTV()))
    x = images()
    with pytest.raises(ValueError, match="lam must be >= 0"):
        prior.prox(x, -0.1)
    with pytest.raises(ValueError, match="lam must be >= 0"):
        prior.prox(x, gamma=-1.0)
    with pytest.raises(ValueError, match=r"lam must be a number.*got shape \(1, 10, 9\)"):
        prior.prox(x, torch.ones(1, HEIGHT, WIDTH))
    with pytest.raises(ValueError, match="one value per image"):
        prior.prox(x, gamma=torch.ones(3))
    with pytest.raises(ValueError, match=r"\(batch, channels, height, width\)"):
        prior.prox(x[0])
    with pytest.raises(ValueError, match="complex"):
        prior.prox(torch.complex(x, x))
    with pytest.raises(NotImplementedError, match="not differentiable"):
        prior.grad(x)
    generalised = RegularizerPrior(Admm(TGV()), 0.1)
    assert not generalised.explicit_prior
    with pytest.raises(NotImplementedError, match="minimum over a field"):
        generalised.fn(x)
    assert generalised.prox(x).shape == x.shape


def test_an_unknown_noise_level_is_refused_in_words_where_it_is_needed():
    x = images().float()
    plain, asking = (Denoiser(Cnn(sigma_input=needs), TautString(AnisotropicTV())) for needs in (False, True))
    torch.testing.assert_close(LearnedDenoiser(plain)(x, None), LearnedDenoiser(plain)(x, 0.1))
    with pytest.raises(ValueError, match="give sigma, the standard deviation of the noise"):
        LearnedDenoiser(asking)(x, None)
    with pytest.raises(ValueError, match="sigma is the weight of the regularizer and must be given"):
        RegularizerDenoiser(TautString(AnisotropicTV()))(x, None)
