"""Predictor and solver behind a forward operator: units, gradients, and what is refused."""

import pytest
import torch
from torch import Tensor

from difftv import Admm, AnisotropicTV, Cnn, Constant, Denoiser, Exact, HuberTV, IsotropicTV, Reconstructor, TVpwL
from difftv.linear import Convolution, Fourier, Mask, from_callables
from difftv.volumes import denoise_volume
from tests.linear.forward_operators import HEIGHT, OPERATORS, WIDTH


def predictor(**options) -> Cnn:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Cnn(**options).double()


def varied() -> Cnn:
    """A predictor whose map differs from pixel to pixel, as one does after training."""
    network = predictor()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=generator, dtype=value.dtype))
    return network


def images(batch: int = 2, channels: int = 1) -> Tensor:
    drawn = torch.rand(batch, channels, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    drawn[:, :, 0, 0], drawn[:, :, 0, 1] = 0.0, 1.0
    return drawn


def solver(regularizer=None, tol: float = 1e-9) -> Admm:
    return Admm(regularizer or HuberTV(delta=0.02), tol=tol, max_iter=20000, dtype=torch.float64)


def test_the_identity_is_a_denoiser() -> None:
    network, noisy = predictor(), images()
    one = from_callables(lambda x: x, lambda r: r)
    found = Reconstructor(network, solver())(noisy, operator=one)
    expected = Denoiser(network, solver())(noisy)
    torch.testing.assert_close(found.lam, expected.lam)
    torch.testing.assert_close(found.denoised, expected.denoised, atol=1e-6, rtol=0)
    assert set(Reconstructor(network, solver()).state_dict()) == set(Denoiser(network, solver()).state_dict())


def test_neither_the_units_of_the_data_nor_the_scale_of_the_operator_matter() -> None:
    name = "tomography"
    operator = OPERATORS[name][0]()
    y = operator.apply(images())
    learned = Reconstructor(predictor(), solver(IsotropicTV()))
    expected = learned(y, operator=operator)
    scaled = from_callables(lambda x: 8 * operator.apply(x), lambda r: 8 * operator.adjoint(r))
    found = learned(8 * y, operator=scaled)
    torch.testing.assert_close(found.denoised, expected.denoised, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.lam, 64 * expected.lam)
    torch.testing.assert_close(learned(4 * y, operator=operator).denoised, 4 * expected.denoised, atol=1e-6, rtol=0)


def test_slopes_have_the_unit_of_the_image_alone() -> None:
    operator = Mask(torch.full((HEIGHT, WIDTH), 0.5, dtype=torch.float64))
    found = Reconstructor(Constant(num_maps=2, initial_lam=[0.04, 0.02]), solver(TVpwL()))
    found = found.maps(operator.apply(images()), operator)
    # The first look is the image; A^T A = 1/4.
    torch.testing.assert_close(found[:, 0], torch.full_like(found[:, 0], 0.01))
    torch.testing.assert_close(found[:, 1], torch.full_like(found[:, 1], 0.02))


def test_factor_and_a_batch_is_a_loop() -> None:
    operator, y = OPERATORS["Fourier, real"][0](), OPERATORS["Fourier, real"][0]().apply(images())
    whole = Reconstructor(predictor(), solver(), factor=2.0)(y, operator=operator)
    half = Reconstructor(predictor(), solver()).maps(y, operator)
    torch.testing.assert_close(whole.lam, 2 * half)
    for index in range(2):
        one = Reconstructor(predictor(), solver(), factor=2.0)(y[index : index + 1], operator=operator)
        torch.testing.assert_close(one.denoised[0], whole.denoised[index], atol=1e-7, rtol=0)


@pytest.mark.parametrize("looks", [1, 2])
def test_gradients_in_measurements_network_and_kernel(looks: int) -> None:
    network = varied()
    kernel = torch.full((3, 3), 0.05, dtype=torch.float64)
    kernel[1, 1] = 0.6
    y = Convolution(kernel).apply(images(1)) + 0.01 * torch.arange(WIDTH)
    reconstructor = Reconstructor(network, solver(tol=1e-12), looks=looks)
    last = list(network.parameters())[-1]

    def loss(y: Tensor, kernel: Tensor) -> Tensor:
        return reconstructor(y, operator=Convolution(kernel)).denoised.square().sum()

    y.requires_grad_()
    kernel.requires_grad_()
    loss(y, kernel).backward()
    generator = torch.Generator().manual_seed(2)
    for value in (y, kernel, last):
        direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        gradient, start, sides = value.grad, value.detach().clone(), []
        with torch.no_grad():
            for step in (1e-5, -1e-5):
                value.copy_(start + step * direction)
                sides.append(float(loss(y, kernel)))
            value.copy_(start)
        assert float((gradient * direction).sum()) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-4)


def test_a_second_look_is_at_the_solution() -> None:
    network, noisy = varied(), images()
    one = from_callables(lambda x: x, lambda r: r)
    once = Denoiser(network, solver())(noisy)
    twice = Denoiser(network, solver(), looks=2)(noisy)
    torch.testing.assert_close(twice.lam, network(once.denoised))
    assert float((twice.lam - once.lam).detach().abs().max()) > 1e-3
    torch.testing.assert_close(twice.denoised, solver()(noisy, twice.lam).denoised)
    # The images have the range [0, 1], in which the network of a reconstruction sees all of them.
    again = Reconstructor.of(Denoiser(network, solver(), looks=2))(noisy, operator=one)
    torch.testing.assert_close(again.lam, twice.lam, atol=1e-6, rtol=0)
    torch.testing.assert_close(again.denoised, twice.denoised, atol=1e-6, rtol=0)


