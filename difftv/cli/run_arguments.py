"""What the commands that apply a finished run have in common: their first arguments, and the run that they name."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from difftv.arguments import noise_level, path_argument, positive
from difftv.data.base import image_files
from difftv.denoiser import Denoiser
from difftv.devices import choose_device, place
from difftv.errors import ConfigError, DataError
from difftv.models.stored import StoredRun, read_run
from difftv.printing import say
from difftv.solvers import Admm, Solver, TautString, whole_image_solver

OWN = "own"
WHOLE: dict[str, type[TautString] | type[Admm]] = {"taut_string": TautString, "admm": Admm}
"""Solvers that take images of any size, by name."""


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN, --device, --solver, --tol and --sigma."""
    parser.add_argument("run", type=path_argument, help="directory of the run, outputs/<sweep>/<run>")
    parser.add_argument("--device", default="auto", help="of the network: auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--solver",
        choices=(*WHOLE, OWN),
        help="default: taut_string (exact) where it takes the run's regularizer, else admm, both for any size; "
        "own: as in the training, for small images",
    )
    parser.add_argument(
        "--tol",
        type=float,
        help="tolerance of taut_string (relative duality gap) or admm (change of the image); default: the solver's own",
    )
    parser.add_argument(
        "--sigma",
        type=float,
        help="noise of the images in 8-bit units (default: the run's own; to be given for a run trained on a range)",
    )


def load_run(options: argparse.Namespace) -> tuple[Denoiser, StoredRun]:
    """The denoiser that the options of `add_run_arguments` name, on its device, and the run that it comes from.

    Raises:
        DiffTVError: the device is not there, or the run cannot be used; the message is for the user.
    """
    device = choose_device(options.device, "--device")
    stored = read_run(options.run)
    return place(Denoiser.load(options.run, _solver(options, stored)), device), stored


def _solver(options: argparse.Namespace, stored: StoredRun) -> Solver:
    if options.solver == OWN:
        return stored.own_solver()
    regularizer = stored.regularizer()
    kind = WHOLE[options.solver or whole_image_solver(regularizer).name]
    try:
        return kind(regularizer) if options.tol is None else kind(regularizer, tol=positive("--tol", options.tol))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def noise_of(options: argparse.Namespace, stored: StoredRun) -> float:
    """The noise of the images in 8-bit units: --sigma, or the one level that the run was trained for.

    A level that the run was not trained for is taken, with a warning.

    Raises:
        ConfigError: --sigma is out of range, or is missing where the run does not say.
    """
    if options.sigma is None:
        if stored.sigma is not None:
            return stored.sigma
        if stored.sigma_range is None:
            raise ConfigError(f"The configuration of {options.run} holds no sigma: give the noise as --sigma.")
        low, high = stored.sigma_range
        raise ConfigError(f"{options.run} was trained for sigma {low:g} to {high:g}: give the noise as --sigma LEVEL.")
    try:
        sigma = noise_level("--sigma", options.sigma)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if stored.sigma_range is not None and not stored.sigma_range[0] <= sigma <= stored.sigma_range[1]:
        low, high = stored.sigma_range
        trained = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        say(f"--sigma {sigma:g} is not what the run was trained for ({trained}): expect less of it", error=True)
    return sigma


def announce(stored: StoredRun) -> str:
    """A line about the run: what it knows, and whether it got to its end."""
    cut = "" if stored.finished else ", which was cut off"
    low, high = stored.sigma_range or (None, None)
    trained = stored.sigma if low == high else f"{low:g} to {high:g}"
    return f"trained for sigma {trained} (8-bit units); weights of epoch {stored.best_epoch} of the run{cut}"


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files among the paths and the image files in the directories among them, in their order.

    Raises:
        DataError: a directory holds no image.
    """
    found: list[Path] = []
    for path in paths:
        inside = image_files(path) if path.is_dir() else [path]
        if not inside:
            raise DataError(f"There is no image in {path}.")
        found += inside
    return found
