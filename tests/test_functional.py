"""`tv_denoise`: the layer without a configuration."""

import numpy as np
import pytest
import torch

from difftv.functional import tv_denoise
from difftv.regularizers import AnisotropicTV
from difftv.solvers.exact.solver import TautString


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
        torch.full((1,), 0.1),
        torch.full((1, 1, 1), 0.1),
        torch.full((2, 1, 9, 1), 0.1),
        np.full((9, 8), 0.1),
        np.float64(0.1),
        torch.full((2, 2, 9, 8), 0.1),
        [0.1],
        [0.1, 0.1],
        (np.full((9, 8), 0.1), torch.full((2, 1, 1, 1), 0.1)),
    ],
    ids=lambda lam: f"{type(lam).__name__}{tuple(getattr(lam, 'shape', ()))}",
)
def test_every_way_to_give_a_weight_is_the_full_map(lam):
    y = noisy()
    full = torch.full(
        (2, 1, 9, 8),
        float(torch.as_tensor(lam[0] if isinstance(lam, list | tuple) else lam).flatten()[0]),
        dtype=torch.float64,
    )
    expected = TautString(AnisotropicTV())(y, full).denoised
    torch.testing.assert_close(tv_denoise(y, lam), expected, rtol=0, atol=1e-7)


def test_two_channels_weigh_the_two_directions():
    y = noisy()
    lam = torch.zeros(2, 2, 9, 8, dtype=torch.float64)
    lam[:, 0] = float("inf")
    torch.testing.assert_close(tv_denoise(y, lam), y.mean(dim=2, keepdim=True).expand_as(y))
    torch.testing.assert_close(tv_denoise(y, [float("inf"), 0.0]), y.mean(dim=2, keepdim=True).expand_as(y))


def test_a_list_of_maps_is_one_map_per_direction_and_gets_gradients():
    y = noisy()
    maps = [torch.rand(2, 1, 9, 8, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    stacked = torch.cat([one.detach() for one in maps], dim=1).requires_grad_()
    tv_denoise(y, maps).square().sum().backward()
    tv_denoise(y, stacked).square().sum().backward()
    assert torch.equal(torch.cat([one.grad for one in maps], dim=1), stacked.grad)


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
        (torch.zeros(3, 1, 9, 8), r"have shape \(2, 1, 9, 8\).*got shape \(3, 1, 9, 8\)"),
        (torch.zeros(2, 3, 9, 8), r"have shape \(2, 1, 9, 8\)"),
        (torch.zeros(2, 9, 8), r"per direction, \(2, 2, 9, 8\).*got shape \(2, 9, 8\)"),
        (torch.zeros(1, 9, 8), "got shape"),
        (torch.zeros(2, 1, 1), "got shape"),
        (torch.zeros(2), "got shape"),
        (torch.zeros(8), "got shape"),
        (torch.zeros(9, 1), "got shape"),
        (torch.zeros(1, 2, 1, 9, 8), "got shape"),
        ([], "one weight per direction, 1 or 2 of them; got 0"),
        ([0.1, 0.1, 0.1], "one weight per direction, 1 or 2 of them; got 3"),
        ([0.1, -0.1], "lam_h must be >= 0"),
        ([torch.zeros(2, 2, 9, 8)], r"got shape \(2, 2, 9, 8\)"),
        ([torch.zeros(9, 8), torch.zeros(8, 9)], r"got shape \(8, 9\)"),
    ],
)
def test_a_weight_that_cannot_be_meant_is_refused(lam, message):
    with pytest.raises(ValueError, match=message):
        tv_denoise(noisy(), lam)


def test_two_images_and_two_directions_are_told_apart():
    y = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"\(2, 1, 8, 8\).*\(2, 2, 8, 8\).*got shape \(2, 8, 8\)"):
        tv_denoise(y, torch.rand(2, 8, 8))


@pytest.mark.parametrize(("scale", "offset"), [(1e-9, 0.0), (1e9, 0.0), (2.0**-1030, 0.0), (1e300, 0.0), (1.0, 1e6)])
def test_any_unit_gives_the_same_image(scale, offset):
    y = noisy()
    stored = scale * y + offset
    expected = tv_denoise((stored - offset) / scale, 0.1)
    found = (tv_denoise(stored, 0.1 * scale) - offset) / scale
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12 * max(1.0, abs(offset)))


@pytest.mark.parametrize("weight", [0.0, 0.1, float("inf")])
@pytest.mark.parametrize("value", [0.0, 0.3, -7.0, 1e6, 5e-324, 1e300])
def test_a_constant_image_stays(value, weight):
    y = torch.full((1, 1, 9, 8), value, dtype=torch.float64)
    assert torch.equal(tv_denoise(y, weight), y)


def test_no_weight_changes_no_bit_and_an_infinite_one_gives_the_mean_in_any_unit():
    for scale, offset in ((1e-9, 0.0), (1e9, 3.0), (1.0, 1e6), (1e300, 0.0), (5e-324, 0.0)):
        y = scale * noisy() + offset
        assert torch.equal(tv_denoise(y, 0.0), y)
        mean = (y / y.abs().max()).mean((2, 3), keepdim=True) * y.abs().max()
        torch.testing.assert_close(tv_denoise(y, float("inf")), mean.expand_as(y), rtol=1e-12, atol=5e-324)


@pytest.mark.usefixtures("jaxtyping_off")
def test_what_is_not_a_tensor_of_numbers_is_refused_by_name():
    y = noisy()
    with pytest.raises(TypeError, match=r"noisy must be a torch.Tensor, got numpy.ndarray.*from_numpy"):
        tv_denoise(y.numpy(), 0.1)
    with pytest.raises(ValueError, match=r"lam must be a number, .*, got '0.1'"):
        tv_denoise(y, "0.1")
    for lam in (None, True, ["0.1"], {0.1}, [0.1, None]):
        with pytest.raises(TypeError, match="lam must be a number or a tensor"):
            tv_denoise(y, lam)
    with pytest.raises(ValueError, match=r"noisy must be floating point, got torch\.int64"):
        tv_denoise((255 * y).long(), 1)


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_default_device_changes_nothing(device):
    y = noisy()
    expected = tv_denoise(y, 0.1)
    torch.set_default_device(device)
    try:
        found = tv_denoise(y, 0.1), tv_denoise(y, np.full((9, 8), 0.1))
    finally:
        torch.set_default_device(None)
    for one in found:
        assert torch.equal(one, expected)


@pytest.mark.parametrize("shape", [(9, 8), (2, 0, 9, 8), (1, 1, 2, 2, 2, 2)])
@pytest.mark.usefixtures("jaxtyping_off")
def test_an_image_of_another_shape_is_refused(shape):
    with pytest.raises(
        ValueError, match=r"noisy must have shape \(batch, channels, height, width\), .*length\) or .*depth"
    ):
        tv_denoise(torch.zeros(shape), 0.1)
