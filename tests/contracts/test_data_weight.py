"""The contract of weights of the pixels, sum_i w_i/2 (u_i - y_i)^2, of every solver that takes them."""

import math

import numpy as np
import pytest
import torch

from difftv import denoise_tv, tv_denoise
from difftv.regularizers import TGV, AnisotropicTV, HuberTV, IsotropicTV, Regularizer, TVpwL
from difftv.solvers import Admm, Auto, Clarabel, Exact, relative_gap
from tests.contracts import pairs

REGULARIZERS: dict[str, Regularizer] = {
    "anisotropic": AnisotropicTV(),
    "isotropic": IsotropicTV(),
    "isotropic, bounds": IsotropicTV(bounds=(0.3, 0.6)),
    "isotropic, 3 channels": IsotropicTV(channels=3),
    "huber": HuberTV(0.02),
    "tvpwl": TVpwL(),
    "tgv": TGV((0.02, 0.01)),
}
QUICK = ("isotropic", "isotropic, bounds", "huber")
SOME = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in REGULARIZERS]
)
"""The others take seconds each, in make test-slow."""


def precise(regularizer: Regularizer) -> Admm:
    return Admm(regularizer, tol=1e-8, max_iter=20000, dtype=torch.float64)


def draw(regularizer: Regularizer, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, maps and weights from 0.1 to 3, with two pixels missing."""
    _, lam = pairs.draw(regularizer, batch=batch)
    generator = torch.Generator().manual_seed(2)
    shape = (batch, regularizer.channels, 6, 5)
    noisy, weight = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    weight = 0.1 + 2.9 * weight
    weight[:, :, 1:3, 2] = 0
    return noisy, 0.4 * lam, weight


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "tgv" else ()) for name in REGULARIZERS]
)
def test_the_minimiser_is_that_of_the_cone_program_and_the_gaps_are_small(name: str) -> None:
    regularizer = REGULARIZERS[name]
    noisy, lam, weight = draw(regularizer, batch=1)
    exact, found = Clarabel(regularizer, tol=1e-10)(noisy, lam, weight), precise(regularizer)(noisy, lam, weight)
    torch.testing.assert_close(found.denoised, exact.denoised, atol=1e-5, rtol=0)
    for solution in (exact, found):
        assert solution.converged.all()
        assert (solution.gap.abs() < 1e-5).all()
    # The weights matter.
    assert (precise(regularizer)(noisy, lam).denoised - found.denoised).abs().max() > 1e-2


@SOME
def test_gradients_match_differences(name: str) -> None:
    regularizer = REGULARIZERS[name]
    solver = Admm(regularizer, tol=1e-8, max_iter=4000, dtype=torch.float64)
    arguments = [part.requires_grad_() for part in draw(regularizer, batch=1)]
    generator = torch.Generator().manual_seed(3)
    towards = torch.randn(arguments[0].shape, generator=generator, dtype=torch.float64)
    (solver(*arguments).denoised * towards).sum().backward()
    step = 1e-4 if regularizer.auxiliary else 1e-5
    # Each argument by itself; for TGV, whose solves are long, all together. A weight of 0 cannot go below.
    for group in ((0, 1, 2),) if regularizer.auxiliary else ((0,), (1,), (2,)):
        directions = [torch.randn(part.shape, generator=generator, dtype=torch.float64) for part in arguments]
        directions[2] *= arguments[2].detach() > 0
        values = []
        for side in (1, -1):
            moved = [
                part.detach() + (side * step * direction if index in group else 0)
                for index, (part, direction) in enumerate(zip(arguments, directions, strict=True))
            ]
            values.append((solver(*moved).denoised * towards).sum())
        expected = (values[0] - values[1]) / (2 * step)
        found = sum((arguments[index].grad * directions[index]).sum() for index in group)
        assert abs(found - expected) < 1e-2 * max(abs(expected), 0.1), group
    assert (arguments[0].grad[arguments[2] == 0] == 0).all()


def test_pixels_of_weight_zero_have_no_gradient() -> None:
    regularizer = IsotropicTV()
    for solver in (Admm(regularizer), Clarabel(regularizer)):
        noisy, lam, weight = (part.requires_grad_() for part in draw(regularizer, batch=1))
        solver(noisy, lam, weight).denoised.square().sum().backward()
        for part in (noisy, weight):
            assert part.grad is not None
            assert part.grad.isfinite().all()
            assert ((part.grad == 0) == (weight == 0)).all()


def test_the_gradient_of_the_cone_program_is_the_same() -> None:
    regularizer = IsotropicTV()
    noisy, lam, weight = draw(regularizer, batch=1)
    weight = (weight + 0.1).requires_grad_()
    towards = torch.randn(noisy.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    gradients = []
    for solver, scale in (
        (precise(regularizer), 1.0),
        (Clarabel(regularizer, tol=1e-11), 1.0),
        (precise(regularizer), 1e3),
    ):
        loss = (solver(scale * noisy, scale * lam, weight).denoised * towards).sum() / scale
        gradients.append(torch.autograd.grad(loss, weight)[0])
    for other in gradients[1:]:
        assert (other - gradients[0]).norm() < 5e-3 * gradients[0].norm()


@SOME
def test_a_constant_weight_divides_the_weights_of_the_terms(name: str) -> None:
    regularizer = REGULARIZERS[name]
    noisy, lam, weight = draw(regularizer)
    divided = lam / 7
    for channel, map_name in enumerate(regularizer.map_names):
        if map_name.startswith("gam"):
            divided[:, channel] = lam[:, channel]
    expected = precise(regularizer)(noisy, divided).denoised
    found = precise(regularizer)(noisy, lam, torch.full_like(weight, 7.0)).denoised
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_units_and_the_scale_of_the_weights_go_through() -> None:
    regularizer = IsotropicTV()
    noisy, lam, weight = draw(regularizer)
    for solver in (precise(regularizer), Clarabel(regularizer)):
        expected = solver(noisy, lam, weight).denoised
        found = solver(1e3 * noisy + 5.0, 1e3 * 1e4 * lam, 1e4 * weight)
        torch.testing.assert_close((found.denoised - 5.0) / 1e3, expected, atol=1e-5, rtol=0)
        assert torch.equal(found.lam, 1e3 * 1e4 * lam)


def test_a_batch_is_a_loop_and_what_stands_at_missing_pixels_does_not_matter() -> None:
    regularizer = IsotropicTV()
    noisy, lam, weight = (part.float() for part in draw(regularizer, batch=3))
    weight[1] = 2.0
    solver = Admm(regularizer)
    together = solver(noisy, lam, weight)
    for index in range(3):
        alone = solver(*(part[index : index + 1] for part in (noisy, lam, weight))).denoised
        torch.testing.assert_close(alone[0], together.denoised[index], atol=2e-5, rtol=0)
    other = solver(torch.where(weight > 0, noisy, torch.full_like(noisy, -1e6)), lam, weight)
    torch.testing.assert_close(other.denoised, together.denoised, atol=1e-6, rtol=0)


@pytest.mark.parametrize("bounds", [None, (0.3, 0.6), (0.3, None)])
def test_the_gap_of_any_pair_bounds_the_distance_to_the_optimum(bounds: tuple[float | None, float | None]) -> None:
    regularizer = IsotropicTV(bounds=bounds)
    noisy, lam, weight = draw(regularizer)
    best = precise(regularizer)(noisy, lam, weight).denoised
    generator = torch.Generator().manual_seed(5)
    low, high = bounds or (None, None)

    def objective(u: torch.Tensor) -> torch.Tensor:
        return 0.5 * (weight * (u - noisy).square()).sum((1, 2, 3)) + regularizer.value(u, lam)

    mean = (weight * noisy).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True)
    scale = objective(mean.clamp(low, high).expand_as(noisy)) if bounds else objective(mean.expand_as(noisy))
    for size in (0.0, 0.03, 0.5):
        u = best + size * torch.randn(best.shape, generator=generator, dtype=torch.float64)
        u = u.clamp(low, high) if bounds else u
        p = torch.randn(2, 2, 6, 5, generator=generator, dtype=torch.float64)
        gap = relative_gap(regularizer, u, p, noisy, lam, weight)
        assert gap.isfinite().all()
        assert (gap * scale >= objective(u) - objective(best) - 1e-10).all()


def test_missing_pixels_are_filled_in() -> None:
    clean = torch.zeros(1, 1, 12, 12, dtype=torch.float64)
    clean[..., 4:] = 1.0
    known = torch.rand(clean.shape, generator=torch.Generator().manual_seed(6)) > 0.4
    assert 0.3 < known.float().mean() < 0.9
    filled = tv_denoise(torch.where(known, clean, 0.5 + 0 * clean), 0.02, tol=1e-5, data_weight=known)
    assert (filled - clean).abs().mean() < 0.03


def test_every_way_to_give_weights_to_tv_denoise() -> None:
    noisy = torch.rand(2, 2, 6, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    map_ = 0.5 + torch.rand(6, 5, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    for channels in ("independent", "coupled"):
        expected = tv_denoise(noisy, 0.05, 1e-5, channels=channels, data_weight=map_.expand(noisy.shape))
        for weight in (map_, map_[None, None]):
            assert torch.equal(tv_denoise(noisy, 0.05, 1e-5, channels=channels, data_weight=weight), expected)
    parts = torch.complex(noisy[:, :1], noisy[:, 1:])
    found = tv_denoise(parts, 0.05, 1e-5, data_weight=map_)
    torch.testing.assert_close(found.real, expected[:, :1], atol=1e-9, rtol=0)
    exact = tv_denoise(noisy, 0.05 / 3, channels="independent")
    found = tv_denoise(noisy, 0.05, 1e-7, channels="independent", data_weight=3.0)
    torch.testing.assert_close(found, exact, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match=r"data_weight must be \(height, width\) or have 4 dimensions"):
        tv_denoise(noisy, 0.05, channels="coupled", data_weight=map_[None])


def test_denoise_tv_takes_weights_and_masks() -> None:
    image = np.random.default_rng(0).random((8, 7))
    known = np.random.default_rng(1).random((8, 7)) > 0.3
    found = denoise_tv(image, 0.05, data_weight=known)
    np.testing.assert_allclose(denoise_tv(np.where(known, image, 9.0), 0.05, data_weight=known * 1.0), found, atol=1e-7)
    np.testing.assert_allclose(denoise_tv(image, 0.05, data_weight=2.0), denoise_tv(image, 0.025), atol=1e-6)
    exact = denoise_tv(image, 0.025, regularizer="anisotropic")
    np.testing.assert_allclose(denoise_tv(image, 0.05, regularizer="anisotropic", data_weight=2.0), exact, atol=1e-6)
    with pytest.raises(ValueError, match=r"data_weight must be finite and >= 0 everywhere \(smaller = smoother\)"):
        denoise_tv(image, 0.05, data_weight=-1.0)
    with pytest.raises(ValueError, match=r"image has masked elements.*data_weight=~image\.mask"):
        denoise_tv(np.ma.masked_less(image, 0.1), 0.05)


def test_solvers_that_do_not_weigh_say_so() -> None:
    noisy, lam, weight = draw(AnisotropicTV())
    with pytest.raises(ValueError, match=r"not weigh pixels\. .*: admm.* constant weight c is the same as lam / c"):
        Exact(AnisotropicTV())(noisy, lam, weight)
    for regularizer in (AnisotropicTV(), IsotropicTV()):
        assert Auto(regularizer)(noisy, draw(regularizer)[1], weight).converged.all()


@pytest.mark.usefixtures("jaxtyping_off")
def test_what_is_no_weight_is_refused() -> None:
    noisy, lam, weight = draw(IsotropicTV())
    solver = Admm(IsotropicTV())
    empty = weight.clone()
    empty[1] = 0
    for wrong, message in (
        (-weight, "data_weight must be finite and >= 0 everywhere"),
        (weight / 0, "data_weight must be finite"),
        (weight * torch.nan, "it holds nan"),
        (weight[..., :-1], r"data_weight must have the shape of noisy, \(2, 1, 6, 5\), got \(2, 1, 6, 4\)"),
        (weight.long(), "data_weight must be floating point"),
        (empty, r"data_weight is 0 at all pixels .* in image\(s\) \[1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            solver(noisy, lam, wrong)
    with pytest.raises(TypeError, match=r"data_weight must be a torch.Tensor, got builtins.float"):
        solver(noisy, lam, 2.0)
    noisy[0, 0, 0, 0] = torch.nan
    with pytest.raises(
        ValueError, match=r"noisy holds NaN .*image\(s\) \[0\] .* at pixels that count.*data_weight 0 \(missing\)"
    ):
        solver(noisy, lam, weight)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e30])
def test_the_value_of_a_missing_pixel_does_not_matter_even_if_it_is_none(value: float) -> None:
    noisy, lam, weight = draw(IsotropicTV())
    weight[0, 0, 1, 2] = weight[1, 0, 5, 4] = 0
    answers, gradients = [], []
    for hidden in (0.5, value):
        images = torch.where(weight > 0, noisy, hidden).requires_grad_()
        answers.append(Admm(IsotropicTV())(images, lam, weight).denoised)
        gradients.append(torch.autograd.grad(answers[-1].square().sum(), images)[0])
    assert torch.equal(*answers)
    assert torch.equal(*gradients)
    assert (gradients[0][weight == 0] == 0).all()
    images = torch.where(weight > 0, noisy, value)
    assert tv_denoise(images, 0.1, data_weight=weight).isfinite().all()
    assert tv_denoise(images.to(torch.complex64), 0.1, data_weight=weight).isfinite().all()
    array = images[0, 0].numpy()
    found = denoise_tv(array, 0.1, data_weight=weight[0, 0].numpy())
    assert np.isfinite(found).all()
    if not math.isfinite(value):
        np.testing.assert_array_equal(
            denoise_tv(array, 0.1, data_weight=np.isfinite(array)),
            denoise_tv(np.nan_to_num(array, posinf=0.0), 0.1, data_weight=np.isfinite(array)),
        )
        with pytest.raises(ValueError, match=r"Give these pixels the weight 0, data_weight=numpy.isfinite\(image\)"):
            denoise_tv(array, 0.1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_a_mask_of_0_and_255_is_said(dtype: type) -> None:
    image = np.random.default_rng(0).random((8, 7))
    mask = (255 * (np.random.default_rng(1).random((8, 7)) > 0.3)).astype(dtype)
    with pytest.warns(RuntimeWarning, match=r"data_weight is 0 and 255, .* known are data_weight > 0"):
        denoise_tv(image, 25.5, data_weight=mask)
    with pytest.warns(RuntimeWarning, match=r"data_weight is 0 and 255"):
        tv_denoise(torch.from_numpy(image)[None, None], 25.5, data_weight=torch.from_numpy(mask))
    denoise_tv(image, 0.1, data_weight=mask > 0)  # a warning would be an error
