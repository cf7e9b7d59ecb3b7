"""The picture of the README, docs/images/strip.png: one photograph through the best scalar and the shipped model."""

from pathlib import Path

import numpy as np
import skimage.data
import torch

from difftv import Admm, Denoiser, IsotropicTV
from difftv.lab.figures import comparison_strip, save_figure
from difftv.metrics import psnr
from difftv.noise import add_noise

SIGMA, ROW, COLUMN, SIDE = 25, 64, 128, 256
CANDIDATES = np.geomspace(0.04, 0.12, 12)


def main() -> None:
    window = skimage.data.camera()[ROW : ROW + SIDE, COLUMN : COLUMN + SIDE]
    clean = torch.from_numpy(window.copy()).float()[None, None] / 255
    noisy = add_noise(clean, SIGMA, seed=0)
    solver = Admm(IsotropicTV())
    solved = {lam: solver(noisy, torch.full_like(noisy, float(lam))).denoised for lam in CANDIDATES}
    best = max(solved, key=lambda lam: float(psnr(solved[lam], clean)))
    denoiser = Denoiser.pretrained("gray")
    with torch.no_grad():
        solution = denoiser(noisy, sigma=SIGMA)
    names = denoiser.solver.regularizer.map_names
    figure = comparison_strip(
        clean,
        noisy,
        solution.denoised,
        solved[best],
        solution.lam,
        names=names,
        title=f"sigma {SIGMA}: best scalar TV, shipped model",
        baseline_numbers={"lam": float(best)},
    )
    save_figure(figure, Path(__file__).with_name("strip.png"))


if __name__ == "__main__":
    main()
