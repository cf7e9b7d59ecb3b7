"""`denoise_tv` and `tv_denoise` of signals and volumes, beside scikit-image's n-D function run to the end."""

import numpy as np
import pytest
import torch
from skimage.restoration import denoise_tv_chambolle

from difftv import AnisotropicTV, Exact, denoise_tv, tv_denoise
from difftv.regularizers import BY_NAME

pytestmark = pytest.mark.usefixtures("jaxtyping_off")


def noisy(shape, seed=0):
    return np.random.default_rng(seed).random(shape)


@pytest.mark.parametrize("shape", [(30,), (6, 5, 7)])
def test_it_is_what_scikit_image_gives_when_it_is_run_to_the_end(shape):
    expected = denoise_tv_chambolle(noisy(shape), 0.1, eps=0.0, max_num_iter=5000)
    np.testing.assert_allclose(denoise_tv(noisy(shape), 0.1), expected, rtol=0, atol=1e-4)


def test_channels_of_a_volume_are_denoised_each_by_itself():
    volume = noisy((5, 2, 6, 7))
    found = denoise_tv(volume, 0.1, channel_axis=1, regularizer="anisotropic")
    for channel in range(2):
        alone = denoise_tv(volume[:, channel], 0.1, regularizer="anisotropic")
        assert np.array_equal(found[:, channel], alone)


@pytest.mark.parametrize("shape", [(30,), (5, 6, 7)])
def test_spacing_divides_the_differences(shape):
    spacing = (2.0, 0.5, 1.5)[: len(shape)]
    found = denoise_tv(noisy(shape), 0.1, spacing=spacing, regularizer="anisotropic")
    weights = [0.1 / length for length in spacing]
    expected = denoise_tv(noisy(shape), weights, regularizer="anisotropic")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    tensor = torch.from_numpy(noisy(shape))[None, None]
    np.testing.assert_allclose(tv_denoise(tensor, 0.1, spacing=spacing)[0, 0], expected, rtol=0, atol=1e-12)


def test_a_thin_volume_is_a_volume_where_its_spacing_says_so():
    volume = noisy((3, 8, 7))
    with pytest.raises(ValueError, match="3 planes or a colour image"):
        denoise_tv(volume)
    expected = Exact(AnisotropicTV(axes=3))(torch.from_numpy(volume)[None, None], torch.full((1, 1, 3, 8, 7), 0.1))
    found = denoise_tv(volume, 0.1, spacing=1, regularizer="anisotropic")
    np.testing.assert_allclose(found, expected.denoised[0, 0], rtol=0, atol=1e-7)


@pytest.mark.parametrize("regularizer", [name for name in BY_NAME if name not in ("eight_neighbour", "filters")])
def test_every_regularizer_smooths_a_volume(regularizer):
    volume = noisy((4, 5, 6))
    spread = [denoise_tv(volume, weight, regularizer=regularizer, tol=1e-4).std() for weight in (0.02, 0.2)]
    assert volume.std() > spread[0] > spread[1]


@pytest.mark.parametrize("axes", [1, 3])
def test_every_way_to_give_the_weights_of_a_tensor(axes):
    space = (3, 4, 5)[:axes]
    y = torch.from_numpy(noisy((2, 1, *space)))
    expected = tv_denoise(y, 0.1)
    for lam in (
        torch.full(space, 0.1, dtype=torch.float64),
        torch.full((2, 1, *space), 0.1, dtype=torch.float64),
        torch.full((1, axes, *space), 0.1, dtype=torch.float64),
        [0.1] * axes,
        torch.full((2, 1, *[1] * axes), 0.1, dtype=torch.float64),
    ):
        torch.testing.assert_close(tv_denoise(y, lam), expected, rtol=0, atol=1e-8)


def test_coupled_and_complex_volumes():
    y = torch.from_numpy(noisy((1, 2, 3, 4, 5)))
    coupled = tv_denoise(y, 0.1, channels="coupled", tol=1e-6)
    both = tv_denoise(torch.complex(y[:, :1], y[:, 1:]), 0.1, tol=1e-6)
    torch.testing.assert_close(torch.cat([both.real, both.imag], dim=1), coupled, rtol=0, atol=1e-9)
    weighted = tv_denoise(y, 0.1, channels="coupled", tol=1e-6, data_weight=torch.ones(3, 4, 5, dtype=torch.float64))
    torch.testing.assert_close(weighted, coupled, rtol=0, atol=1e-4)


def test_a_long_signal_is_exact():
    """Its minimiser has the means that the optimality condition asks for, and its gap is that of rounding."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(1, 1, 20000, generator=generator, dtype=torch.float64).cumsum(-1) / 30
    solution = Exact(AnisotropicTV(axes=1))(y, torch.full_like(y, 2.0))
    assert bool(solution.converged.all())
    assert float(solution.gap) < 1e-15
    # The dual variable is the cumulative sum of the residual: within its bounds, and at them where u jumps.
    dual = (y - solution.denoised)[0, 0].cumsum(0)
    jumps = solution.denoised[0, 0].diff()
    assert float(dual.abs().max()) <= 2.0 + 1e-9
    torch.testing.assert_close(dual[:-1][jumps != 0], -2.0 * jumps[jumps != 0].sign(), rtol=0, atol=1e-8)
