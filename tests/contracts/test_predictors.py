"""The contract of every predictor in conf/predictor."""

import math

import pytest
import torch
from hydra.utils import instantiate
from torch.nn.functional import pad

from difftv.devices import place
from difftv.predictors import Constant, Dilated, Opponent, Predictor
from difftv.predictors.base import starting_at
from difftv.predictors.layers import _bordered
from difftv.progress import watched
from difftv.regularizers import TGV, AnisotropicTV, IsotropicTV, TVpwL
from tests.conftest import composed, options_of

SPACE = {1: (20,), 2: (16, 12), 3: (5, 8, 6)}

AXES = dict.fromkeys(options_of("predictor"), (1, 2, 3)) | {"opponent": (2,), "slices": (3,)}
"""Number of axes that a predictor takes."""

EACH_ONCE = [(name, 2 if 2 in axes else axes[0]) for name, axes in AXES.items()]

EVERY_CASE = [(name, axes) for name, each in AXES.items() for axes in each]


@pytest.fixture(
    params=[(*case, maps) for case in EACH_ONCE for maps in (1, 2)]
    + [(*case, 2) for case in EVERY_CASE if case not in EACH_ONCE],
    ids=str,
)
def predictor(request: pytest.FixtureRequest) -> Predictor:
    name, axes, maps = request.param
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return instantiate(composed(f"predictor={name}").predictor, num_maps=maps, axes=axes)


def draw(batch: int = 2, height: int = 16, width: int = 12) -> torch.Tensor:
    return torch.rand(batch, 1, height, width, generator=torch.Generator().manual_seed(0))


def drawn(axes: int, batch: int = 2, channels: int = 1) -> torch.Tensor:
    return torch.rand(batch, channels, *SPACE[axes], generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "axes"), [(name, axes) for name in AXES for axes in (1, 2, 3)])
def test_what_a_network_is_not_for_is_refused_with_those_that_are(name: str, axes: int) -> None:
    option = composed(f"predictor={name}").predictor
    if axes in AXES[name]:
        predictor = instantiate(option, axes=axes)
        for other in {1, 2, 3} - {axes}:
            with pytest.raises(ValueError, match=r"was made for (signals|images|volumes) of 1 channel.* Predictors of"):
                predictor(drawn(other))
    else:
        with pytest.raises(Exception, match=rf"\(axes={axes}\)\. Predictors of (signals|images|volumes) are"):
            instantiate(option, axes=axes)


def test_starts_at_a_nearly_constant_map_of_the_configured_value(predictor: Predictor) -> None:
    lam = predictor(drawn(predictor.axes))
    assert lam.mean().item() == pytest.approx(0.05, rel=0.05)
    assert lam.std().item() < 0.005


@pytest.mark.parametrize(("name", "axes"), EACH_ONCE)
def test_every_map_has_a_start_of_its_own(name: str, axes: int) -> None:
    option = composed(f"predictor={name}", f"+predictor.axes={axes}").predictor
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lam = instantiate(option, num_maps=3, initial_lam=[0.04, 1e-3, 0.5])(drawn(axes))
        with pytest.raises(Exception, match=r"initial_lam must be one number or one per map \(2\), got 3"):
            instantiate(option, num_maps=2, initial_lam=[0.04, 1e-3, 0.5])
    assert lam.transpose(0, 1).flatten(1).mean(1).tolist() == pytest.approx([0.04, 1e-3, 0.5], rel=0.05)


@pytest.mark.parametrize(("name", "axes"), EACH_ONCE)
def test_no_map_is_below_its_floor(name: str, axes: int) -> None:
    option = composed(f"predictor={name}", f"+predictor.axes={axes}").predictor
    floor = torch.tensor([0.0, 0.25])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        predictor = instantiate(option, num_maps=2, initial_lam=[0.04, 1e-3], floor=[0.0, 0.25])
        with pytest.raises(Exception, match=r"floor must be one number or one per map \(2\), got 3"):
            instantiate(option, num_maps=2, floor=[0.0, 1e-3, 0.5])
        with pytest.raises(Exception, match=r"floor must be .* >= 0, got -1"):
            instantiate(option, num_maps=2, floor=-1.0)
    maps = predictor(drawn(axes)).transpose(0, 1).flatten(1)
    assert maps.mean(1).tolist() == pytest.approx([0.04, 0.251], rel=0.05)
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.sub_(20.0)
    assert (predictor(drawn(axes)).transpose(0, 1).flatten(1) >= floor.view(2, 1)).all()


@pytest.mark.parametrize("dilation", [1, 3])
def test_the_border_is_repeated_in_the_way_of_cuda_too(dilation: int) -> None:
    state = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(_bordered(state, (dilation, 2)), pad(state, (2, 2, dilation, dilation), mode="replicate"))


