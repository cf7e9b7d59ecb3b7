"""Linear operators of mrpro as forward operators: the dot test, our own Fourier operator, and what is refused."""

import copy
import warnings

import pytest
import torch

from difftv.errors import MissingDependencyError
from difftv.linear import Fourier, dot_test, first_look

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what mrpro and its own dependencies warn of when they are imported
    try:
        from difftv.interop.mrpro import operator
    except MissingDependencyError as error:
        pytest.skip(str(error), allow_module_level=True)
    from mrpro.operators import FastFourierOp, FiniteDifferenceOp, LinearOperatorMatrix, SensitivityOp

pytestmark = [pytest.mark.usefixtures("jaxtyping_off"), pytest.mark.filterwarnings("ignore:::mrpro")]

HEIGHT, WIDTH = 8, 6


def _coils() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, 1, HEIGHT, WIDTH, generator=generator, dtype=torch.complex128)


def images(channels: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, channels, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("coils", [False, True])
def test_the_adjoint_fits_and_a_batch_is_a_loop(channels: int, coils: bool) -> None:
    op = FastFourierOp(dim=(-2, -1))
    A, x = operator(op @ SensitivityOp(_coils()) if coils else op, channels), images(channels)
    assert dot_test(A, tuple(x.shape)) < 1e-13
    y = A.apply(x)
    assert y.shape == (2, 3 if coils else 1, 1, HEIGHT, WIDTH)
    part = A.select(torch.tensor([1]), 2)
    torch.testing.assert_close(part.apply(x[1:]), y[1:])
    torch.testing.assert_close(part.adjoint(y[1:]), A.adjoint(y)[1:])
    assert first_look(A, y).shape == x.shape
    torch.testing.assert_close(copy.deepcopy(A).apply(x), y)


def test_the_same_measurements_as_our_own_operator_up_to_the_shift() -> None:
    x, coils = images(), _coils()
    theirs = operator(FastFourierOp(dim=(-2, -1)) @ SensitivityOp(coils)).apply(x)[:, :, 0]
    centre = {"dim": (-2, -1)}
    ours = Fourier(torch.ones(HEIGHT, WIDTH), torch.fft.ifftshift(coils[:, :, 0], **centre), channels=2)
    found = torch.fft.fftshift(ours.apply(torch.fft.ifftshift(x, **centre)), **centre)
    torch.testing.assert_close(theirs, found)


def test_parameters_that_it_holds_are_found() -> None:
    sensitivities = SensitivityOp(torch.nn.Parameter(_coils()))
    A = operator(FastFourierOp(dim=(-2, -1)) @ sensitivities)
    A.apply(images()).abs().square().sum().backward()
    found = [parameter for parameter in A.parameters() if parameter.requires_grad]
    assert len(found) == 1
    assert float(found[0].grad.abs().max()) > 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(TypeError, match=r"op must be a mrpro\.operators\.LinearOperator, got builtins\.int"):
        operator(3)
    with pytest.raises(TypeError, match="LinearOperatorMatrix"):
        operator(LinearOperatorMatrix(((FastFourierOp(),),)))
    with pytest.raises(ValueError, match="channels must be 1"):
        operator(FastFourierOp(), channels=3)
    with pytest.raises(ValueError, match=r"images must have shape \(batch, 2, height, width\)"):
        operator(FastFourierOp()).apply(images(1))
    with pytest.raises(ValueError, match="one entry per image along the first axis"):
        operator(FiniteDifferenceOp(dim=(-2, -1, -3))).apply(images())
