"""A solve behind a forward operator: the minimiser, its certificate, and its gradient in every argument."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from difftv import TGV, Admm, AnisotropicTV, Auto, Exact, FilterBank, HuberTV, IsotropicTV
from difftv.linear import Convolution, ForwardOperator, Fourier, Mask, Matrix, from_callables
from difftv.maps import shared
from difftv.regularizers import BY_NAME, Regularizer
from difftv.solvers import Clarabel, Solution
from difftv.solvers._admm import reconstruction
from difftv.solvers._admm.cosine_step import CosineStep
from difftv.solvers._admm.fourier_step import FourierStep
from difftv.solvers._admm.gradient_step import ConjugateGradientStep
from difftv.solvers._admm.splitting import Splitting
from tests.linear.forward_operators import HEIGHT, OPERATORS, WIDTH, kernel

EACH = pytest.mark.parametrize("name", OPERATORS)

USUAL = ("mask per image", "valid blur", "Fourier, complex", "Fourier, coils", "tomography")
MANY = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in USUAL else pytest.mark.slow) for name in OPERATORS]
)
"""The others take as long, and share their code with these."""


def solver(regularizer: Regularizer, tol: float = 1e-10) -> Admm:
    return Admm(regularizer, tol=tol, max_iter=20000, dtype=torch.float64)


def regularizer_of(name: str, bounds: tuple[float, float] | None = None) -> Regularizer:
    return HuberTV(delta=0.02, channels=OPERATORS[name][1], bounds=bounds)


def given(name: str, batch: int = 2) -> tuple[Tensor, Tensor]:
    """Measurements and maps."""
    operator, channels = OPERATORS[name][0](), OPERATORS[name][1]
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(2, channels, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
    y = operator.apply(x)
    y = y + 0.05 * torch.randn(y.shape, generator=generator, dtype=torch.float64)
    return y[:batch], 0.02 + 0.03 * torch.rand(batch, 1, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)


@EACH
def test_optimality_and_gap(name: str) -> None:
    operator, (y, maps) = OPERATORS[name][0](), given(name)
    solution = solver(regularizer_of(name))(y, maps, operator=operator)
    assert solution.converged.all()
    assert solution.gap.max() < 1e-6
    # Huber's function is smooth: the objective has a gradient, which is 0.
    u = solution.denoised.clone().requires_grad_()
    left = (operator.apply(u) - y).abs().square().sum() / 2 + regularizer_of(name).value(u, maps).sum()
    assert torch.autograd.grad(left, u)[0].abs().max() < 1e-6


@MANY
def test_a_batch_is_a_loop(name: str) -> None:
    operator, (y, maps) = OPERATORS[name][0](), given(name)
    whole = solver(regularizer_of(name))(y, maps, operator=operator)
    for index in range(2):
        one = torch.tensor([index])
        found = solver(regularizer_of(name))(y[one], maps[one], operator=operator.select(one, 2))
        torch.testing.assert_close(found.denoised, whole.denoised[one], atol=1e-9, rtol=0)
        # Rounding may cost some looks more.
        assert abs(int(found.iterations) - int(whole.iterations[index])) <= 10 + 0.05 * int(found.iterations)


def directional(loss, value: Tensor, direction: Tensor, step: float = 1e-5) -> float:
    with torch.no_grad():
        return float(loss(value + step * direction) - loss(value - step * direction)) / (2 * step)


def arguments(name: str, bounds: tuple[float, float] | None):
    """Values of y, maps and weights, a loss of them, and a direction for each."""
    operator, (y, maps) = OPERATORS[name][0](), given(name)
    generator = torch.Generator().manual_seed(6)
    weight = 0.5 + torch.rand(y.shape, generator=generator, dtype=torch.float64)
    target = torch.rand(2, OPERATORS[name][1], HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
    values = {"y": y, "maps": maps, "weight": weight}

    def loss(**changed: Tensor) -> Tensor:
        now = {**values, **changed}
        found = solver(regularizer_of(name, bounds))(now["y"], now["maps"], now["weight"], operator=operator)
        return (target * found.denoised).sum()

    directions = {
        key: torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value.dtype)
        for key, value in values.items()
    }
    return values, loss, directions


def derivative(leaf: Tensor, direction: Tensor) -> float:
    assert leaf.grad is not None
    return float((leaf.grad.conj() * direction).real.sum() if leaf.is_complex() else (leaf.grad * direction).sum())


@MANY
def test_gradient_in_measurements_maps_and_weights_together(name: str) -> None:
    values, loss, directions = arguments(name, None)
    leaves = {key: value.clone().requires_grad_() for key, value in values.items()}
    loss(**leaves).backward()
    with torch.no_grad():
        ahead, behind = (
            loss(**{key: values[key] + step * directions[key] for key in values}) for step in (1e-5, -1e-5)
        )
    found = sum(derivative(leaves[key], directions[key]) for key in values)
    assert found == pytest.approx(float(ahead - behind) / 2e-5, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "bounds"),
    [(name, None) for name in OPERATORS] + [(name, (0.2, 0.6)) for name in ("mask", "valid blur", "Fourier, complex")],
)
def test_gradients_in_measurements_maps_and_weights(name: str, bounds: tuple[float, float] | None) -> None:
    values, loss, directions = arguments(name, bounds)
    leaves = {key: value.clone().requires_grad_() for key, value in values.items()}
    loss(**leaves).backward()
    for key, leaf in leaves.items():
        expected = directional(lambda value, key=key: loss(**{key: value}), values[key], directions[key])
        assert derivative(leaf, directions[key]) == pytest.approx(expected, rel=1e-4), key


@pytest.mark.parametrize(
    "boundary",
    [pytest.param(name, marks=pytest.mark.slow) for name in ("circular", "symmetric")] + ["valid"],
)
def test_gradient_in_a_kernel(boundary: str) -> None:
    y, maps = given({"circular": "circular blur", "symmetric": "symmetric blur", "valid": "valid blur"}[boundary])

    def loss(weights: Tensor) -> Tensor:
        found = solver(HuberTV(delta=0.02))(y, maps, operator=Convolution(weights, boundary))
        return found.denoised.square().sum()

    weights = nn.Parameter(kernel())
    loss(weights).backward()
    direction = torch.randn(weights.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    assert float((weights.grad * direction).sum()) == pytest.approx(directional(loss, kernel(), direction), rel=1e-4)


def test_an_image_that_is_not_determined_stays_finite() -> None:
    """Frequency 0 is not measured: neither the data nor the regularizer sees the mean."""
    mask = torch.ones(HEIGHT, WIDTH, dtype=torch.float64)
    mask[0, 0] = 0.0
    image = torch.rand(1, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y, maps = Fourier(mask).apply(image), given("mask", 1)[1]
    y.requires_grad_()
    found = Admm(IsotropicTV(), max_iter=3000, dtype=torch.float64)(y, maps, operator=Fourier(mask)).denoised
    (found - found.mean()).square().sum().backward()
    assert found.isfinite().all()
    assert torch.view_as_real(y.grad).isfinite().all()


def test_gradient_in_coil_maps() -> None:
    y, maps = given("Fourier, coils")
    start = OPERATORS["Fourier, coils"][0]()

    def loss(coils: Tensor) -> Tensor:
        found = solver(HuberTV(delta=0.02, channels=2))(y, maps, operator=Fourier(start.mask, coils, channels=2))
        return found.denoised.square().sum()

    coils = nn.Parameter(start.coil_maps.clone())
    loss(coils).backward()
    direction = torch.randn(coils.shape, generator=torch.Generator().manual_seed(7), dtype=torch.complex128)
    expected = directional(loss, start.coil_maps, direction)
    assert float((coils.grad.conj() * direction).real.sum()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "regularizer",
    [AnisotropicTV(2), IsotropicTV(), pytest.param(TGV(delta=(0.02, 0.01)), marks=pytest.mark.slow)],
    ids=lambda kind: kind.name,
)
def test_the_identity_is_denoising(regularizer: Regularizer) -> None:
    generator = torch.Generator().manual_seed(8)
    y = 50 * torch.rand(2, 1, HEIGHT, WIDTH, generator=generator, dtype=torch.float64) + 100
    maps = 3 * torch.rand(2, regularizer.num_maps, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
    weight = torch.rand(y.shape, generator=generator, dtype=torch.float64) + 0.1
    operator = from_callables(lambda x: x, lambda r: r)
    for data_weight in (None, weight):
        expected = solver(regularizer)(y, maps, data_weight)
        found = solver(regularizer)(y, maps, data_weight, operator=operator)
        torch.testing.assert_close(found.denoised, expected.denoised, atol=1e-5, rtol=0)


def test_missing_measurements_may_be_nan_and_are_what_a_mask_says() -> None:
    y, maps = given("mask")
    known = torch.rand(y.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64) < 0.6
    one = from_callables(lambda x: x, lambda r: r)
    found = solver(IsotropicTV())(y.where(known, torch.tensor(torch.nan)), maps, known.double(), operator=one)
    masked = solver(IsotropicTV())(known * y, maps, operator=Mask(known.double()))
    torch.testing.assert_close(found.denoised, masked.denoised, atol=1e-7, rtol=0)


@pytest.mark.parametrize("space", [(9,), (4, 3, 5)], ids=["signal", "volume"])
def test_signals_and_volumes(space: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(11)
    x = torch.rand(2, 1, *space, generator=generator, dtype=torch.float64)
    maps = 0.1 * torch.rand(2, 1, *space, generator=generator, dtype=torch.float64)
    known = (torch.rand(x.shape, generator=generator) < 0.7).double()
    operator = from_callables(lambda u: 2 * known * u, lambda r: 2 * known * r)
    regularizer = HuberTV(delta=0.02, axes=len(space))
    u = solver(regularizer)(operator.apply(x), maps, operator=operator).denoised.requires_grad_()
    value = (operator.apply(u) - operator.apply(x)).square().sum() / 2 + regularizer.value(u, maps).sum()
    assert torch.autograd.grad(value, u)[0].abs().max() < 1e-6


def test_units() -> None:
    y, maps = given("Fourier, real", 1)
    operator = OPERATORS["Fourier, real"][0]()
    expected = solver(IsotropicTV(), 1e-9)(y, maps, operator=operator).denoised
    for factor in (1000.0, 1e-4):
        found = solver(IsotropicTV(), 1e-9)(factor * y, factor * maps, operator=operator).denoised
        torch.testing.assert_close(found / factor, expected, atol=1e-7, rtol=0)
        scaled = from_callables(lambda x, f=factor: f * operator.apply(x), lambda r, f=factor: f * operator.adjoint(r))
        found = solver(IsotropicTV(), 1e-9)(factor * y, factor**2 * maps, operator=scaled).denoised
        torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)


def test_float32_is_near_float64() -> None:
    operator, (y, maps) = OPERATORS["Fourier, real"][0](), given("Fourier, real")
    expected = solver(IsotropicTV(), 1e-9)(y, maps, operator=operator).denoised
    found = Auto(IsotropicTV())(y.to(torch.complex64), maps.float(), operator=operator)
    assert found.converged.all()
    assert found.denoised.dtype == torch.float32
    torch.testing.assert_close(found.denoised.double(), expected, atol=1e-3, rtol=0)


def test_a_backward_that_has_not_converged_says_so() -> None:
    operator, (y, maps) = OPERATORS["valid blur"][0](), given("valid blur")
    found: Solution = Admm(IsotropicTV(), max_iter=3)(y, maps.requires_grad_(), operator=operator)
    assert not found.converged.any()
    with pytest.warns(RuntimeWarning, match=r"gradient of image\(s\) \[0, 1\] of the batch has not converged in 3"):
        found.denoised.sum().backward()


def test_wrong_arguments() -> None:
    operator, (y, maps) = OPERATORS["valid blur"][0](), given("valid blur")
    admm = solver(IsotropicTV())
    with pytest.raises(ValueError, match=r"shape of operator\.apply of images \(2, 1, 7, 6\), \(2, 1, 5, 2\) \(real\)"):
        admm(torch.zeros(2, 1, 7, 6), maps, operator=operator)
    with pytest.raises(ValueError, match="noisy holds NaN"):
        admm(y * torch.nan, maps, operator=operator)
    with pytest.raises(ValueError, match="lam must be >= 0"):
        admm(y, -maps, operator=operator)
    with pytest.raises(ValueError, match=r"lam must have shape \(2, 1, height, width\)"):
        admm(y, maps[:1], operator=operator)
    with pytest.raises(ValueError, match=r"shape of the measurements, \(2, 1, 5, 2\)"):
        admm(y, maps, maps, operator=operator)
    with pytest.raises(ValueError, match=r"do not fit: .* is \d\.\d\de"):
        admm(y, maps, operator=(operator.apply, lambda r: 1.1 * operator.adjoint(r)))
    with pytest.raises(TypeError, match="must be linear with an adjoint"):
        admm(y, maps, operator=3)
    for kind in (Exact, Clarabel):
        with pytest.raises(ValueError, match=r"anisotropic behind an operator: it has no forward operator\. .*: admm"):
            kind(AnisotropicTV())(y, maps, operator=operator)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # cvxpylayers' own path
def test_agreement_with_cvxpy_layer() -> None:
    """The same A as a matrix in a cone program: minimiser and gradients.

    Anisotropic: at second-order cones the layer's own gradient is off, by 0.5 % in y and by half in the maps on this
    problem, where ours is within 1e-7 of central differences.
    """
    cp = pytest.importorskip("cvxpy")
    layers = pytest.importorskip("cvxpylayers.torch")
    height, width, generator = 9, 8, torch.Generator().manual_seed(3)
    matrix = np.random.default_rng(0).standard_normal((40, height * width)) / 6
    y = torch.rand(1, 40, generator=generator, dtype=torch.float64)
    maps = 0.02 + 0.05 * torch.rand(1, 1, height, width, generator=generator, dtype=torch.float64)
    target = torch.rand(height * width, generator=generator, dtype=torch.float64)
    differences = AnisotropicTV().terms[0].operator.matrix(height, width)
    u, data, weight = cp.Variable(height * width), cp.Parameter(40), cp.Parameter(height * width, nonneg=True)
    half = height * width
    lengths = cp.abs(differences[:half] @ u) + cp.abs(differences[half:] @ u)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(matrix @ u - data) / 2 + weight @ lengths))
    layer = layers.CvxpyLayer(problem, parameters=[data, weight], variables=[u])
    theirs = [y[0].clone().requires_grad_(), maps.flatten().clone().requires_grad_()]
    (expected,) = layer(*theirs, solver_args={"eps": 1e-10, "max_iters": 100000})
    (target * expected).sum().backward()
    ours = [y.clone().requires_grad_(), maps.clone().requires_grad_()]
    found = solver(AnisotropicTV())(*ours, operator=Matrix(matrix, (height, width), (40,))).denoised
    (target * found.flatten()).sum().backward()
    torch.testing.assert_close(found.flatten(), expected, atol=1e-5, rtol=0)
    for mine, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad.flatten(), their.grad, atol=1e-3 * float(their.grad.abs().max()), rtol=0)


def _unknown(operator: ForwardOperator) -> ForwardOperator:
    """The same operator, which says nothing of itself: conjugate gradients."""
    return from_callables(operator.apply, operator.adjoint)


DIAGONAL = {
    "circular blur": (FourierStep, ["huber", "tgv", "eight_neighbour"]),
    "Fourier, real": (FourierStep, ["huber", "tv_tv2"]),
    "Fourier, complex": (FourierStep, ["huber", "tgv"]),
    "symmetric blur, symmetric kernel": (CosineStep, ["huber", "tgv", "filters"]),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=() if kind == "huber" else pytest.mark.slow)
        for name, (_, kinds) in DIAGONAL.items()
        for kind in kinds
    ],
)
def test_steps_in_the_fourier_and_in_the_cosine_basis_find_the_same(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minimiser, certificate and gradients of the conjugate gradients, with the border of the image where it is."""
    operator, channels = OPERATORS[name][0](), OPERATORS[name][1]
    regularizer = BY_NAME[kind](**({"channels": channels} if channels > 1 else {}))
    y, maps = given(name)
    maps = shared(regularizer, maps)
    weight = 0.5 + torch.rand(y.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    weights = [None, weight] if name.startswith("Fourier") else [None]
    taken = []
    monkeypatch.setattr(reconstruction, "Splitting", lambda *parts: taken.append(type(parts[-1])) or Splitting(*parts))
    for data_weight in weights:
        found = []
        for one in (operator, _unknown(operator)):
            leaves = [y.clone().requires_grad_(), maps.clone().requires_grad_()]
            solution = solver(regularizer, 1e-9)(*leaves, data_weight, operator=one)
            solution.denoised.square().sum().backward()
            found.append((solution, leaves))
        (ours, our_leaves), (theirs, their_leaves) = found
        assert taken == [DIAGONAL[name][0], ConjugateGradientStep]
        taken.clear()
        assert ours.converged.all()
        assert ours.gap.max() < 1e-6
        torch.testing.assert_close(ours.denoised, theirs.denoised, atol=1e-6, rtol=0)
        for mine, other in zip(our_leaves, their_leaves, strict=True):
            torch.testing.assert_close(mine.grad, other.grad, atol=1e-4 * float(other.grad.abs().max()), rtol=0)


@pytest.mark.parametrize("num_maps", [1, 8])
def test_filters_behind_a_fourier_operator_are_periodic(num_maps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The closed step is taken, the certificate is that of the periodic problem, and shifts of the image are shifts."""
    operator, (y, maps) = OPERATORS["Fourier, real"][0](), given("Fourier, real")
    regularizer = FilterBank(num_maps=num_maps)
    maps = maps.expand(-1, num_maps, -1, -1).contiguous()
    taken = []
    monkeypatch.setattr(reconstruction, "Splitting", lambda *parts: taken.append(type(parts[-1])) or Splitting(*parts))
    found = solver(regularizer, 1e-9)(y, maps, operator=operator)
    assert taken == [FourierStep]
    assert found.converged.all()
    assert found.gap.max() < 1e-6
    shift = (2, -1)
    moved = operator.mask * torch.fft.fft2(torch.fft.ifft2(y).roll(shift, (-2, -1)))
    again = solver(regularizer, 1e-9)(moved, maps.roll(shift, (-2, -1)), operator=operator)
    torch.testing.assert_close(again.denoised, found.denoised.roll(shift, (-2, -1)), atol=1e-6, rtol=0)
    # The objective, differentiated along a direction, is at its least.
    direction = torch.randn(found.denoised.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def objective(u: Tensor) -> Tensor:
        square = (operator.apply(u) - y).abs().square().flatten(1).sum(dim=1)
        return square / 2 + regularizer.periodic().value(u, maps)

    for step in (1e-3, -1e-3):
        assert (objective(found.denoised + step * direction) > objective(found.denoised)).all()


def test_gradients_of_filters_behind_a_fourier_operator() -> None:
    operator, (y, maps) = OPERATORS["Fourier, real"][0](), given("Fourier, real")
    maps = maps.expand(-1, 8, -1, -1).contiguous().requires_grad_()
    generator = torch.Generator().manual_seed(3)
    target = torch.rand(2, 1, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
    direction = torch.randn(maps.shape, generator=generator, dtype=torch.float64)

    def loss(values: Tensor) -> Tensor:
        return (solver(FilterBank(num_maps=8))(y, values, operator=operator).denoised * target).sum()

    loss(maps).backward()
    assert maps.grad is not None
    expected = directional(loss, maps.detach(), direction, 1e-6)
    assert float((maps.grad * direction).sum()) == pytest.approx(expected, rel=1e-4)