def test_dilated_convolutions_in_blocks() -> None:
    one, two = (sum(map(torch.numel, Dilated(width=4, blocks=blocks).parameters())) for blocks in (1, 2))
    assert two - one == 6 * (9 * 4 * 4 + 4)
    with pytest.raises(ValueError, match="blocks must be"):
        Dilated(blocks=0)


def test_mixed_precision(predictor: Predictor) -> None:
    """Maps and gradients of the weights in float32, a few parts in a hundred from those of float32 layers."""
    found = []
    for enabled in (False, True):
        predictor.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            lam = predictor(drawn(predictor.axes))
        assert lam.dtype == torch.float32
        lam.square().mean().backward()
        gradient = torch.cat([weight.grad.flatten() for weight in predictor.parameters() if weight.grad is not None])
        assert gradient.dtype == torch.float32
        found.append((lam.detach(), gradient))
    (lam, gradient), (mixed, mixed_gradient) = found
    torch.testing.assert_close(mixed, lam, rtol=0.02, atol=1e-4)
    assert float((mixed_gradient - gradient).norm() / gradient.norm()) < 0.05


@pytest.mark.parametrize("sigma_input", [False, True])
@pytest.mark.parametrize(("name", "axes"), EACH_ONCE)
def test_images_of_several_channels(name: str, axes: int, sigma_input: bool) -> None:
    arguments = starting_at({"initial_lam": 0.05}, IsotropicTV(channels=3, axes=axes), sigma_input=sigma_input)
    option = composed(f"predictor={name}").predictor
    with torch.random.fork_rng():
        torch.manual_seed(0)
        predictor = instantiate(option, **arguments)
    noisy = drawn(axes, channels=3)
    lam = predictor(noisy, 25.0) if sigma_input else predictor(noisy)
    assert lam.shape == (2, 1, *SPACE[axes])
    if name != "constant":
        changed = noisy.clone()
        changed[:, 2] += 0.5
        assert not torch.equal(predictor(changed, 25.0) if sigma_input else predictor(changed), lam)
    with pytest.raises(ValueError, match=r"was made for (images|volumes) of 3 channel"):
        predictor(drawn(axes))


def test_a_number_becomes_the_starts_that_the_regularizer_states() -> None:
    assert starting_at({"width": 8, "initial_lam": 0.1}, TVpwL()) == {
        "width": 8,
        "num_maps": 2,
        "initial_lam": [0.1, 1e-3],
    }
    assert starting_at({"initial_lam": [0.1, 0.2]}, TGV())["initial_lam"] == [0.1, 0.2]
    assert starting_at({"initial_lam": 0.1}, AnisotropicTV(2))["initial_lam"] == [0.1, 0.1]
    assert starting_at({}, TGV()) == {"num_maps": 2}
    assert starting_at({}, TGV(axes=3)) == {"num_maps": 2, "axes": 3}
    with pytest.raises(ValueError, match=r"^initial_lam must be a positive finite number, got -1"):
        starting_at({"initial_lam": -1.0}, TGV())


def test_the_map_is_positive_whatever_the_weights(predictor: Predictor) -> None:
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    lam = predictor(drawn(predictor.axes))
    assert (lam >= 0).all()
    assert lam.isfinite().all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (5, 3), (17, 23)])
def test_any_size(predictor: Predictor, height: int, width: int) -> None:
    space = {1: (height,), 2: (height, width), 3: (height, width, 3)}[predictor.axes]
    assert predictor(torch.zeros(3, 1, *space)).shape == (3, predictor.num_maps, *space)


def test_the_order_of_the_weights_on_a_device_changes_rounding_alone(predictor: Predictor) -> None:
    noisy = drawn(predictor.axes)
    before = predictor(noisy)
    torch.testing.assert_close(place(predictor, torch.device("cpu"))(noisy), before, rtol=1e-4, atol=1e-6)


def test_the_gradient_reaches_every_weight(predictor: Predictor) -> None:
    predictor(drawn(predictor.axes)).square().sum().backward()
    for name, parameter in predictor.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_map_depends_on_its_own_image_alone(predictor: Predictor) -> None:
    noisy = drawn(predictor.axes, 3)
    torch.testing.assert_close(predictor(noisy)[1:2], predictor(noisy[1:2]))


def test_weights_survive_a_state_dict(predictor: Predictor) -> None:
    noisy = drawn(predictor.axes)
    before = predictor(noisy)
    state = {name: value.clone() for name, value in predictor.state_dict().items()}
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.add_(1.0)
    assert not torch.equal(predictor(noisy), before)
    predictor.load_state_dict(state)
    assert torch.equal(predictor(noisy), before)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["predictor=dncnn", "predictor.depth=1"], "depth must be at least 2"),
        (["predictor=unet", "predictor.width=0"], "width must be a positive integer, got 0"),
        (["predictor=cnn", "predictor.initial_lam=-0.1"], "initial_lam must be a positive finite number"),
    ],
)
def test_a_size_out_of_range_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(Exception, match=message):
        instantiate(composed(*overrides).predictor, num_maps=1)


