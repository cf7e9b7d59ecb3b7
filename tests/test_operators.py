import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from difftv.linear.gradient import divergence, gradient

sizes = st.integers(1, 7)


@given(sizes, sizes, st.integers(0, 10_000))
def test_divergence_is_the_negative_adjoint_of_the_gradient(height: int, width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(2, 1, height, width, generator=generator, dtype=torch.float64)
    p = torch.randn(2, 2, height, width, generator=generator, dtype=torch.float64)
    torch.testing.assert_close((gradient(u) * p).sum(), -(u * divergence(p)).sum())


def test_forward_differences_stand_at_their_first_pixel_and_vanish_past_the_border() -> None:
    u = torch.tensor([[1.0, 2.0], [4.0, 8.0]]).view(1, 1, 2, 2)
    vertical, horizontal = gradient(u)[0]
    assert vertical.tolist() == [[3.0, 6.0], [0.0, 0.0]]
    assert horizontal.tolist() == [[1.0, 0.0], [4.0, 0.0]]


def test_what_lies_past_the_border_does_not_reach_the_divergence() -> None:
    p = torch.zeros(1, 2, 3, 4)
    p[:, 0, -1, :], p[:, 1, :, -1] = 5.0, 5.0
    assert divergence(p).abs().max() == 0


def test_every_channel_is_differentiated_by_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    p = torch.randn(2, 6, 5, 4, generator=generator, dtype=torch.float64)
    for channel in range(3):
        one = slice(channel, channel + 1)
        assert torch.equal(gradient(u)[:, channel::3], gradient(u[:, one]))
        assert torch.equal(divergence(p)[:, one], divergence(p[:, channel::3]))
    torch.testing.assert_close((gradient(u) * p).sum(), -(u * divergence(p)).sum())
    with pytest.raises(ValueError, match=r"2 \* channels, height, width\), got \(2, 5, 5, 4\)"):
        divergence(p[:, :5])
