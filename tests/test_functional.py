"""`tv_denoise`: the layer for people who never touch a configuration."""

import pytest
import torch

from difftv.functional import tv_denoise
from difftv.regularizers import AnisotropicTV
from difftv.solvers.taut_string import TautString


def noisy(batch=2, dtype=torch.float64, height=9, width=8):
    return torch.rand(batch, 1, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(
        dtype
    )


@pytest.mark.parametrize(
    "lam",
    [
        0.1,
        1,
        torch.tensor(0.1),
        torch.full((1, 1, 1, 1), 0.1),
        torch.full((2, 1, 1, 1), 0.1),
        torch.full((9, 8), 0.1),
        torch.full((2, 1, 9, 8), 0.1),
        torch.full((2, 1, 1), 0.1),
        torch.full((2, 2, 9, 8), 0.1),
    ],
    ids=lambda lam: str(tuple(lam.shape)) if isinstance(lam, torch.Tensor) else repr(lam),
)
def test_every_way_to_give_a_weight_is_the_full_map(lam):
    y = noisy()
    full = torch.full((2, 1, 9, 8), float(torch.as_tensor(lam).flatten()[0]), dtype=torch.float64)
    expected = TautString(AnisotropicTV())(y, full).denoised
    torch.testing.assert_close(tv_denoise(y, lam), expected, rtol=0, atol=1e-7)


def test_two_channels_weigh_the_two_directions():
    y = noisy()
    lam = torch.zeros(2, 2, 9, 8, dtype=torch.float64)
    lam[:, 0] = float("inf")
    torch.testing.assert_close(tv_denoise(y, lam), y.mean(dim=2, keepdim=True).expand_as(y))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_device_and_dtype_come_back_and_so_do_gradients(dtype, device):
    if device != "cpu" and not getattr(torch, device).is_available():
        pytest.skip(f"no {device} device here")
    if device == "mps" and dtype == torch.float64:
        pytest.skip("MPS has no float64")
    y = noisy(dtype=dtype).to(device).requires_grad_()
    lam = torch.full((2, 1, 9, 8), 0.1, dtype=dtype, device=device, requires_grad=True)
    u = tv_denoise(y, lam, tol=1e-9)
    assert (u.dtype, u.device, u.shape) == (y.dtype, y.device, y.shape)
    u.square().sum().backward()
    assert y.grad.dtype == lam.grad.dtype == dtype
    assert lam.grad.abs().max() > 0
    torch.testing.assert_close(u.double().cpu(), tv_denoise(noisy(), 0.1, tol=1e-9), rtol=0, atol=1e-6)


def test_a_scalar_weight_gets_the_slope_of_the_loss():
    y = noisy()
    lam = torch.tensor(0.13, dtype=torch.float64, requires_grad=True)
    tv_denoise(y, lam, tol=1e-13).square().sum().backward()
    step = 1e-7
    above, below = (tv_denoise(y, float(lam.detach()) + move, tol=1e-13).square().sum() for move in (step, -step))
    assert float(lam.grad) == pytest.approx(float(above - below) / (2 * step), rel=1e-6)


def test_a_looser_tolerance_takes_a_less_exact_answer():
    y = noisy(height=40, width=40)
    exact = tv_denoise(y, 0.2, tol=1e-13)
    loose = tv_denoise(y, 0.2, tol=1e-2)
    assert (loose - exact).abs().max() > 1e-6
    assert (loose - exact).square().sum() <= 1e-2 * (y - y.mean(dim=(2, 3), keepdim=True)).square().sum()


@pytest.mark.parametrize(
    ("lam", "message"),
    [
        (-0.1, "lam must be >= 0"),
        (float("nan"), "lam holds NaN"),
        (torch.zeros(3, 1, 9, 8), r"broadcasts to \(2, 1, 9, 8\)"),
        (torch.zeros(2, 3, 9, 8), r"broadcasts to \(2, 1, 9, 8\)"),
        (torch.zeros(1, 2, 1, 9, 8), "broadcasts"),
    ],
)
def test_a_weight_that_cannot_be_meant_is_refused(lam, message):
    with pytest.raises(ValueError, match=message):
        tv_denoise(noisy(), lam)


@pytest.mark.parametrize("shape", [(9, 8), (1, 9, 8), (2, 3, 9, 8)])
@pytest.mark.usefixtures("jaxtyping_off")
def test_an_image_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"noisy must have shape \(batch, 1, height, width\)"):
        tv_denoise(torch.zeros(shape), 0.1)
