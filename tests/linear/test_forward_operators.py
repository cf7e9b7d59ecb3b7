"""Every forward operator is linear, has its adjoint, follows precision and copies, and treats a batch as a loop."""

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from torch import Tensor, nn

from difftv.lab.forward import Deblurring, Measured
from difftv.lab.forward.base import joined
from difftv.linear import Convolution, Fourier, Mask, Matrix, as_operator, dot_test, first_look, from_callables
from difftv.linear.forward import mean_gram
from tests.linear.forward_operators import HEIGHT, OPERATORS, WIDTH, kernel

EACH = pytest.mark.parametrize("name", OPERATORS)


def images(name: str, batch: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, OPERATORS[name][1], HEIGHT, WIDTH, generator=generator, dtype=torch.float64).to(dtype)


@EACH
def test_linear(name: str) -> None:
    operator, x, z = OPERATORS[name][0](), images(name), images(name, seed=1)
    torch.testing.assert_close(operator.apply(2 * x - 3 * z), 2 * operator.apply(x) - 3 * operator.apply(z))
    assert torch.equal(operator(x), operator.apply(x))


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adjoint(name: str, dtype: torch.dtype) -> None:
    operator, x = OPERATORS[name][0](), images(name, dtype=dtype)
    assert dot_test(operator, tuple(x.shape), like=x) < 50 * torch.finfo(dtype).eps
    back = operator.adjoint(operator.apply(x))
    assert back.dtype == dtype
    assert back.shape == x.shape


@EACH
def test_a_batch_is_a_loop_and_a_selection_is_a_part(name: str) -> None:
    operator, x = OPERATORS[name][0](), images(name)
    whole = operator.apply(x)
    for index in (torch.tensor([1]), torch.tensor([0]), torch.tensor([1, 0])):
        one = operator.select(index, len(x))
        torch.testing.assert_close(one.apply(x[index]), whole[index])
        torch.testing.assert_close(one.adjoint(whole[index]), operator.adjoint(whole)[index])


@EACH
def test_copies(name: str) -> None:
    operator, x = OPERATORS[name][0](), images(name)
    copies = [copy.deepcopy(operator)]
    if name != "callables":  # functions without a name cannot be pickled
        copies.append(pickle.loads(pickle.dumps(operator)))
    for other in copies:
        assert torch.equal(other.apply(x), operator.apply(x))


@EACH
def test_trace_and_first_look(name: str) -> None:
    operator, x = OPERATORS[name][0](), images(name)
    pixels = x[0].numel()
    every = torch.eye(pixels, dtype=torch.float64).reshape(pixels, *x.shape[1:])
    part = operator.select(torch.zeros(pixels, dtype=torch.int64), len(x))
    if name != "callables":
        columns = part.apply(every)
        trace = float(columns.abs().square().sum()) / pixels
        assert 0.5 * trace < float(mean_gram(operator, x)[0]) < 2 * trace
    if isinstance(operator, Convolution):
        return
    data = operator.apply(x)
    look = first_look(operator, data)
    again = operator.apply(look)
    # The best multiple of A* y: what is left is orthogonal to it.
    left = ((data - again) * again.conj()).flatten(1).sum(1).real
    torch.testing.assert_close(left, torch.zeros_like(left), atol=1e-9, rtol=0)


@pytest.mark.parametrize("boundary", ["circular", "symmetric", "valid"])
def test_the_first_look_at_a_blurred_image_is_sharper_than_the_image(boundary: str) -> None:
    rows, columns = torch.meshgrid(torch.arange(60.0), torch.arange(48.0), indexing="ij")
    clean = (((rows - 30) ** 2 + (columns - 20) ** 2 < 150) | (columns > 36)).float()[None, None]
    operator = Convolution(torch.full((1, 7), 1 / 7), boundary)
    data = operator.apply(clean)
    data = data + 0.01 * torch.randn(data.shape, generator=torch.Generator().manual_seed(0))
    look, back = first_look(operator, data), operator.adjoint(data)
    assert look.shape == clean.shape
    assert float((look - clean).square().mean()) < 0.7 * float((back - clean).square().mean())
    # A multiple of the data is looked at alike, and so is a batch.
    torch.testing.assert_close(first_look(operator, torch.cat([4 * data, data]))[:1], 4 * look)


