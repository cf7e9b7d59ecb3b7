"""Two ways of denoising photon noise with a stored model: the Anscombe transform, and weights; beside one scalar each.

python experiments/photon_noise.py path/to/Set12 [--noise 0.01,0 0.05,10] [--output photon_noise.json]
python experiments/photon_noise.py path/to/Set12 --trained outputs/<sweep>/<run> outputs/<sweep>/<run> --crop 96

A crop from the centre of every image. Transform: `Denoiser(..., stabilise=True)`; weights: `stabilise=False`, which is
1 / variance in the data term, and the network told the standard deviation of every pixel. `--trained` adds two models,
one that was trained for either way (`method.stabilise=true|false`). The scalar is anisotropic
total variation with the best of seven weights for the mean PSNR of these crops. PSNR (dB) is of the images before
rounding.
"""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from difftv.denoiser import Denoiser
from difftv.files import write_atomically
from difftv.lab.baselines import scalar_denoiser
from difftv.lab.cli.command import command
from difftv.lab.cli.noise_level import given_noise
from difftv.lab.data.base import image_files
from difftv.lab.imagefiles import read_image
from difftv.lab.models.place import find_model
from difftv.lab.models.reading import read_model
from difftv.metrics import psnr
from difftv.noise import PoissonGaussian, as_white, noise_std_per_image
from difftv.regularizers import AnisotropicTV
from difftv.solvers import Admm

WAYS = {"transform": True, "weights": False}
TOL = 1e-4
FACTORS = np.geomspace(0.45, 1.2, 7)
"""Weights of the scalar that are tried, over the standard deviation of the noise."""


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="directory of clean gray images")
    parser.add_argument("--model", default="gray-small", help="name of a shipped model, a model file, or a run")
    parser.add_argument(
        "--trained", nargs=2, metavar=("TRANSFORM", "WEIGHTS"), help="models trained for the transform and for weights"
    )
    parser.add_argument("--noise", nargs="+", default=["0.01,0", "0.02,5", "0.05,10"], metavar="GAIN,SIGMA")
    parser.add_argument("--crop", type=int, default=96, help="side of the crops in pixels")
    parser.add_argument("--output", type=Path, help="JSON file of the rows")
    options = parser.parse_args(arguments)
    paths = image_files(options.images)
    if not paths:
        parser.error(f"{options.images} holds no image")
    clean = torch.cat([_crop(path, options.crop) for path in paths])
    name, both = _model(options.model)
    models = {name: dict.fromkeys(WAYS, both)}
    if options.trained:
        trained = [_model(word)[1] for word in options.trained]
        for word, each, stabilise in zip(options.trained, trained, WAYS.values(), strict=True):
            if each.stabilise != stabilise:
                parser.error(f"{word} was trained with method.stabilise={each.stabilise}. --trained TRANSFORM WEIGHTS")
        models["trained for it"] = dict(zip(WAYS, trained, strict=True))
    heads = ["gain", "sigma", "noisy", *(f"{kind}, {way}" for kind in ("scalar", *models) for way in WAYS)]
    print(f"| {' | '.join(heads)} |\n|{' ---: |' * len(heads)}", flush=True)
    rows = []
    for word in options.noise:
        noise = given_noise(word)
        assert isinstance(noise, PoissonGaussian)
        gain, sigma = float(noise.gain), float(noise.sigma)
        row = dict(zip(heads, [gain, sigma, *_row(models, clean, noise)], strict=True))
        rows.append(row)
        print(f"| {gain:g} | {sigma:g} | {' | '.join(f'{row[head]:.2f}' for head in heads[2:])} |", flush=True)
    if options.output:
        document = {"images": [path.name for path in paths], "crop": options.crop, "tol": TOL, "rows": rows}
        write_atomically(options.output, json.dumps(document, indent=1) + "\n")
    return 0


def _model(word: str) -> tuple[str, Denoiser]:
    stored = read_model(find_model(word))
    model = stored.denoiser(Admm(stored.regularizer(), tol=TOL, max_iter=1000))
    assert isinstance(model, Denoiser)
    return stored.name, model


def _crop(path: Path, side: int) -> Tensor:
    image = read_image(path)
    pixels = torch.from_numpy(image.channels[:1] / image.full_scale)[None].float()
    top, left = ((size - side) // 2 for size in pixels.shape[2:])
    return pixels[:, :, top : top + side, left : left + side]


def _by(model: Denoiser, *, stabilise: bool) -> Denoiser:
    return Denoiser(model.predictor, model.solver, model.sigma_range, stabilise, model.looks)


@torch.no_grad()
def _row(models: dict[str, dict[str, Denoiser]], clean: Tensor, noise: PoissonGaussian) -> list[float]:
    noisy = torch.cat([noise.corrupt(one, seed=index) for index, one in enumerate(clean.split(1))])

    def score(denoised: Tensor) -> float:
        return float(psnr(denoised, clean).mean())

    scalar = []
    for stabilise in WAYS.values():
        white = as_white(noisy, noise, stabilise=stabilise)
        level = float(noise_std_per_image(white.sigma, white.images).mean())
        solver = Admm(AnisotropicTV(), tol=TOL, max_iter=1000)
        tried = [scalar_denoiser(solver, [factor * level], stabilise) for factor in FACTORS]
        scalar.append(max(score(one.denoise(noisy, noise).denoised) for one in tried))
    learned = [
        score(_by(model, stabilise=WAYS[way]).denoise(noisy, noise).denoised)
        for ways in models.values()
        for way, model in ways.items()
    ]
    return [score(noisy), *scalar, *learned]


if __name__ == "__main__":
    sys.exit(main())
