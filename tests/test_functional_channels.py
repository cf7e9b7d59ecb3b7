"""`tv_denoise` of several channels and of complex images."""

import cmath

import numpy as np
import pytest
import torch

from difftv import functional
from difftv.functional import tv_denoise
from difftv.maps import MapsLike
from difftv.regularizers import IsotropicTV
from difftv.solvers import Admm, Clarabel


def draw(channels: int = 3, batch: int = 2, height: int = 6, width: int = 5, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, height, width, generator=generator, dtype=torch.float64)


def complex_images(channels: int = 1) -> torch.Tensor:
    return torch.complex(draw(channels), draw(channels, seed=1))


def test_independent_channels_are_gray_images() -> None:
    y, lam = draw(), 0.1 * draw(1, seed=2)
    found = tv_denoise(y, lam, channels="independent")
    for channel in range(3):
        assert torch.equal(found[:, channel : channel + 1], tv_denoise(y[:, channel : channel + 1], lam))


PER_CHANNEL = torch.tensor([0.02, 0.1, 0.3]).view(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("lam", "vertical", "horizontal"),
    [
        (PER_CHANNEL, PER_CHANNEL, PER_CHANNEL),
        ([PER_CHANNEL], PER_CHANNEL, PER_CHANNEL),
        (PER_CHANNEL.expand(2, 3, 6, 5), PER_CHANNEL, PER_CHANNEL),
        (PER_CHANNEL[:, :2], torch.tensor(0.02), torch.tensor(0.1)),
        ([0.02, PER_CHANNEL], torch.tensor(0.02), PER_CHANNEL),
        (np.full((6, 5), 0.1), torch.tensor(0.1), torch.tensor(0.1)),
        (0.1, torch.tensor(0.1), torch.tensor(0.1)),
    ],
    ids=["map", "list", "expanded", "directions", "both", "array", "number"],
)
def test_weights_of_independent_channels(lam: MapsLike, vertical: torch.Tensor, horizontal: torch.Tensor) -> None:
    y = draw()
    both = torch.stack([part.expand(1, 3, 6, 5)[0] for part in (vertical, horizontal)], dim=1)  # (channels, 2, ...)
    expected = torch.cat([tv_denoise(y[:, c : c + 1], both[c : c + 1]) for c in range(3)], dim=1)
    torch.testing.assert_close(tv_denoise(y, lam, channels="independent"), expected, atol=1e-6, rtol=0)


def test_two_channels_and_two_directions_are_told_apart() -> None:
    y, lam = draw(2), torch.tensor([0.02, 0.3]).view(1, 2, 1, 1)
    with pytest.raises(ValueError, match=r"could mean channels or directions.*\[lam\] is one map per channel"):
        tv_denoise(y, lam, channels="independent")
    by_channel = tv_denoise(y, [lam], channels="independent")
    by_direction = tv_denoise(y, [lam[:, :1], lam[:, 1:]], channels="independent")
    torch.testing.assert_close(by_channel[:, 1:], tv_denoise(y[:, 1:], 0.3), atol=1e-6, rtol=0)
    torch.testing.assert_close(by_direction[:, 1:], tv_denoise(y[:, 1:], lam), atol=1e-6, rtol=0)


def test_coupled_channels_are_those_of_the_cone_program() -> None:
    y, lam = draw(), 0.02 + 0.1 * draw(1, seed=2)
    expected = Clarabel(IsotropicTV(channels=3), tol=1e-11)(y, lam).denoised
    torch.testing.assert_close(tv_denoise(y, lam, channels="coupled"), expected, atol=1e-5, rtol=0)


def test_equal_channels_are_a_gray_image_of_a_smaller_weight() -> None:
    """1/2 3 |u - g|^2 + lam sqrt(3) |Du| is three times the gray objective with lam / sqrt(3)."""
    gray = draw(1)
    expected = Admm(IsotropicTV(), tol=1e-10, max_iter=20000, dtype="float64")(
        gray, torch.full_like(gray, 0.1 / 3**0.5)
    )
    found = tv_denoise(gray.expand(-1, 3, -1, -1), 0.1, tol=1e-10, channels="coupled")
    torch.testing.assert_close(found, expected.denoised.expand(-1, 3, -1, -1), atol=1e-6, rtol=0)


def test_a_rotation_of_the_colours_goes_through_only_where_they_are_coupled() -> None:
    y = draw()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)).Q
    for channels, expected in (("coupled", True), ("independent", False)):
        turned = tv_denoise(torch.einsum("ij,bjhw->bihw", turn, y), 0.1, 1e-10, channels=channels)
        back = torch.einsum("ji,bjhw->bihw", turn, turned)
        assert torch.allclose(back, tv_denoise(y, 0.1, 1e-10, channels=channels), atol=1e-5) == expected