@pytest.mark.parametrize(("name", "axes"), EACH_ONCE)
def test_the_noise_level_is_an_input_where_asked_for(name: str, axes: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        predictor = instantiate(composed(f"predictor={name}").predictor, num_maps=2, sigma_input=True, axes=axes)
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    noisy = drawn(axes, 3)
    levels = torch.tensor([15.0, 25.0, 50.0])
    lam = predictor(noisy, levels)
    assert lam.shape == (3, 2, *SPACE[axes])
    for index, level in enumerate(levels.tolist()):
        torch.testing.assert_close(
            lam[index : index + 1], predictor(noisy[index : index + 1], level), rtol=1e-4, atol=1e-5
        )
    assert not torch.allclose(predictor(noisy, 15.0), predictor(noisy, 50.0))
    lam.square().sum().backward()
    for parameter_name, parameter in predictor.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (None, "give sigma, the standard deviation of the noise in 8-bit units"),
        (-25, "sigma must be a positive number in 8-bit units"),
        (torch.tensor([25.0, 0.0]), "sigma must be positive and finite"),
        (torch.tensor([25.0, math.inf]), "sigma must be positive and finite"),
        (torch.tensor([25.0] * 3), r"one entry per image.* got shape \(3,\)"),
    ],
)
def test_a_noise_level_that_does_not_fit_is_refused(sigma: float | torch.Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Constant(sigma_input=True)(draw(), sigma)


def test_a_predictor_for_one_noise_level_takes_none() -> None:
    with pytest.raises(ValueError, match="takes no sigma"):
        Constant()(draw(), 25.0)


@pytest.mark.parametrize("sigma_input", [False, True])
def test_networks_of_opponent_colours_start_as_those_of_gray_images_on_each(sigma_input: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        large, small = (Dilated(4, width=width, sigma_input=sigma_input) for width in (6, 4))
        for gray in (large, small):
            gray.network.head.weight.data.normal_()
        sizes = {"width": 6, "blocks": 1, "chroma_width": 4}
        colour = Opponent(12, **sizes, sigma_input=sigma_input, initial_lam=0.1, channels=3)
    for gray in (large, small):
        colour.start_from(gray)
    noisy = torch.rand(2, 3, 16, 12, generator=torch.Generator().manual_seed(1))
    found = colour.raw_map(colour.features(noisy, *[25.0] * sigma_input)).detach().split(4, dim=1)
    red, green, blue = noisy.split(1, dim=1)
    channels = [(red + green + blue) / 3, (red - blue) / 2 + 0.5, (red - 2 * green + blue) / 4 + 0.5]
    ranges = 3**0.5, 2**0.5, 4 / 6**0.5
    for gray, maps, channel, extent in zip((large, small, small), found, channels, ranges, strict=True):
        expected = gray.raw_map(gray.features(channel, *[25.0 / extent] * sigma_input)).detach()
        torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-5)
        assert float(expected.std()) > 0.02
    changed = noisy.clone()
    changed[:, 0] += 0.1
    changed[:, 2] += 0.1  # the luma and green-magenta
    with torch.no_grad():
        for part in colour.network.colours:
            part.first.weight.add_(0.1)
        assert all(
            not torch.equal(before, after)
            for before, after in zip(
                *(
                    colour.raw_map(colour.features(image, *[25.0] * sigma_input)).split(4, dim=1)
                    for image in (noisy, changed)
                ),
                strict=True,
            )
        )
    for other, message in ((Dilated(4, width=8, sigma_input=sigma_input), "in the layers of no colour"), (
        Dilated(4, width=4, sigma_input=not sigma_input), "its sigma_input is")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            colour.start_from(other)


def test_the_small_network_is_small() -> None:
    assert sum(parameter.numel() for parameter in Dilated(num_maps=4, sigma_input=True).parameters()) <= 60_000


@pytest.mark.parametrize(("name", "axes"), [*EACH_ONCE, ("dilated", 3)])
def test_large_images_go_through_in_strips(name: str, axes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difftv.predictors.strips.STRIP_PIXELS", 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        predictor = instantiate(composed(f"predictor={name}").predictor, num_maps=2, axes=axes)
        for parameter in predictor.parameters():
            parameter.data.add_(0.02 * torch.randn(parameter.shape))
    predictor = predictor.double()
    space = (397, 9) if axes == 2 else (100, 100, 3)
    images = torch.rand(
        2 if axes == 2 else 1, 1, *space, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    whole, shares = predictor(images), []
    assert whole.requires_grad
    with torch.no_grad(), watched(shares.append):
        torch.testing.assert_close(predictor(images), whole.detach(), rtol=1e-12, atol=1e-12)
    if name != "constant":
        assert len(shares) >= 3
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
