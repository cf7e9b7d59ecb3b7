"""What the commands that apply a stored model have in common: their arguments, and the model that these name."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from difftv.arguments import path_argument, positive
from difftv.denoiser import Denoiser
from difftv.devices import choose_device, place
from difftv.errors import ConfigError, DataError
from difftv.lab.data.base import IMAGE_SUFFIXES, image_files
from difftv.lab.models.place import find_model
from difftv.lab.models.reading import read_model
from difftv.lab.rundir.layout import CHECKPOINT, is_run
from difftv.models.file import SUFFIX
from difftv.models.pretrained import DEFAULT, DEFAULT_OF_COLOUR, shipped_file, shipped_files, shipped_names
from difftv.models.stored import StoredModel
from difftv.network_denoiser import NetworkDenoiser
from difftv.solvers import Admm, Exact, Solver, solver_for
from difftv.space import KINDS

OWN = "own"
WHOLE: dict[str, type[Exact] | type[Admm]] = {"exact": Exact, "taut_string": Exact, "admm": Admm}
"""Solvers that take images of any size, by name."""


def model_parser(description: str | None, images: str) -> argparse.ArgumentParser:
    """A parser of --model, --device, --solver, --tol, --ensemble, --sigma and of the paths, for `named_model`.

    Args:
        description: the docstring of the command.
        images: words for the images, for its help.
    """
    parser = argparse.ArgumentParser(
        usage="%(prog)s [options] [RUN] image [image ...]",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model",
        type=_word,
        metavar="NAME_OR_FILE",
        help=f"a shipped model by its name, a model file, or a run. {shipped_names()}",
    )
    parser.add_argument("--device", default="auto", help="of the network: auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--solver",
        choices=(*WHOLE, OWN),
        help="default: exact where it takes the model's regularizer, else admm, both for any size; "
        "own: as in the training, for small images",
    )
    parser.add_argument(
        "--tol",
        type=float,
        help="tolerance of taut_string (relative duality gap) or admm (change of the image); default: the solver's own",
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="average the maps over the image turned and mirrored in all eight ways: about 0.1 dB better, and the "
        "network takes eight times as long",
    )
    parser.add_argument("--sigma", type=float, help="noise of the images in 8-bit units")
    parser.add_argument(
        "paths",
        type=path_argument,
        nargs="+",
        metavar="[RUN] image",
        help=f"the directory of a run (or a model file), where none is given as --model; {images}",
    )
    return parser


def named_model(model: str | None, paths: list[Path], *, default: bool) -> tuple[Path | None, list[Path]]:
    """The place of the model that a command line names, None where that is left to the images, and the other paths.

    It is that of --model; else the first path, where it is a directory or a model file; else None.

    Args:
        model: value of --model.
        paths: the other words; at least one.
        default: whether the model may be left open; otherwise the first path names the model whatever it is.

    Raises:
        ConfigError: no such model, or two of them.
    """
    first = paths[0]
    if model is not None:
        if (first / CHECKPOINT).is_file() or first.suffix == SUFFIX:
            raise ConfigError(f"--model {model} and {first} both name a model: give one of them.")
        return find_model(model), paths
    if default and first.is_dir() and not (is_run(first) or (first / CHECKPOINT).is_file()):
        suffixes = sorted({path.suffix for path in first.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES})
        if suffixes:
            raise ConfigError(
                f"{first} is a folder of images, not the directory of a run. Give its images: {first}/*{suffixes[0]}"
            )
    if first.is_dir() or first.suffix == SUFFIX or not default:
        return first, paths[1:]
    if not first.exists() and first.suffix.lower() not in IMAGE_SUFFIXES:
        raise ConfigError(f"{first} is neither the directory of a run nor an image.")
    return None, paths


def default_models() -> tuple[Path, Path]:
    """The places of the models for gray and for RGB images where none is named; one where that for RGB is not shipped.

    Raises:
        ConfigError: none is shipped.
    """
    try:
        gray = shipped_file(DEFAULT)
        return gray, shipped_file(DEFAULT_OF_COLOUR) if DEFAULT_OF_COLOUR in shipped_files() else gray
    except ConfigError as error:
        raise ConfigError(f"{error} Give the directory of a run before the images, or a model as --model.") from error


def load_model(
    options: argparse.Namespace, path: Path, *, behind_operator: bool = False
) -> tuple[Denoiser | NetworkDenoiser, StoredModel]:
    """The denoiser of a stored model on the device and with the solver of the options, and the model itself.

    Args:
        options: those of `model_parser`.
        path: the place of the model.
        behind_operator: whether it is given measurements and not noisy images.

    Raises:
        DiffTVError: the device is not there, or the model cannot be used; the message is for the user.
    """
    device = choose_device(options.device, "--device")
    stored = read_model(path)
    if stored.forward is not None and not behind_operator:
        raise ConfigError(
            f"{path} was trained behind a forward operator ({stored.forward}) and sees no noisy images. Give "
            "measurements, a folder of .npz files, to experiments/evaluate.py, or call Reconstructor.load."
        )
    denoiser = place(stored.denoiser(_solver(options, stored)), device)
    if not options.ensemble:
        return denoiser, stored
    if isinstance(denoiser, NetworkDenoiser):
        raise ConfigError(f"--ensemble averages maps, and {path} predicts the image. Leave it out.")
    return denoiser.self_ensemble(), stored


def _solver(options: argparse.Namespace, stored: StoredModel) -> Solver:
    if options.solver == OWN:
        return stored.own_solver()
    regularizer = stored.regularizer()
    kind = WHOLE[options.solver or solver_for(regularizer).name]
    try:
        return kind(regularizer) if options.tol is None else kind(regularizer, tol=positive("--tol", options.tol))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def announce(stored: StoredModel) -> str:
    """A line about the model: what it knows, and whether its run got to its end."""
    noise = stored.noise
    trained = "noise that is not known" if noise is None else str(noise)
    cut = "" if stored.finished else ", which was cut off"
    of = f"model {stored.name}: " if stored.path.is_file() else ""
    units = "8-bit units" + (", RGB images" if stored.colour else "")
    units += "" if stored.axes == 2 else f", {KINDS[stored.axes]}"
    return f"{of}trained for {trained} ({units}); weights of epoch {stored.best_epoch} of the run{cut}"


def files_of(paths: Iterable[Path], axes: int = 2) -> list[Path]:
    """The files among the paths and the image files in the directories among them, in their order; 3 axes: volumes.

    Raises:
        DataError: a directory holds no image.
    """
    found: list[Path] = []
    for path in paths:
        inside = image_files(path, axes) if path.is_dir() else [path]
        if not inside:
            raise DataError(f"There is no {KINDS[axes].removesuffix('s')} in {path}.")
        found += inside
    return found


def _word(text: str) -> str:
    """A word that is not empty, as it was typed: ./gray is a file, gray a shipped model."""
    path_argument(text)
    return text
