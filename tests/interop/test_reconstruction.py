"""`tv_reconstruct`: the objective it says, arrays and tensors, and what is refused."""

import numpy as np
import pytest
import torch

from difftv import Admm, HuberTV, IsotropicTV, denoise_tv, tv_reconstruct
from difftv.linear import Convolution, Fourier, Mask, Matrix, from_callables
from tests.linear.forward_operators import HEIGHT, OPERATORS, WIDTH

KERNEL = torch.tensor([[0.0, 0.1, 0.0], [0.1, 0.6, 0.1], [0.0, 0.1, 0.0]], dtype=torch.float64)
BLUR = Convolution(KERNEL, "symmetric")


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((HEIGHT, WIDTH))


def blurred() -> np.ndarray:
    return BLUR.apply(torch.from_numpy(image())[None, None])[0, 0].numpy()


def test_the_objective_is_the_one_it_says() -> None:
    y, lam = blurred(), 0.01 + 0.05 * image(1)
    found = tv_reconstruct(y, BLUR, lam, regularizer="huber", tol=1e-9, max_iter=20000, return_solution=True)
    assert found.converged
    assert found.gap < 1e-6
    u = torch.from_numpy(found.denoised)[None, None].requires_grad_()
    value = (BLUR.apply(u) - torch.from_numpy(y)).square().sum() / 2
    value = value + HuberTV().value(u, torch.from_numpy(lam)[None, None]).sum()
    assert torch.autograd.grad(value, u)[0].abs().max() < 1e-6


def test_the_identity_is_denoising() -> None:
    one, y = from_callables(lambda x: x, lambda r: r), image()
    found = tv_reconstruct(y, one, 0.1, tol=1e-9, bounds=(0.2, 0.7))
    np.testing.assert_allclose(found, denoise_tv(y, 0.1, bounds=(0.2, 0.7)), atol=1e-6)


@pytest.mark.parametrize("kind", ["array", "tensor"])
@pytest.mark.parametrize("single", [False, True])
def test_arrays_and_tensors_real_and_complex(kind: str, single: bool) -> None:
    real, mask = np.float32 if single else np.float64, np.ones((HEIGHT, WIDTH))
    mask[:, 2] = 0
    y = mask * np.fft.fft2(image(), norm="ortho")
    y = y.astype(np.complex64 if single else np.complex128)
    given = torch.from_numpy(y) if kind == "tensor" else y
    found = tv_reconstruct(given, Fourier(torch.from_numpy(mask)), 0.01, tol=1e-6)
    assert isinstance(found, torch.Tensor if kind == "tensor" else np.ndarray)
    assert found.shape == (HEIGHT, WIDTH)
    found = np.asarray(found)
    assert found.dtype == real
    expected = Admm(IsotropicTV(), tol=1e-8, dtype="float64", max_iter=20000)(
        torch.from_numpy(y)[None, None].to(torch.complex128),
        torch.full((1, 1, HEIGHT, WIDTH), 0.01, dtype=torch.float64),
        operator=Fourier(torch.from_numpy(mask)),
    )
    np.testing.assert_allclose(found, expected.denoised[0, 0].numpy(), atol=1e-4)


def test_coils_complex_images_and_a_list_of_weights() -> None:
    operator = OPERATORS["Fourier, coils"][0]()
    y = operator.apply(torch.from_numpy(np.stack([image(), image(1)]))[None])[0].numpy()
    assert tv_reconstruct(y, operator, 0.05).shape == (2, HEIGHT, WIDTH)
    assert tv_reconstruct(blurred(), BLUR, [0.05, 0.01], regularizer="anisotropic").shape == (HEIGHT, WIDTH)


def test_missing_measurements_and_weights() -> None:
    known = image(2) < 0.6
    one = from_callables(lambda x: x, lambda r: r)
    found = tv_reconstruct(np.where(known, image(), np.nan), one, 0.05, data_weight=known, tol=1e-8, max_iter=20000)
    expected = tv_reconstruct(known * image(), Mask(torch.from_numpy(known)), 0.05, tol=1e-8, max_iter=20000)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_tomography_has_data_of_its_own_shape() -> None:
    operator = OPERATORS["tomography"][0]()
    assert isinstance(operator, Matrix)
    sinogram = operator.apply(torch.from_numpy(image())[None, None])[0].numpy()
    assert sinogram.shape == (1, 5, 9)
    a, b = (tv_reconstruct(y, operator, 0.05) for y in (sinogram, sinogram[0]))
    np.testing.assert_array_equal(a, b)


def test_a_batch_goes_in_as_the_operator_gives_it() -> None:
    images = torch.from_numpy(np.stack([image(), image(1)]))[:, None]
    found = tv_reconstruct(BLUR.apply(images), BLUR, 0.05, tol=1e-7, return_solution=True)
    assert found.denoised.shape == images.shape
    assert found.converged
    for one, y in zip(found.denoised, BLUR.apply(images), strict=True):
        alone = tv_reconstruct(y, BLUR, 0.05, tol=1e-7)
        torch.testing.assert_close(one[0], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("space", [(40,), (5, 6, 7)])
def test_signals_and_volumes(space: tuple[int, ...]) -> None:
    clean = np.random.default_rng(0).random(space)
    known = np.random.default_rng(1).random(space) < 0.6
    operator, axes = Mask(torch.from_numpy(known)), len(space)
    found = tv_reconstruct(known * clean, operator, 0.05, axes=axes, tol=1e-7)
    expected = denoise_tv(known * clean, 0.05, data_weight=known)
    np.testing.assert_allclose(found[known], expected[known], atol=1e-4)  # elsewhere a signal has many minimisers
    with pytest.raises(ValueError, match=r"axes must be 1 \(signals\), 2 \(images\) or 3 \(volumes\), got 4"):
        tv_reconstruct(known * clean, operator, 0.05, axes=4)


def test_a_bar_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    tv_reconstruct(blurred(), BLUR, 0.05)
    assert capsys.readouterr().err == ""
    tv_reconstruct(blurred(), BLUR, 0.05, progress=True)
    assert "100%" in capsys.readouterr().err


def test_wrong_arguments() -> None:
    y = blurred()
    with pytest.warns(RuntimeWarning, match="stopped after 2 iterations at a relative duality gap of"):
        tv_reconstruct(y, BLUR, 0.05, max_iter=2)
    with pytest.raises(ValueError, match=r"y of shape \(3, 4\) does not fit the operator: y, or y\[None\] where"):
        tv_reconstruct(y[:3, :4], Mask(torch.ones(HEIGHT, WIDTH)), 0.05)
    with pytest.raises(ValueError, match="y holds NaN"):
        tv_reconstruct(y * np.nan, BLUR, 0.05)
    with pytest.raises(ValueError, match="weight must be finite and >= 0 everywhere"):
        tv_reconstruct(y, BLUR, -1.0)
    with pytest.raises(ValueError, match="y requires a gradient"):
        tv_reconstruct(torch.from_numpy(y).requires_grad_(), BLUR, 0.05)
    with pytest.raises(ValueError, match=r"data_weight must broadcast to the shape of y, \(1, 7, 6\)"):
        tv_reconstruct(y, BLUR, 0.05, data_weight=np.ones((2, 2)))
    with pytest.raises(TypeError, match="must be linear with an adjoint"):
        tv_reconstruct(y, np.eye(3), 0.05)
    with pytest.raises(ValueError, match=r"do not fit: .* is \d\.\d\de"):
        tv_reconstruct(y, (BLUR.apply, lambda r: 2 * BLUR.adjoint(r)), 0.05)
