"""What the commands that apply a finished run have in common: their first arguments, and the run behind them."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from difftv.arguments import path_argument, positive
from difftv.data.base import image_files
from difftv.denoiser import Denoiser
from difftv.devices import choose_device, place
from difftv.errors import ConfigError, DataError
from difftv.models.stored import StoredRun, read_run
from difftv.solvers import Solver, TautString

OWN, EXACT = "own", "taut_string"


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN, --device, --solver and --tol."""
    parser.add_argument("run", type=path_argument, help="directory of the run, outputs/<sweep>/<run>")
    parser.add_argument("--device", default="auto", help="of the network: auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--solver",
        choices=(EXACT, OWN),
        default=EXACT,
        help="taut_string (default): exact, any size; own: as in the training, for small images",
    )
    parser.add_argument(
        "--tol",
        type=float,
        help="relative duality gap of taut_string (default: the solver's, exact to rounding)",
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
    exact = stored.exact_solver()
    if options.tol is None:
        return exact
    try:
        return TautString(exact.regularizer, tol=positive("--tol", options.tol))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def announce(stored: StoredRun) -> str:
    """A line about the run: what it knows, and whether it got to its end."""
    cut = "" if stored.finished else ", which was cut off"
    return f"trained for sigma {stored.sigma} (8-bit units); weights of epoch {stored.best_epoch} of the run{cut}"


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