def test_a_gray_image_may_be_called_coupled_which_is_isotropic() -> None:
    y = draw(1)
    expected = Clarabel(IsotropicTV(), tol=1e-11)(y, torch.full_like(y, 0.1)).denoised
    torch.testing.assert_close(tv_denoise(y, 0.1, channels="coupled"), expected, atol=1e-5, rtol=0)
    assert torch.equal(tv_denoise(y, 0.1, channels="independent"), tv_denoise(y, 0.1))


def test_a_complex_image_is_two_coupled_channels() -> None:
    y, lam = complex_images(), 0.1 * draw(1, seed=2)
    parts = tv_denoise(torch.cat([y.real, y.imag], dim=1), lam, channels="coupled")
    found = tv_denoise(y, lam)
    assert torch.equal(found, torch.complex(parts[:, :1], parts[:, 1:]))
    assert torch.equal(tv_denoise(y, lam, channels="independent"), found)
    phase = cmath.exp(0.7j)
    torch.testing.assert_close(tv_denoise(phase * y, lam, 1e-10), phase * tv_denoise(y, lam, 1e-10), atol=1e-6, rtol=0)
    assert tv_denoise(y.to(torch.complex64), lam).dtype == torch.complex64


def test_complex_channels_by_themselves_or_together() -> None:
    y, lam = complex_images(2), torch.tensor([0.05, 0.2]).view(1, 2, 1, 1)
    with pytest.raises(ValueError, match=r'channels="independent".*channels="coupled"'):
        tv_denoise(y, 0.1)
    alone = tv_denoise(y, lam, channels="independent")
    for channel, weight in enumerate((0.05, 0.2)):
        torch.testing.assert_close(alone[:, channel], tv_denoise(y[:, [channel]], weight)[:, 0], atol=1e-6, rtol=0)
    four = tv_denoise(torch.view_as_real(y).movedim(-1, 2).flatten(1, 2), 0.1, channels="coupled")
    together = torch.view_as_real(tv_denoise(y, 0.1, channels="coupled")).movedim(-1, 2).flatten(1, 2)
    assert torch.equal(together, four)


def test_the_gradient_of_a_complex_image_is_that_of_its_parts() -> None:
    y, target = complex_images(), complex_images().flip(-1)
    lam = 0.05 + 0.05 * draw(1, seed=2)

    def loss(image: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return (tv_denoise(image, weights, 1e-11) - target).abs().square().sum()

    leaves = y.clone().requires_grad_(), lam.clone().requires_grad_()
    loss(*leaves).backward()
    step = 1e-5
    moves = complex_images().roll(1, -1), draw(1, seed=4)
    for index in range(2):
        shift = [step * move * (place == index) for place, move in enumerate(moves)]
        slope = (loss(y + shift[0], lam + shift[1]) - loss(y - shift[0], lam - shift[1])) / (2 * step)
        gradient = leaves[index].grad
        assert gradient is not None
        # torch: the gradient of a real loss is dL/d(real) + i dL/d(imaginary).
        assert (gradient.conj() * moves[index]).real.sum().item() == pytest.approx(slope.item(), rel=1e-3)


def test_coupled_channels_that_do_not_converge_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functional, "COUPLED_MAX_ITER", 5)
    with pytest.warns(RuntimeWarning, match="tv_denoise stopped after 5 iterations at a relative duality gap of"):
        tv_denoise(draw(), 0.1, channels="coupled")


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize(
    ("lam", "channels", "message"),
    [
        (0.1, None, r'noisy has 3 channels.*channels="independent".*channels="coupled"'),
        (0.1, "rgb", 'channels must be "independent", "coupled" or None, got \'rgb\''),
        (PER_CHANNEL, "coupled", r"lam must be a number, .* or have shape \(2, 1, 6, 5\), .*got shape \(1, 3, 1, 1\)"),
        ([0.1, 0.1], "coupled", "one weight per image, 1 of them; got 2"),
        (torch.zeros(2, 4, 6, 5), "independent", r"per direction, \(2, 2, 6, 5\) or, with a map per channel"),
        ([0.1, 0.1, 0.1], "independent", "one weight per direction, 1 or 2 of them; got 3"),
        (-0.1, "coupled", "lam must be >= 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(lam: MapsLike, channels: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tv_denoise(draw(), lam, channels=channels)  # type: ignore[arg-type]