def test_the_first_look_at_a_circular_blur_solves_its_equation() -> None:
    operator, x = Convolution(kernel()), images("mask", batch=1)
    data = operator.apply(x) + 0.1 * images("mask", batch=1, seed=1)
    look = first_look(operator, data)
    pulled = operator.adjoint(data - operator.apply(look))
    smooth = sum(2 * look - look.roll(1, axis) - look.roll(-1, axis) for axis in (-2, -1))
    c = (pulled * smooth).sum() / smooth.square().sum()
    torch.testing.assert_close(pulled, c * smooth)
    assert 1e-7 < float(c) < 1.01
    # A kernel of sum 0 says nothing of the mean.
    edges = Convolution(torch.tensor([[1.0, 0.0, -1.0]]))
    assert bool(first_look(edges, edges.apply(x.float())).isfinite().all())


def test_gram_of_a_symmetric_blur_is_its_symbol() -> None:
    operator, x = Convolution(kernel(symmetric=True), "symmetric"), images("mask")
    symbol = operator.cosine_symbol(HEIGHT, WIDTH)
    gram = operator.adjoint(operator.apply(x))
    spectrum, expected = (dctn(part.numpy(), axes=(-2, -1), norm="ortho") for part in (x, gram))
    np.testing.assert_allclose(symbol.numpy() * spectrum, expected, atol=1e-13)
    assert Convolution(kernel(), "symmetric").cosine_symbol(HEIGHT, WIDTH) is None
    assert Convolution(kernel(symmetric=True), "circular").cosine_symbol(HEIGHT, WIDTH) is None


def test_convolution_is_a_convolution_at_the_centre() -> None:
    weights = kernel()
    impulse = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    impulse[..., 4, 4] = 1.0
    for boundary in ("circular", "symmetric"):
        torch.testing.assert_close(Convolution(weights, boundary).apply(impulse)[0, 0, 3:6, 2:7], weights)
    assert Convolution(weights, "valid").apply(impulse).shape == (1, 1, 7, 5)


@pytest.mark.parametrize("boundary", ["circular", "symmetric", "valid"])
def test_kernels_per_image(boundary: str) -> None:
    kernels, x = [kernel(), kernel().flip(0, 1)], images("mask")
    both = Convolution(torch.stack(kernels)[:, None], boundary)
    alone = [Convolution(each, boundary) for each in kernels]
    torch.testing.assert_close(both.apply(x), torch.cat([one.apply(x[[at]]) for at, one in enumerate(alone)]))
    data = both.apply(x)
    looks = torch.cat([first_look(one, data[[at]]) for at, one in enumerate(alone)])
    torch.testing.assert_close(first_look(both, data), looks)
    if boundary == "circular":
        symbols = [one.fourier_symbol(HEIGHT, WIDTH) for one in alone]
        torch.testing.assert_close(both.fourier_symbol(HEIGHT, WIDTH), torch.cat(symbols))
    with pytest.raises(ValueError, match="kernel is for 2 images, got 3"):
        both.apply(torch.cat([x, x[:1]]))
    with pytest.raises(ValueError, match=r"both odd, or \(batch, 1, height, width\)"):
        Convolution(kernel().expand(2, 3, 3, 5), boundary)


def test_a_circular_kernel_may_be_larger_than_the_image() -> None:
    large, x = torch.rand(9, 11, generator=torch.Generator().manual_seed(3), dtype=torch.float64), images("mask")
    shifts = [(m, n) for m in range(9) for n in range(11)]
    expected = sum(large[m, n] * x.roll((m - 4, n - 5), (-2, -1)) for m, n in shifts)
    torch.testing.assert_close(Convolution(large).apply(x), expected)


