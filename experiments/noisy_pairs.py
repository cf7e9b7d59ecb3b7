"""Real noisy images and clean ones of the same scenes: PSNR before and after, all estimated from the noisy image.

python experiments/noisy_pairs.py RAW CLEAN --model gray-small                (files of the same names)
python experiments/noisy_pairs.py PLACE PLACE --noisy-ending _real --clean-ending _mean --noise correlated

Every file goes the way of difftv-denoise FILE: photon noise, black level and broken pixels are looked for; the result
is clamped and rounded to 8 bit. A kind is the name of a file without its last number. Prints a table of the kinds in
Markdown; with --output the numbers of every file go to a JSON document.
"""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch

from difftv.arguments import path_argument
from difftv.colour import ChannelImage, denoise_image, estimate_image_noise
from difftv.denoiser import Denoiser
from difftv.errors import DataError, DiffTVError
from difftv.files import write_atomically
from difftv.lab.cli.command import command
from difftv.lab.cli.correlated_noise import correlated_levels, denoise_two_scales
from difftv.lab.cli.noise_level import levels_told
from difftv.lab.cli.sensor_noise import AUTO, SHARED, denoise_channels, sensor_noise
from difftv.lab.data.base import image_files
from difftv.lab.imagefiles import read_image
from difftv.lab.models.place import find_model
from difftv.lab.models.reading import read_model
from difftv.lab.rundir.provenance import git_commit, versions
from difftv.metrics import psnr, quantize
from difftv.printing import print_safely


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("noisy", type=path_argument, help="directory of the noisy images")
    parser.add_argument("clean", type=path_argument, help="directory of the clean ones")
    parser.add_argument("--noisy-ending", default="", help="of the names of noisy files, before the suffix: _real")
    parser.add_argument("--clean-ending", default="", help="in its place in the names of clean files: _mean")
    parser.add_argument("--model", default="gray", help="shipped model, file or run (default: gray)")
    parser.add_argument("--noise", choices=(AUTO, SHARED), default=AUTO, help="as of difftv-denoise (default: auto)")
    parser.add_argument("--output", type=path_argument, help="JSON document of all numbers")
    options = parser.parse_args(arguments)
    try:
        pairs = matched(options.noisy, options.clean, options.noisy_ending, options.clean_ending)
        stored = read_model(find_model(options.model))
        denoiser = stored.denoiser()
        if not isinstance(denoiser, Denoiser) or not denoiser.sigma_input:
            raise DataError(f"{options.model} does not take the noise level: give a model of maps for many levels.")
        rows = []
        for noisy, clean in pairs:
            rows.append(
                measure(denoiser, stored.sigma_range or (0.0, 255.0), noisy, clean, options.noisy_ending, options.noise)
            )
            row = rows[-1]
            print_safely(
                f"{row['file']}: {float(row['noisy']):.2f} -> {float(row['denoised']):.2f} dB; {row['assumed']}",
                error=True,
            )
    except (DiffTVError, ValueError) as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 2
    print_safely(table(rows))
    if options.output is not None:
        content = {"model": stored.name, "files": rows, "versions": versions(), "commit": git_commit()}
        write_atomically(options.output, json.dumps(content, indent=1) + "\n")
    return 0


def matched(noisy: Path, clean: Path, noisy_ending: str, clean_ending: str) -> list[tuple[Path, Path]]:
    """Files of noisy images with those of the clean ones.

    Raises:
        DataError: there are none, or one has no clean image.
    """
    pairs = []
    for path in image_files(noisy):
        if path.stem.endswith(noisy_ending):
            name = path.stem.removesuffix(noisy_ending) + clean_ending + path.suffix
            pairs.append((path, clean / path.relative_to(noisy).parent / name))
    if not pairs:
        raise DataError(f"{noisy} holds no image whose name ends in {noisy_ending or 'anything'}. Check the path.")
    for path, other in pairs:
        if not other.is_file():
            raise DataError(f"{other}, the clean image of {path.name}, does not exist. Give --clean-ending.")
    return pairs


def measure(
    denoiser: Denoiser,
    sigma_range: tuple[float, float],
    noisy: Path,
    clean: Path,
    ending: str = "",
    kind_of_noise: str = AUTO,
) -> dict[str, float | str]:
    """Name, kind, PSNR before and after in dB, and what was assumed of the noise."""
    image, reference = opened(noisy), opened(clean)
    if image.shape != reference.shape:
        raise DataError(f"{noisy} and {clean} must have one size and colour, got {image.shape} and {reference.shape}.")
    assumed = sensor_noise(kind_of_noise, denoiser, image, noisy)
    levels = correlated_levels(image, None, sigma_range) if kind_of_noise == SHARED else None
    if assumed is not None:
        found, words = denoise_channels(denoiser, image, assumed), assumed.words
    elif levels is not None:
        found, words = denoise_two_scales(denoiser, image, levels), str(levels)
    else:
        sigma = min(max(float(estimate_image_noise(image).sigma), sigma_range[0]), sigma_range[1])
        with levels_told():
            found, words = denoise_image(denoiser, image, sigma=sigma), f"white noise, sigma {sigma:.1f}"
    kind = re.sub(r"[-_ ]*\d+$", "", noisy.stem.removesuffix(ending))
    before, after = (float(psnr(quantize(each[None]), reference[None])) for each in (image, found.denoised))
    return {"file": noisy.name, "kind": kind, "noisy": before, "denoised": after, "assumed": words}


def opened(path: Path) -> ChannelImage:
    """The image over the white of its depth."""
    image = read_image(path)
    return torch.from_numpy(image.channels / image.full_scale).float()


def table(rows: Sequence[dict[str, float | str]]) -> str:
    """Mean PSNR of every kind and of all, in Markdown."""
    kinds: dict[str, list[dict[str, float | str]]] = {}
    for row in rows:
        kinds.setdefault(str(row["kind"]), []).append(row)
    lines = ["| kind | images | noisy | denoised |", "|---|---:|---:|---:|"]
    for kind, found in (*kinds.items(), ("mean of all", list(rows))):
        before, after = (fmean(float(row[name]) for row in found) for name in ("noisy", "denoised"))
        lines.append(f"| {kind} | {len(found)} | {before:.2f} | {after:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
