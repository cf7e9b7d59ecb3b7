import math

import pytest
import torch

from difftv.noise import add_noise, noise_std


def test_sigma_is_in_8_bit_units() -> None:
    clean = torch.full((1, 1, 256, 256), 0.5)
    noise = add_noise(clean, 25, seed=0) - clean
    assert noise.std().item() == pytest.approx(25 / 255, rel=0.02)
    assert abs(noise.mean().item()) < 0.002


def test_the_draw_depends_on_the_seed_alone_and_scales_with_sigma() -> None:
    clean = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    before = torch.get_rng_state()
    small, large = add_noise(clean, 15, seed=3) - clean, add_noise(clean, 45, seed=3) - clean
    torch.testing.assert_close(3 * small, large, atol=1e-6, rtol=1e-4)
    assert not torch.equal(add_noise(clean, 15, seed=4) - clean, small)
    assert torch.equal(torch.get_rng_state(), before)


def test_noise_leaves_the_range_unless_clipped() -> None:
    clean = torch.zeros(1, 1, 16, 16)
    assert add_noise(clean, 25, seed=0).min() < 0
    clipped = add_noise(clean, 25, seed=0, clip=True)
    assert clipped.min() == 0
    assert clipped.max() > 0


@pytest.mark.parametrize("sigma", [0, -1, math.nan, math.inf, "25", True, None])
def test_a_sigma_that_is_no_noise_level_is_refused(sigma) -> None:
    with pytest.raises(Exception, match=r"sigma must be a positive number in 8-bit units|type"):
        noise_std(sigma)
