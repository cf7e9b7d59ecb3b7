"""Opponent colours: an orthonormal basis of RGB, and differences of each."""

import pytest
import torch

from difftv.linear.differences import ForwardDifferences
from difftv.linear.opponent import OfOpponentColours, from_opponent, opponent_matrix, to_opponent
from difftv.regularizers import TVpwL
from difftv.solvers import Exact


def images(channels: int = 3) -> torch.Tensor:
    return torch.rand(2, channels, 7, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_basis_is_orthonormal_and_the_way_back_its_adjoint() -> None:
    rgb = images()
    matrix = opponent_matrix(rgb)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(from_opponent(to_opponent(rgb)), rgb)
    red, green, blue = rgb.unbind(dim=1)
    expected = [(red + green + blue) / 3**0.5, (red - blue) / 2**0.5, (red - 2 * green + blue) / 6**0.5]
    torch.testing.assert_close(to_opponent(rgb), torch.stack(expected, dim=1))


def test_differences_of_a_gray_image_are_those_of_its_luma() -> None:
    gray = images(1)
    found = OfOpponentColours(ForwardDifferences()).apply(gray.expand(-1, 3, -1, -1))
    torch.testing.assert_close(found[:, :2], 3**0.5 * ForwardDifferences().apply(gray))
    assert found[:, 2:].abs().max() < 1e-12


@pytest.mark.parametrize("num_maps", [6, 12])
def test_the_solution_is_that_of_every_colour_as_a_gray_image(num_maps: int) -> None:
    rgb, generator = images(), torch.Generator().manual_seed(1)
    maps = 0.02 + 0.1 * torch.rand(2, num_maps, 7, 6, generator=generator, dtype=torch.float64)
    solution = Exact(TVpwL(num_maps, channels=3))(rgb, maps)
    gray = Exact(TVpwL(num_maps // 3))
    colours, shares = to_opponent(rgb).split(1, dim=1), maps.split(num_maps // 3, dim=1)
    alone = [gray(colour, share).denoised for colour, share in zip(colours, shares, strict=True)]
    torch.testing.assert_close(to_opponent(solution.denoised), torch.cat(alone, dim=1), rtol=0, atol=1e-12)
    assert solution.gap.shape == solution.converged.shape == (2,)
    assert solution.converged.all()
    shifted = solution.denoised.mean(dim=(2, 3))
    torch.testing.assert_close(shifted, rgb.mean(dim=(2, 3)))


@pytest.mark.parametrize(("num_maps", "channels"), [(4, 3), (12, 1), (4, 2)])
@pytest.mark.usefixtures("jaxtyping_off")
def test_maps_that_do_not_fit_the_channels_are_refused(num_maps: int, channels: int) -> None:
    with pytest.raises(ValueError, match=r"channels must be 1|num_maps must be"):
        TVpwL(num_maps, channels)
