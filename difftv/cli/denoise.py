"""Denoise image files, whole and of any size, with the network of a finished run.

difftv-denoise outputs/<sweep>/<run> photograph.png scan.tif      (python experiments/denoise.py in a checkout)
difftv-denoise outputs/<sweep>/<run> noisy/*.png --clean clean/*.png --output denoised

Writes NAME-denoised.SUFFIX in the format and depth of the image (gray or colour, 8 or 16 bit, transparency untouched;
JPEG, which always loses a little, at quality 95) and, with matplotlib, NAME-lam.png, a picture of the regularization
map. The minimisation is solver=taut_string, exact, whatever the run was trained with. An RGB image is denoised as luma
and two chroma channels, each with a map of its own: that scores more than a decibel better than R, G and B on their own
(difftv/colour.py).

A run knows one noise level, the sigma it was trained with (8-bit units, white Gaussian noise, the same in every
colour). It is printed; nothing estimates the noise of your images.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from difftv.cli.run_arguments import add_run_arguments, announce, load_run
from difftv.colour import GRAY, OPPONENT, denoise_image, is_gray
from difftv.denoiser import Denoiser
from difftv.errors import DataError, DiffTVError, MissingDependencyError
from difftv.extras import require
from difftv.files import write_atomically
from difftv.imagefiles import ImageFile, encode_like, read_image


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_arguments(parser)
    parser.add_argument("images", type=Path, nargs="+", metavar="image", help="noisy image files")
    parser.add_argument(
        "--clean", type=Path, nargs="+", default=[], help="clean images in the same order, for the PSNR"
    )
    parser.add_argument("--output", type=Path, help="directory of what is written (default: beside every image)")
    options = parser.parse_args(arguments)
    if options.clean and len(options.clean) != len(options.images):
        parser.error(f"--clean needs one file per image: {len(options.images)} images, {len(options.clean)} clean ones")
    try:
        denoiser, stored = load_run(options)
    except DiffTVError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(announce(stored))
    draws = _can_draw()
    inputs, failed = {path.resolve() for path in (*options.images, *options.clean)}, 0
    for path, clean in zip(options.images, options.clean or [None] * len(options.images), strict=True):
        try:
            targets = _targets(path, options.output or path.parent, taken=inputs)
            print(f"{path}: {_denoise(denoiser, path, clean, *targets, draws)}", flush=True)
            inputs |= {target.resolve() for target in targets}
        # torch reports memory that cannot be had as a RuntimeError.
        except (DiffTVError, OSError, ValueError, RuntimeError) as error:
            failed += 1
            print(f"{path}: {error}", file=sys.stderr)
    return 1 if failed else 0


def _targets(path: Path, directory: Path, taken: set[Path]) -> tuple[Path, Path]:
    targets = directory / f"{path.stem}-denoised{path.suffix}", directory / f"{path.stem}-lam.png"
    for target in targets:
        if target.resolve() in taken:
            raise DataError(f"{target} is one of the images or was written for another: choose another --output")
    return targets


def _can_draw() -> bool:
    try:
        require("figures", "matplotlib", by="The picture of the map")
    except MissingDependencyError as error:
        print(f"{error} The images are denoised without it.", file=sys.stderr)
        return False
    return True


def _denoise(denoiser: Denoiser, path: Path, clean: Path | None, target: Path, picture: Path, draws: bool) -> str:
    """Write both files and say in a line what was done."""
    started = time.perf_counter()
    image = read_image(path)
    reference = _reference(clean, image) if clean else None
    noisy = _intensities(image).to(next(denoiser.parameters()).device)
    names = GRAY if is_gray(noisy) else OPPONENT
    with tqdm(total=len(names), desc=path.name, unit="channel", leave=False, disable=None) as bar:
        found = denoise_image(denoiser, noisy, on_channel=lambda _: bar.update())
    scaled = found.denoised.cpu().clamp(0.0, 1.0) * image.full_scale
    channels = scaled.round().numpy().astype(image.channels.dtype)
    write_atomically(target, encode_like(image, channels))
    if draws:
        from difftv.figures import save_figure
        from difftv.figures.map_picture import map_picture

        save_figure(map_picture({name: lam[None] for name, lam in found.lam.items()}, title=path.name), picture)
    words = [f"{image}, {time.perf_counter() - started:.1f} s"]
    if not found.converged:
        words.append(f"NOT CONVERGED (relative gap {found.gap:.1e})")
    if reference is not None:
        before, after = (_psnr(pixels / image.full_scale, reference) for pixels in (image.channels, channels))
        words.append(f"PSNR {before:.2f} -> {after:.2f} dB")
    return ", ".join(words) + f" -> {target}" + (f", {picture.name}" if draws else "")


def _intensities(image: ImageFile) -> torch.Tensor:
    return torch.from_numpy(image.channels.astype(np.float32) / np.float32(image.full_scale))


def _reference(path: Path, noisy: ImageFile) -> np.ndarray:
    try:
        clean = read_image(path)
    except DataError as error:
        raise DataError(f"its clean image {path}: {error}") from error
    if clean.channels.shape != noisy.channels.shape:
        raise DataError(
            f"its clean image {path} is {clean}, the noisy one is {noisy}: they must have one size and colour"
        )
    return clean.channels / clean.full_scale


def _psnr(image: np.ndarray, clean: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return float(-10.0 * np.log10(np.mean((image - clean) ** 2)))
