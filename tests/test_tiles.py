"""Layers of large images in tiles give what they give of the whole image."""

import pytest
import torch

from difftv.predictors import Dilated, Opponent, tiles


@pytest.mark.parametrize("tile", [(4, 16), (100, 9)])
@pytest.mark.parametrize("space", [(29, 33), (3, 20)])
def test_tiles_give_the_maps_of_the_whole_image(
    tile: tuple[int, int], space: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        colour = Opponent(12, width=5, blocks=2, chroma_width=4, sigma_input=True, channels=3).double()
        for part in colour.network.colours:
            part.head.weight.data.normal_()
    noisy = torch.rand(2, 3, *space, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before = noisy.clone()
    whole = colour(noisy, 25.0).detach()
    assert float(whole.std()) > 0.02
    monkeypatch.setattr(tiles, "TILE", tile)
    monkeypatch.setattr(tiles, "LARGE", 1)
    calls = []
    in_tiles = tiles.residual_layers_in_tiles
    monkeypatch.setattr(
        "difftv.predictors.dilated.residual_layers_in_tiles", lambda *given: calls.append(given) or in_tiles(*given)
    )
    with torch.no_grad():
        torch.testing.assert_close(colour(noisy, 25.0), whole, rtol=1e-12, atol=1e-12)
    assert len(calls) == 3
    assert torch.equal(noisy, before)


def test_small_images_mixed_precision_volumes_and_training_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.rand(1, 2, 8, 8)
    with torch.no_grad():
        assert not tiles.tiles_pay(image)
    monkeypatch.setattr(tiles, "LARGE", 1)
    assert not tiles.tiles_pay(image)
    with torch.no_grad():
        assert tiles.tiles_pay(image)
        assert not tiles.tiles_pay(torch.rand(1, 2, 8, 8, 8))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not tiles.tiles_pay(image)


def test_training_takes_the_gradient_of_large_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "LARGE", 1)
    network = Dilated(1, width=4)
    network(torch.rand(1, 1, 9, 9)).sum().backward()
    assert all(
        bool(parameter.grad.any()) for parameter in network.network.head.parameters() if parameter.grad is not None
    )
    assert network.network.head.weight.grad is not None
