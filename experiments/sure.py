"""The weight that SURE chooses beside the best constant one: a table over a folder of clean images.

python experiments/sure.py path/to/Set12 [--sigma 15 25 50]

Anisotropic total variation, solved exactly. PSNR is of the image before rounding; the best weight of every image is
searched with its clean image in hand. "Solves" is the processor time of search and final solve over that of the latter.
"""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from difftv.lab.cli.command import command
from difftv.lab.data.base import image_files
from difftv.lab.imagefiles import read_image
from difftv.metrics import psnr
from difftv.noise import add_noise
from difftv.regularizers import AnisotropicTV
from difftv.solvers import Exact
from difftv.sure import choose_weight, constant_maps


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="directory of clean gray images")
    parser.add_argument("--sigma", type=float, nargs="+", default=[15, 25, 50], help="noise levels in 8-bit units")
    options = parser.parse_args(arguments)
    paths = image_files(options.images)
    if not paths:
        parser.error(f"{options.images} holds no image")
    print("| sigma | best weight | SURE, noise known | SURE, noise estimated | worst image | solves |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for sigma in options.sigma:
        rows = np.array([_row(path, sigma, index) for index, path in enumerate(paths)])
        best, known, estimated, solves = rows.mean(axis=0)
        worst = (rows[:, 0] - rows[:, 1]).max()
        print(
            f"| {sigma:g} | {best:.2f} | {known:.2f} | {estimated:.2f} | -{max(worst, 0):.2f} | {solves:.1f} |",
            flush=True,
        )
    return 0


def _row(path: Path, sigma: float, seed: int) -> tuple[float, float, float, float]:
    image = read_image(path)
    clean = torch.from_numpy(image.channels[:1] / image.full_scale)[None]
    noisy, regularizer = add_noise(clean, sigma, seed=seed), AnisotropicTV()
    solver = Exact(regularizer)

    def score(lam: float | Tensor) -> float:
        maps = constant_maps(regularizer, torch.as_tensor(lam, dtype=noisy.dtype).reshape(1), noisy)
        return float(psnr(solver(noisy, maps).denoised, clean))

    tried = {lam: score(lam) for lam in np.geomspace(0.3, 1.3, 10) * sigma / 255}
    middle = max(tried, key=tried.__getitem__)
    best = max(*tried.values(), *(score(factor * middle) for factor in (0.92, 1.08)))
    started = time.process_time()
    found = choose_weight(noisy, regularizer, sigma / 255)
    searched = time.process_time()
    known = score(found.lam)
    solved = time.process_time()
    estimated = score(choose_weight(noisy, regularizer).lam)
    return best, known, estimated, (solved - started) / (solved - searched)


if __name__ == "__main__":
    sys.exit(main())