def test_every_look_is_in_the_units_of_the_first() -> None:
    operator = OPERATORS["circular blur"][0]()
    y = operator.apply(images())
    learned = Reconstructor(varied(), solver(IsotropicTV()), looks=2)
    expected, found = learned(y, operator=operator), learned(4 * y + 1, operator=operator)
    torch.testing.assert_close(found.denoised, 4 * expected.denoised + 1, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.lam, 4 * expected.lam, atol=1e-6, rtol=0)


def test_the_ensemble_turns_with_the_image() -> None:
    network, noisy = varied(), images()
    one = from_callables(lambda x: x, lambda r: r)
    ensemble = Reconstructor(network, solver(), factor=0.5, looks=2).self_ensemble()
    assert (ensemble.factor, ensemble.looks) == (0.5, 2)
    expected = Denoiser(network, solver()).self_ensemble()(noisy)
    torch.testing.assert_close(ensemble.maps(noisy, one), 0.5 * expected.lam)
    turned = ensemble.maps(noisy.transpose(2, 3), one)
    torch.testing.assert_close(turned, ensemble.maps(noisy, one).transpose(2, 3))


@pytest.mark.parametrize("looks", [0, -1, True])
def test_the_number_of_looks_is_checked(looks: int) -> None:
    with pytest.raises(ValueError, match="looks must be a positive integer"):
        Reconstructor(predictor(), solver(), looks=looks)
    with pytest.raises(ValueError, match="looks must be a positive integer"):
        Denoiser(predictor(), solver(), looks=looks)


def test_volumes_slice_by_slice_take_one_look() -> None:
    denoiser = Denoiser(Constant(), Exact(AnisotropicTV()), looks=2)
    with pytest.raises(ValueError, match="looks 2 times"):
        denoise_volume(denoiser, torch.zeros(1, 1, 2, 4, 4))


@pytest.mark.parametrize("name", ["symmetric blur", "tomography"])
def test_an_operator_computes_in_its_own_precision_under_autocast(name: str) -> None:
    operator = OPERATORS[name][0]().float()
    y = operator.apply(images().float())
    learned = Reconstructor(Constant(initial_lam=0.1), Admm(IsotropicTV()))
    expected, level = learned.maps(y, operator), learned.level(y, operator, 5.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(learned.maps(y, operator), expected)
        assert torch.equal(learned.level(y, operator, 5.0), level)


def test_a_denoising_model_as_it_is() -> None:
    mask = torch.ones(HEIGHT, WIDTH)
    mask[:, 2] = 0.0
    y = Fourier(mask).apply(images().float())
    found = Reconstructor.pretrained("gray", factor=0.1)(y, operator=Fourier(mask), sigma=5.0)
    assert found.denoised.dtype == torch.float32
    assert found.converged.all()
    # The solver of the model takes no operator: another one stands in.
    assert isinstance(Denoiser.pretrained("gray").solver, Exact)


def test_the_level_that_a_network_is_told_does_not_depend_on_the_units_of_the_measurements() -> None:
    noisy = images().float()
    one = Reconstructor.pretrained("gray-small")
    torch.testing.assert_close(one.level(noisy, Mask(torch.ones(HEIGHT, WIDTH)), 20.0), torch.full((2,), 20.0))
    louder = from_callables(lambda x: 3 * x, lambda r: 3 * r)
    torch.testing.assert_close(one.level(3 * noisy, louder, torch.tensor([30.0, 60.0])), torch.tensor([10.0, 20.0]))
    # Images of twice the range are seen in [0, 1].
    torch.testing.assert_close(one.level(6 * noisy, louder, 60.0), torch.full((2,), 10.0))


def test_missing_measurements_may_be_nan() -> None:
    y = images()
    weight = (y < 0.8).double()
    one = from_callables(lambda x: x, lambda r: r)
    reconstructor = Reconstructor(predictor(), solver())
    expected = reconstructor(weight * y, one, weight)
    found = reconstructor(y.where(weight > 0, torch.tensor(torch.nan)), one, weight)
    torch.testing.assert_close(found.denoised, expected.denoised)


def test_wrong_arguments() -> None:
    one, y = from_callables(lambda x: x, lambda r: r), images()
    reconstructor = Reconstructor(Constant(initial_lam=0.1), solver())
    with pytest.raises(ValueError, match=r"predicts 1 map\(s\), but the anisotropic regularizer takes 2"):
        Reconstructor(Constant(initial_lam=0.1), Admm(AnisotropicTV(2)))
    with pytest.raises(ValueError, match="factor must be"):
        Reconstructor(Constant(initial_lam=0.1), solver(), factor=0.0)
    with pytest.raises(ValueError, match="y holds NaN or infinity"):
        reconstructor(y * torch.nan, operator=one)
    with pytest.raises(ValueError, match=r"data_weight must have the shape of the measurements, \(2, 1, 7, 6\)"):
        reconstructor(y, one, y[:1])
    with pytest.raises(TypeError, match=r"y must be a torch\.Tensor of floating-point"):
        reconstructor(y.long(), operator=one)
    with pytest.raises(ValueError, match=r"do not fit: .* is \d\.\d\de"):
        reconstructor(y, operator=(lambda x: x, lambda r: 2 * r))
    with pytest.raises(ValueError, match=r"y must have the shape of operator\.apply\(image\), \(2, 1, 7, 6\)"):
        reconstructor(y[:1, :, 0], operator=Mask(torch.ones(2, 1, HEIGHT, WIDTH)))
