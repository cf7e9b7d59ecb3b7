from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from difftv.lab.baselines import nonlocal_means, search_per_image, search_per_set
from difftv.lab.data import EvaluationPatches, open_images
from difftv.metrics import psnr
from difftv.regularizers import AnisotropicTV
from difftv.solvers import Clarabel


@pytest.fixture
def items(tmp_path: Path) -> EvaluationPatches:
    """A smooth ramp, which wants much smoothing, and a checkerboard, which wants little."""
    ramp = np.linspace(40, 200, 144).reshape(12, 12)
    board = 255.0 * ((np.indices((12, 12)) // 2).sum(0) % 2)
    for name, image in (("board", board), ("ramp", ramp)):
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / f"{name}.png")
    return EvaluationPatches(open_images(sorted(tmp_path.glob("*.png")), None), patch_size=12, sigma=25)


def mean_psnr(solver: Clarabel, items: EvaluationPatches, lam: float) -> float:
    noisy, clean = (torch.cat([getattr(item, name) for item in items]) for name in ("noisy", "clean"))
    return psnr(solver(noisy, torch.full_like(noisy, lam)).denoised, clean).mean().item()


def test_the_search_finds_what_a_dense_scan_finds(items: EvaluationPatches) -> None:
    solver = Clarabel(AnisotropicTV())
    found = search_per_set(solver, items, batch_size=2)
    scan = [mean_psnr(solver, items, lam) for lam in np.geomspace(0.005, 0.5, 60)]
    assert found.psnr[0] >= max(scan) - 0.02
    assert found.psnr[0] == pytest.approx(mean_psnr(solver, items, found.values[0][0]), abs=1e-4)
    lams, scores = zip(*found.curve[0], strict=True)
    assert list(lams) == sorted(lams)
    assert max(scores) == found.psnr[0]


def test_the_oracle_is_at_least_as_good_on_every_image_and_knows_them_apart(items: EvaluationPatches) -> None:
    solver = Clarabel(AnisotropicTV())
    common = search_per_set(solver, items, batch_size=2)
    oracle = search_per_image(solver, items, batch_size=1, start=common.values[0])
    for item, best in zip(items, oracle.psnr, strict=True):
        denoised = solver(item.noisy, torch.full_like(item.noisy, common.values[0][0])).denoised
        assert best >= psnr(denoised, item.clean).item() - 0.02
    board, ramp = (lam for (lam,) in oracle.values)
    assert ramp > 2 * board


def test_the_grid_grows_past_its_ends(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 128, np.uint8)).save(tmp_path / "flat.png")
    images = open_images([tmp_path / "flat.png"], None)
    solver = Clarabel(AnisotropicTV())
    strong = search_per_set(solver, EvaluationPatches(images, patch_size=8, sigma=200), batch_size=1)
    assert max(lam for lam, _ in strong.curve[0]) > 0.65
    weak = search_per_set(solver, EvaluationPatches(images, patch_size=8, sigma=0.05), batch_size=1)
    assert weak.values[0][0] <= weak.curve[0][-1][0]


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (2, 60)])
def test_non_local_means_of_an_image_of_few_rows(size: tuple[int, int]) -> None:
    noisy = 0.5 + 0.1 * torch.randn(2, 1, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    denoised = nonlocal_means(noisy, 25)
    assert denoised.shape == noisy.shape
    torch.testing.assert_close(nonlocal_means(noisy.mT, 25), denoised.mT)
    if noisy[0].numel() > 1:
        assert (denoised - 0.5).square().mean() < 0.5 * (noisy - 0.5).square().mean()
