"""The filters of a regularizer, by either continuation past the border."""

import numpy as np
import pytest
import torch

from difftv import AnisotropicTV, FilterBank
from difftv.linear.circular import circular, spectrum
from difftv.linear.extension import CIRCULAR, SYMMETRIC
from difftv.linear.filters import CosineFilters
from difftv.linear.per_channel import PerChannel

EACH = pytest.mark.parametrize("boundary", [SYMMETRIC, CIRCULAR])
SHAPES = pytest.mark.parametrize("space", [(7, 6), (3, 5), (2, 3), (1, 4), (1, 1)])
SIZES = pytest.mark.parametrize("size", [3, 5])


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@EACH
@SHAPES
@SIZES
def test_apply_and_adjoint_are_those_of_the_matrix(size: int, space: tuple[int, int], boundary: str) -> None:
    operator = CosineFilters(size, boundary)
    matrix = operator.matrix(*space)
    x, p = drawn(2, 1, *space), drawn(2, operator.components, *space)
    applied, pulled = operator.apply(x), operator.adjoint(p)
    for index in range(2):
        np.testing.assert_allclose(applied[index].flatten(), matrix @ x[index].flatten().numpy(), atol=1e-13)
        np.testing.assert_allclose(pulled[index].flatten(), matrix.T @ p[index].flatten().numpy(), atol=1e-13)


@SIZES
def test_periodic_filters_are_diagonal_in_the_fourier_basis(size: int) -> None:
    operator = CosineFilters(size).periodic
    assert circular(operator) is operator
    assert not operator.has_padding
    x = drawn(1, 1, 12, 11)
    symbol = (np.abs(spectrum(operator, (12, 11))[:, 0]) ** 2).sum(axis=0)
    expected = np.fft.ifft2(symbol * np.fft.fft2(x[0, 0].numpy())).real
    np.testing.assert_allclose(operator.adjoint(operator.apply(x))[0, 0], expected, atol=1e-13)
    # A tight frame together with the mean over the pixels of a filter.
    assert symbol.max() <= 1 + 1e-12
    assert symbol[0, 0] == pytest.approx(0, abs=1e-12)


def test_filters_that_read_the_mirror_image_are_not_periodic_and_differences_stay_what_they_are() -> None:
    assert circular(CosineFilters(3)) is None
    assert AnisotropicTV().periodic() is not None
    regularizer = FilterBank(num_maps=8)
    moved = regularizer.periodic()
    assert [term.operator for term in moved.terms] == [CosineFilters(3, CIRCULAR)]
    assert [term.operator for term in regularizer.terms] == [CosineFilters(3)]
    differences = AnisotropicTV()
    assert differences.periodic() is differences


def test_channels_stay_where_an_operator_is_made_periodic() -> None:
    operator = PerChannel(CosineFilters(3), 2)
    moved = operator.periodic
    assert moved == PerChannel(CosineFilters(3, CIRCULAR), 2)
    assert circular(moved) is moved
    assert PerChannel(AnisotropicTV().terms[0].operator, 2).periodic is None
