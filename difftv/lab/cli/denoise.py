"""Denoise image files, whole and of any size, with a model that is shipped, a model file, or the network of a run.

difftv-denoise photograph.png scan.tif                            (python experiments/denoise.py in a checkout)
difftv-denoise --model gray-small noisy/*.png --clean clean/*.png --output denoised
difftv-denoise outputs/<sweep>/<run> photograph.png

Writes NAME-denoised.SUFFIX in the format and depth of the image (gray or colour, 8 or 16 bit, transparency unchanged;
JPEG, which always loses a little, at quality 95; of a TIFF of floats white is 1, or --white-level, and pixels that are
NaN are filled) and, with matplotlib, NAME-lam.png, a picture of the regularization maps, each by its name (lam; lam and
gam; lam1 and lam2). The minimisation is exact where that solver
takes the model's regularizer, else batched (admm). A model of gray images denoises an RGB image as luma and two chroma
channels, each with maps of its own: that scores more than a decibel better than R, G and B on their own
(difftv/colour.py). A model of colour images takes the three together; a gray file as three equal ones.

A file of several pages (TIFF, and NIfTI or .npy) is denoised page by page; with --axes 3 it is one volume, whose maps
are those of its slices and whose minimiser is that of all of them together (difftv/volumes.py), or, with a model of
volumes, those that it predicts of the whole. Spacing is read from
ImageJ, OME and NIfTI metadata, or given as --spacing; the result is a file of the same kind, and NAME-lam.png shows
three slices before and after.

Without --model, and without a run in front of the images, the shipped model "gray" is taken for gray images, and
"colour" for RGB images that have a colour. A model knows the noise
that it was trained with (sigma in 8-bit units, white Gaussian noise, the same in every colour), which is printed. For
one that was trained on a range of levels, that of every image is estimated and printed, or given as --sigma.

Noise that grows with the signal, of photons that a sensor has counted, is looked for in gray images, printed (gain and
sigma) and denoised through the transform that makes it white; pixels that are saturated, hot or dead are filled then
and counted in what is printed. --noise overrules; --black-level is the value of no light (docs/real_images.md).
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from difftv.arguments import not_negative, path_argument, positive
from difftv.colour import COLOUR, DenoisedImage, denoise_image, is_gray, solved_channels
from difftv.denoiser import Denoiser
from difftv.errors import ConfigError, DataError, DiffTVError, MissingDependencyError
from difftv.extras import require
from difftv.files import write_atomically
from difftv.lab.cli.command import command
from difftv.lab.cli.correlated_noise import correlated_levels, denoise_two_scales
from difftv.lab.cli.denoise_stack import add_arguments, denoise_stack
from difftv.lab.cli.model_arguments import announce, default_models, load_model, model_parser, named_model
from difftv.lab.cli.noise_level import check_sigma, estimated_sigma, levels_told
from difftv.lab.cli.output_paths import Targets, plan
from difftv.lab.cli.sensor_noise import AUTO, HELP, SHARED, WHITE, checked_noise, denoise_channels, sensor_noise
from difftv.lab.imagefiles import ImageFile, encode_like, not_copied, read_image, unused_depth
from difftv.lab.imagefiles.volumes import is_stack
from difftv.missing import fill_missing
from difftv.models.stored import StoredModel
from difftv.printing import print_safely, printable
from difftv.space import KINDS

BRIGHTEST = 2.0
"""Value of floats up to which white is taken as 1: noise, and highlights, go beyond white, other scales further."""

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = model_parser(__doc__, "noisy image files")
    parser.add_argument(
        "--clean", type=path_argument, nargs="+", default=[], help="clean images in the same order, for the PSNR"
    )
    parser.add_argument(
        "--output", type=path_argument, help="directory of what is written (default: beside every image)"
    )
    parser.add_argument(
        "--white-level",
        type=float,
        help="value of white in the files (default: 255 or 65535, by their depth; of floats 1)",
    )
    add_arguments(parser)
    parser.add_argument("--noise", default=AUTO, metavar="KIND", help=HELP)
    parser.add_argument(
        "--black-level", type=float, default=0.0, help="value of no light in the files (default: 0); noise is around it"
    )
    options = parser.parse_args(arguments)
    try:
        place, images = named_model(options.model, options.paths, default=True)
        if not images:
            parser.error(f"give the images to denoise after {place}")
        if options.clean and len(options.clean) != len(images):
            parser.error(f"--clean needs one file per image: {len(images)} images, {len(options.clean)} clean ones")
        if options.white_level is not None:
            positive("--white-level", options.white_level)
        not_negative("--black-level", options.black_level)
        options.noise = checked_noise(options.noise)
        if options.noise not in (AUTO, WHITE) and options.sigma is not None:
            parser.error("--sigma is for white noise: leave it out, or --noise")
        models = _Models(options, place)
    except (DiffTVError, OSError, ValueError) as error:  # OSError: a name that is too long
        print_safely(f"{parser.prog}: {error}", error=True)
        return 2
    draws, failed = _can_draw(), 0
    planned = plan(images, options.output, [*images, *options.clean])
    cleans = options.clean or [None] * len(images)
    for path, clean, targets in zip(images, cleans, planned, strict=True):
        try:
            if isinstance(targets, DataError):
                raise targets
            if is_stack(path):
                if options.noise not in (AUTO, WHITE) or options.black_level:
                    raise DataError("holds several pages, and --noise and --black-level are for single images")
                words = denoise_stack(*models.of_gray(path, clean), options, path, targets, draws=draws)
            elif models.axes != 2:
                raise DataError(f"is a single image, and the model is for {KINDS[models.axes]}: give another model")
            elif options.axes == 3:
                raise DataError("is a single image, and --axes 3 takes files of several pages: leave it out")
            else:
                words = _denoise(models, options, path, clean, targets, draws)
        # torch reports memory that cannot be had as a RuntimeError.
        except (DiffTVError, OSError, ValueError, RuntimeError) as error:
            failed += 1
            print_safely(f"{path}: {error}", error=True)
        else:
            print_safely(f"{path}: {words}")
    return 1 if failed else 0


def _can_draw() -> bool:
    try:
        require("figures", "matplotlib", by="The picture of the map")
    except MissingDependencyError as error:
        print_safely(f"{error} The images are denoised without it.", error=True)
        return False
    return True


class _Models:
    """The model of every image: the one that is named, or the default for gray images or for colours."""

    def __init__(self, options: argparse.Namespace, place: Path | None) -> None:
        """Load what may be needed, so that a mistake shows before any work; the named one is announced here."""
        self._places = default_models() if place is None else (place, place)
        self._loaded = {each: load_model(options, each) for each in dict.fromkeys(self._places)}
        self._announced: set[Path] = set()
        for each, (denoiser, _) in self._loaded.items():
            if not isinstance(denoiser, Denoiser):
                raise ConfigError(f"{each} predicts the image and no maps: use NetworkDenoiser.load in Python.")
        ranges = {stored.sigma_range: stored for _, stored in self._loaded.values()}
        for stored in ranges.values():
            check_sigma(options.sigma, stored)
        if place is not None:
            self._announce(place)

    def of(self, noisy: torch.Tensor) -> tuple[Denoiser, StoredModel]:
        """The denoiser of an image, (1 or 3, height, width), and the model that it was loaded from."""
        place = self._places[not is_gray(noisy)]
        self._announce(place)
        denoiser, stored = self._loaded[place]
        assert isinstance(denoiser, Denoiser)
        return denoiser, stored

    @property
    def axes(self) -> int:
        """Axes of what the models denoise."""
        return max(stored.axes for _, stored in self._loaded.values())

    def of_gray(self, path: Path, clean: Path | None) -> tuple[Denoiser, StoredModel]:
        """Those of a stack of gray pages, of which there is no PSNR."""
        if clean is not None:
            raise DataError(f"--clean is for images, and {path.name} holds several pages")
        return self.of(torch.zeros(1, 1, 1))

    def _announce(self, place: Path) -> None:
        if place not in self._announced:
            print_safely(announce(self._loaded[place][1]))
            self._announced.add(place)


def _denoise(
    models: _Models,
    options: argparse.Namespace,
    path: Path,
    clean: Path | None,
    targets: Targets,
    draws: bool,
) -> str:
    """Write both files and say in a line what was done."""
    started = time.perf_counter()
    image = read_image(path, floats=True)
    if image.visible is not None and not image.visible.any():
        raise DataError("all its pixels are transparent: there is nothing to denoise")
    white, black = _white(image, options.white_level, options.black_level), options.black_level
    _remark(path, image, options.white_level)
    reference = _reference(clean, image, white) if clean else None
    noisy = torch.from_numpy((image.channels.astype(np.float32) - np.float32(black)) / np.float32(white - black))
    known = None if image.visible is None else torch.from_numpy(image.visible)
    if known is not None:
        noisy = fill_missing(noisy[None], known.expand(noisy[None].shape))[0]
    denoiser, stored = models.of(noisy.nan_to_num())
    kind = WHITE if options.sigma is not None else options.noise
    assumed = sensor_noise(kind, denoiser, noisy, path, known)
    if assumed is not None:
        print_safely(f"{path}: {assumed.words}")
    if image.floats and assumed is None and not bool((finite := noisy.isfinite().all(dim=0)).all()):
        print_safely(f"{path}: {int((~finite).sum())} pixels are not finite, and filled")
        known = finite if known is None else known & finite
        if not bool(known.any()):
            raise DataError("holds no finite pixel that is seen")
        noisy = fill_missing(noisy[None], known.expand(noisy[None].shape))[0]
    levels = None
    if kind == SHARED:
        if denoiser.sigma_input and stored.sigma_range is not None:
            levels = correlated_levels(noisy, known, stored.sigma_range)
        missing = "noise that neighbours share is not found, or not known to the model: taken as white"
        print_safely(f"{path}: {levels or missing}")
    sigma = None if assumed is not None or levels is not None else _sigma(options, denoiser, stored, noisy, path, known)
    device = next(denoiser.parameters()).device
    noisy, weight = noisy.to(device), None if known is None else known.to(device).to(dtype=noisy.dtype)
    names = solved_channels(denoiser, noisy)
    if names == COLOUR and is_gray(noisy):
        print_safely(f"{path}: a gray image and a model of colour images: taken as three equal channels", error=True)
    with (
        levels_told(),
        tqdm(total=len(names), desc=printable(path.name), leave=False, disable=None, bar_format=_BAR) as bar,
    ):
        advance = lambda done: bar.update(done - bar.n)  # noqa: E731
        if assumed is not None:
            found = denoise_channels(denoiser, noisy, assumed, on_progress=advance)
        elif levels is not None:
            found = denoise_two_scales(denoiser, noisy, levels, data_weight=weight, on_progress=advance)
        else:
            found = denoise_image(denoiser, noisy, sigma=sigma, data_weight=weight, on_progress=advance)
    # Values above the white level are the file's to keep, those above its depth are not.
    scaled = found.denoised.cpu() * (white - black) + black
    if not image.floats:
        scaled = scaled.clamp(0.0, image.full_scale).round()
    channels = scaled.numpy().astype(image.channels.dtype)
    if image.visible is not None:
        channels = np.where(image.visible, channels, image.channels)
    write_atomically(targets.denoised, encode_like(image, channels))
    drawn = draws and _draw(found, denoiser, path, targets.picture)
    words = [f"{image}, {time.perf_counter() - started:.1f} s"]
    if not found.converged:
        words.append(f"NOT CONVERGED (relative gap {found.gap:.1e})")
    if reference is not None:
        before, after = (_psnr(pixels / white, reference, image.measured) for pixels in (image.channels, channels))
        words.append(f"PSNR {before:.2f} -> {after:.2f} dB")
    return ", ".join(words) + f" -> {targets.denoised}" + (f", {targets.picture.name}" if drawn else "")


def _draw(found: DenoisedImage, denoiser: Denoiser, path: Path, target: Path) -> bool:
    """Draw the maps; what goes wrong there is said, and is no failure of the image, which is written by then."""
    try:
        from difftv.lab.figures import save_figure
        from difftv.lab.figures.map_picture import map_picture

        pictured = map_picture(
            {name: lam[None] for name, lam in found.lam.items()},
            names=denoiser.solver.regularizer.map_names,
            title=path.name,
        )
        save_figure(pictured, target)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        print_safely(f"{path}: denoised; the picture of the map was not written: {error}", error=True)
        return False
    return True


def _sigma(
    options: argparse.Namespace,
    denoiser: Denoiser,
    stored: StoredModel,
    noisy: torch.Tensor,
    path: Path,
    known: torch.Tensor | None,
) -> float | None:
    """What the network is told of the noise; None where it takes nothing."""
    if not denoiser.sigma_input:
        return None
    if options.sigma is None and stored.sigma is None:
        return estimated_sigma(noisy, stored, path, known)
    return options.sigma or stored.sigma


def _white(image: ImageFile, white_level: float | None, black_level: float) -> float:
    largest = float(np.max(image.seen, initial=0.0, where=np.isfinite(image.seen)))
    if image.floats and white_level is None and largest > BRIGHTEST:
        raise DataError(f"its pixels are floating-point numbers up to {largest:.4g}: give white as --white-level")
    if white_level is not None and white_level > image.full_scale and not image.floats:
        raise DataError(f"--white-level {white_level:g} is above {image.full_scale:g}, the largest value of its depth")
    if black_level >= (white_level or image.full_scale):
        raise DataError(f"--black-level {black_level:g} is not below white, {white_level or image.full_scale:g}")
    return white_level or image.full_scale


def _remark(path: Path, image: ImageFile, white_level: float | None) -> None:
    """Say, before the solve, what the user should know about the result."""
    if white_level is None and not image.floats and (dim := unused_depth(image.seen)):
        advice = f"if white is another value than {image.full_scale:g}, give it as --white-level"
        print_safely(f"{path}: {dim}; {advice}", error=True)
    if lost := not_copied(image):
        print_safely(f"{path}: written without its {', '.join(lost)}, which cannot be copied", error=True)


def _reference(path: Path, noisy: ImageFile, white: float) -> np.ndarray:
    try:
        clean = read_image(path, floats=True)
    except DataError as error:
        raise DataError(f"its clean image {path}: {error}") from error
    if clean.channels.shape != noisy.channels.shape:
        raise DataError(
            f"its clean image {path} is {clean}, the noisy one is {noisy}: they must have one size and colour"
        )
    # A white level is that of a depth: a clean image of another one has its own.
    return clean.channels / (white if clean.full_scale == noisy.full_scale else clean.full_scale)


def _psnr(image: np.ndarray, clean: np.ndarray, visible: np.ndarray | None) -> float:
    if visible is not None:
        image, clean = image[:, visible], clean[:, visible]
    with np.errstate(divide="ignore"):
        return float(-10.0 * np.log10(np.mean((image - clean) ** 2)))


if __name__ == "__main__":
    sys.exit(main())
