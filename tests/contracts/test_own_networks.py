"""Any module that gives real numbers becomes a predictor: what it must give, and what it gets."""

import copy
import inspect

import pytest
import torch
from torch import nn

from difftv import AnisotropicTV, Denoiser, Predictor, TautString, TVpwL, UNet
from difftv.predictors import Constant, predictor_class, strips
from difftv.predictors.base import INITIAL_LAM


class Small(nn.Module):
    """Two convolutions."""

    receptive_radius = 2

    def __init__(self, in_channels: int, num_maps: int, width: int = 4) -> None:
        super().__init__()
        layers = nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, num_maps, 3, padding=1)
        self.layers = nn.Sequential(*layers)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers(features)


class Fixed(nn.Module):
    """What it is given, whatever it is shown."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, features: torch.Tensor) -> object:
        return self.answer


def draw(height: int = 9, width: int = 7) -> torch.Tensor:
    return torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(0))


def test_it_denoises_and_learns() -> None:
    denoiser = Denoiser(Predictor(Small(1, 2), num_maps=2, initial_lam=[0.05, 1e-3]), TautString(TVpwL()))
    solution = denoiser(draw())
    assert (solution.lam > 0).all()
    solution.denoised.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in denoiser.predictor.parameters())


def test_its_weights_are_stored_under_its_own_names() -> None:
    network = Small(1, 1)
    predictor = Predictor(network)
    assert predictor.state_dict().keys() == network.state_dict().keys()
    other = copy.deepcopy(predictor)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(1.0)
    whole = Denoiser(predictor, TautString(AnisotropicTV())).state_dict()
    assert [*whole] == [f"predictor.{name}" for name in network.state_dict()]
    missing = other.load_state_dict(network.state_dict())
    assert not missing.missing_keys
    assert torch.equal(other(draw()), predictor(draw()))
    with pytest.raises(RuntimeError, match="unknown"):
        other.load_state_dict({**network.state_dict(), "unknown": torch.zeros(1)})


def test_an_output_of_zero_is_the_initial_map() -> None:
    predictor = Predictor(Fixed(torch.zeros(2, 2, 9, 7)), num_maps=2, initial_lam=[0.3, 0.02], floor=[0.0, 0.5])
    assert predictor(draw()).mean((0, 2, 3)).tolist() == pytest.approx([0.3, 0.52], rel=1e-5)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (torch.zeros(2, 1, 9, 7), r"shape \(2, 1, 9, 7\)"),
        (torch.zeros(2, 2, 9, 6), r"shape \(2, 2, 9, 6\)"),
        (torch.zeros(2), r"shape \(2,\)"),
        ([1.0], "a list"),
    ],
)
@pytest.mark.usefixtures("jaxtyping_off")
def test_another_shape_is_refused(answer: object, found: str) -> None:
    with pytest.raises(ValueError, match=r"Fixed must give maps of shape \(2, 2, 9, 7\) .* got " + found):
        Predictor(Fixed(answer), num_maps=2)(draw())


@pytest.mark.parametrize(("name", "value"), [("receptive_radius", -1), ("receptive_radius", 1.5), ("stride", (1, 1))])
@pytest.mark.usefixtures("jaxtyping_off")
def test_a_radius_or_stride_that_is_none_is_refused(name: str, value: object) -> None:
    network = Small(1, 1)
    setattr(network, name, value)
    with pytest.raises(ValueError, match=f"{name} of the network must be"):
        Predictor(network)


@pytest.mark.usefixtures("jaxtyping_off")
def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"network must be a torch.nn.Module"):
        Predictor(Small)  # type: ignore[arg-type]  # the class


def test_only_a_network_that_states_its_radius_goes_through_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "STRIP_PIXELS", 1)
    network, seen = Small(1, 1), []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[2]))
    with torch.no_grad():
        in_strips = Predictor(network)(draw(40))
        assert len(seen) > 1
        network.receptive_radius = None  # type: ignore[assignment]
        torch.testing.assert_close(Predictor(network)(draw(40)), in_strips)
    assert seen[-1] == 40


def test_a_class_of_networks_is_a_class_of_predictors() -> None:
    kind = predictor_class(Small)
    assert predictor_class(Small) is kind
    assert predictor_class(UNet) is UNet
    assert [*inspect.signature(kind).parameters] == [
        "num_maps", "width", "initial_lam", "sigma_input", "channels", "floor", "axes"
    ]  # fmt: skip
    predictor = kind(num_maps=2, width=3, sigma_input=True, channels=3)
    assert predictor.name == kind.__name__ == "Small"
    assert predictor.initial_lam == INITIAL_LAM
    assert predictor(torch.rand(1, 3, 5, 4), 25.0).shape == (1, 2, 5, 4)
    with pytest.raises(TypeError, match="widht"):
        kind(widht=3)


def test_an_argument_of_the_predictor_in_a_network_is_refused() -> None:
    class Clash(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()

    with pytest.raises(TypeError, match="Clash has an argument 'channels', which is one of the predictor"):
        predictor_class(Clash)


@pytest.mark.usefixtures("jaxtyping_off")
def test_what_makes_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match="network must be"):
        predictor_class(lambda: [])()  # type: ignore[arg-type, return-value]


def test_the_earlier_name_of_the_floor() -> None:
    assert Constant(least=0.25).floor == Constant(floor=0.25).least == 0.25
    with pytest.raises(ValueError, match=r"floor is 0.5, and 0.25 under its earlier name least"):
        Constant(least=0.25, floor=0.5)


def test_weights_of_another_network_are_not_taken_over() -> None:
    one, other = Predictor(Small(1, 1)), Predictor(nn.Conv2d(1, 1, 1))
    with pytest.raises(ValueError, match="it is a Conv2d, and a Small is to be trained"):
        one.start_from(other)