def test_measurements_of_several_blurred_images_are_those_of_a_batch() -> None:
    clean, forward = images("mask").float(), Deblurring("motion", [2, 4], 5)
    parts = [forward.corrupt(clean[[at]], 2.0, operator_seed=at, noise_seed=at)[1] for at in range(2)]
    both = joined([part for part in parts if part is not None])
    assert isinstance(both.operator, Convolution)
    for at, part in enumerate(parts):
        assert part is not None
        torch.testing.assert_close(both.operator.apply(clean)[[at]], part.operator.apply(clean[[at]]))
    others = [
        Deblurring("motion", 3, 5, boundary).operator((HEIGHT * 2, 12), np.random.default_rng(0))
        for boundary in ("circular", "symmetric")
    ]
    mixed = joined([Measured(torch.zeros(1, 1, 14, 12), each) for each in others])
    assert not isinstance(mixed.operator, Convolution)


@pytest.mark.parametrize("wrong", [1.01, -1.0, 0.0])
def test_an_adjoint_that_does_not_fit_is_refused_with_the_number(wrong: float) -> None:
    operator = from_callables(lambda x: 3 * x, lambda y: 3 * wrong * y)
    with pytest.raises(ValueError, match=r"do not fit: .* is \d\.\d\de[-+]\d\d"):
        dot_test(operator, (2, 1, 64, 64), like=torch.zeros(0, dtype=torch.float32))


def test_parameters_are_trained_and_found() -> None:
    operator = Convolution(nn.Parameter(kernel()))
    assert [name for name, _ in operator.named_parameters()] == ["kernel"]
    operator.apply(images("mask")).square().sum().backward()
    assert operator.kernel.grad.abs().max() > 0
    assert list(nn.Sequential(operator).apply(lambda module: None).parameters())


class Physics:
    """The interface of deepinv."""

    def A(self, x: Tensor) -> Tensor:
        return 2 * x

    def A_adjoint(self, y: Tensor) -> Tensor:
        return 2 * y


class Tuples:
    """The interface of mrpro."""

    def __call__(self, x: Tensor) -> tuple[Tensor]:
        return (2 * x,)

    def adjoint(self, y: Tensor) -> tuple[Tensor]:
        return (2 * y,)


class Transposed:
    """The interface of tomosipo."""

    def __call__(self, x: Tensor) -> Tensor:
        return 2 * x

    @property
    def T(self) -> "Transposed":
        return self


@pytest.mark.parametrize("given", [Physics(), Tuples(), Transposed(), (Physics().A, Physics().A_adjoint)])
def test_operators_of_other_libraries(given: object) -> None:
    operator, x = as_operator(given), images("mask")
    assert torch.equal(operator.adjoint(operator.apply(x)), 4 * x)
    assert dot_test(operator, tuple(x.shape)) < 1e-14


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match=r"must be linear with an adjoint, got builtins\.int"):
        as_operator(3)
    with pytest.raises(ValueError, match="both odd"):
        Convolution(torch.ones(2, 3))
    with pytest.raises(ValueError, match="boundary must be one of"):
        Convolution(torch.ones(3, 3), "zero")
    with pytest.raises(ValueError, match="mask holds NaN"):
        Mask(torch.full((2, 2), torch.nan))
    with pytest.raises(ValueError, match=r"matrix must be \(4, 6\)"):
        Matrix(np.ones((5, 6)), (2, 3), (4,))
    with pytest.raises(ValueError, match=r"images must have shape \(batch, 1, 4, 4\)"):
        Fourier(torch.ones(4, 4)).apply(torch.zeros(1, 1, 4, 5))
    with pytest.raises(ValueError, match="at least as large as the kernel"):
        Convolution(torch.ones(5, 5), "valid").apply(torch.zeros(1, 1, 4, 4))


def test_a_matrix_that_is_loaded_is_the_one_that_multiplies() -> None:
    one, other = (Matrix(np.random.default_rng(seed).random((3, 4)), (2, 2), (3,)) for seed in (0, 1))
    x = torch.rand(1, 1, 2, 2, dtype=torch.float64)
    before = one.apply(x)
    one.load_state_dict(other.state_dict())
    assert not torch.equal(before, one.apply(x))
    torch.testing.assert_close(one.apply(x), other.apply(x))
    torch.testing.assert_close(copy.deepcopy(one).float().apply(x), one.apply(x), rtol=1e-6, atol=0)
