import copy
import pickle

import pytest
import torch

from difftv.denoiser import Denoiser
from difftv.noise import GaussianNoise
from difftv.predictors import Cnn, Constant
from difftv.regularizers import AnisotropicTV, IsotropicTV
from difftv.solvers import Admm, Clarabel, Scs
from tests.accelerator import DEVICE, AcceleratorTensor, ToAccelerator


@pytest.fixture
def denoiser() -> Denoiser:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Denoiser(Cnn(), Clarabel(AnisotropicTV()))


def draw(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 1, 7, 6, generator=torch.Generator().manual_seed(0))


def test_the_map_and_the_minimiser_come_back(denoiser: Denoiser) -> None:
    noisy = draw()
    solution = denoiser(noisy)
    assert torch.equal(solution.lam, denoiser.predictor(noisy))
    assert torch.equal(solution.denoised, denoiser.solver(noisy, solution.lam).denoised)
    assert solution.denoised.dtype == torch.float32


def test_state_dict_holds_the_predictor_alone(denoiser: Denoiser) -> None:
    denoiser(draw())
    assert set(denoiser.state_dict()) == {f"predictor.{name}" for name in denoiser.predictor.state_dict()}


def test_copies_and_pickles_give_the_same_outputs_and_gradients(denoiser: Denoiser) -> None:
    noisy = draw()

    def answer(module: Denoiser) -> list[torch.Tensor]:
        module.zero_grad()
        denoised = module(noisy).denoised
        denoised.square().sum().backward()
        return [denoised.detach(), *(parameter.grad for parameter in module.parameters())]

    expected = answer(denoiser)
    for twin in (copy.deepcopy(denoiser), pickle.loads(pickle.dumps(denoiser)), copy.deepcopy(denoiser).to("cpu")):
        for one, other in zip(answer(twin), expected, strict=True):
            assert torch.equal(one, other)


def test_a_double_precision_predictor_stays_double(denoiser: Denoiser) -> None:
    assert denoiser.double()(draw().double()).denoised.dtype == torch.float64


def test_a_predictor_of_other_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Cnn takes images of 1 channel.s., but the isotropic regularizer those of 3"):
        Denoiser(Cnn(), Admm(IsotropicTV(channels=3)))
    denoiser = Denoiser(Cnn(channels=3), Admm(IsotropicTV(channels=3)))
    assert denoiser(draw().expand(-1, 3, -1, -1)).denoised.shape == (2, 3, 7, 6)
    with pytest.raises(ValueError, match=r"noisy must have shape \(batch, 3, height, width\), got \(2, 1, 7, 6\)"):
        denoiser(draw())


def test_a_predictor_with_other_maps_is_refused() -> None:
    with pytest.raises(ValueError, match=r"predicts 2 map.s., but the isotropic regularizer takes 1"):
        Denoiser(Constant(num_maps=2), Scs(IsotropicTV()))


def test_no_float64_ever_reaches_the_accelerator(denoiser: Denoiser) -> None:
    noisy = draw()
    plain = [noisy.clone().requires_grad_(), denoiser.predictor(noisy).detach().clone().requires_grad_()]
    expected = denoiser.solver(*plain)
    expected.denoised.square().sum().backward()

    with ToAccelerator():
        tensors = [AcceleratorTensor(value.detach().clone()).requires_grad_() for value in plain]
        solution = denoiser.solver(*tensors)
        assert solution.denoised.device == DEVICE
        assert isinstance(solution.denoised, AcceleratorTensor)
        (gradient,) = (AcceleratorTensor(2 * expected.denoised.detach()),)
        solution.denoised.backward(gradient)
    torch.testing.assert_close(solution.denoised.held, expected.denoised.detach())
    for tensor, reference in zip(tensors, plain, strict=True):
        assert isinstance(tensor.grad, AcceleratorTensor)
        torch.testing.assert_close(tensor.grad.held, reference.grad)


def test_the_stand_in_catches_a_cast_in_the_wrong_order() -> None:
    tensor = AcceleratorTensor(draw())
    with ToAccelerator():
        with pytest.raises(TypeError, match="float64"):
            tensor.to(dtype=torch.float64)
        with pytest.raises(TypeError, match="change the device first"):
            tensor.to(device="cpu", dtype=torch.float64)
        with pytest.raises(TypeError, match="change the precision first"):
            draw().double().to(device=DEVICE)


def test_the_data_weight_reaches_the_solver_and_hides_missing_pixels_from_the_network() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        denoiser = Denoiser(Cnn(), Admm(IsotropicTV()))
    noisy = draw()
    weight = torch.rand(noisy.shape, generator=torch.Generator().manual_seed(1)) + 0.5
    solution = denoiser(noisy, None, weight)
    assert torch.equal(solution.denoised, denoiser.solver(noisy, denoiser.predictor(noisy), weight).denoised)
    weight[:, :, 2:5, 2:4] = 0
    other = torch.where(weight > 0, noisy, 1000.0)
    one, two = (denoiser.denoise(images, 25.0, weight) for images in (noisy, other))
    assert torch.equal(one.lam, two.lam)
    assert torch.equal(one.denoised, two.denoised)


def test_noise_is_an_object_a_number_or_a_tensor() -> None:
    denoiser = Denoiser(Cnn(sigma_input=True), Admm(IsotropicTV()))
    noisy = draw()
    answers = [denoiser.denoise(noisy, noise).denoised for noise in (25.0, torch.tensor([25.0, 25.0]))]
    answers.append(denoiser.denoise(noisy, GaussianNoise(25)).denoised)
    assert all(torch.equal(answer, answers[0]) for answer in answers)
