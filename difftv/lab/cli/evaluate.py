"""Measure a stored model on clean images, whole, under the protocol of published tables.

python experiments/evaluate.py outputs/<sweep>/<run> path/to/Set12
python experiments/evaluate.py outputs/<sweep>/<run> path/to/Set12 path/to/BSD68/*.png --name both --output results

python experiments/evaluate.py outputs/<sweep>/<run> path/to/Set12 --sigma 15
python experiments/evaluate.py --model gray path/to/Set12 --sigma 15
python experiments/evaluate.py --model gray path/to/Set12 --noise 0.02,5

The noise is the run's own, or white of --sigma, or --noise, not clipped; the generator is seeded with 0 anew for every
image; denoised images are clamped and rounded to 8 bit; no border is removed. Beside the learned map stand the noisy
images, the scalar lambda that the run found on its training crops (at the noise that it was tuned for), and the best
scalar lambda for these very images (an oracle), whose search takes longer than everything else; --no-search leaves it
out.

Prints a Markdown table and writes evaluation-NAME.md, .csv and .json into the run's directory, or for --model into the
working directory. NAME is that of the set, with the noise and --ensemble where they are given: Set12-sigma15. The
minimisation is exact where that solver takes the run's regularizer, else batched (admm), whatever the run
was trained with.

Measured data instead of images: a folder of .npz files, each with `measurements`, what defines the operator (`mask` and
`coil_maps`, `kernel` and `boundary`, or `angles` and `image_shape`), and where it is known `clean` and `crop`
(docs/sweeps.md). Every file is reconstructed with the model's maps, and what comes out is written to
evaluation-NAME/; the table has the first look, the scalar lambda of the run and the learned map:

python experiments/evaluate.py outputs/knee_mri/<run> path/to/npz
python experiments/evaluate.py --model gray-small path/to/npz --sigma 10 --factor 0.7

Volumes: a model of volumes is measured on files of several pages (TIFF, NIfTI, .npy), whole; --axes 3 measures a model
of images on them, slice by slice with one minimisation over all slices, or each slice by itself with --z-weight 0:

python experiments/evaluate.py outputs/volumes/<run> path/to/volumes
python experiments/evaluate.py --model gray-small path/to/volumes --sigma 25 --axes 3 --z-weight 0

A model of gray images is measured on the luma of colour files; one of colour images on RGB, with noise of its own in
every channel and PSNR and SSIM over all three: gray files among them are named, nothing but gray ones is refused.
"""

import csv
import io
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from difftv.arguments import not_negative, path_argument, positive
from difftv.denoiser import Denoiser
from difftv.errors import ConfigError, DataError, DiffTVError
from difftv.files import check_writable, write_atomically
from difftv.lab.cli.command import command
from difftv.lab.cli.evaluate_measured import (
    evaluate_measured,
    files_of_measurements,
    measured_csv,
    measured_json,
    measured_markdown,
)
from difftv.lab.cli.model_arguments import OWN, announce, files_of, load_model, model_parser, named_model
from difftv.lab.cli.noise_level import known_noise, levels_told
from difftv.lab.data import PublishedImages, open_images
from difftv.lab.rundir.provenance import git_commit, versions
from difftv.lab.training.protocol import evaluate_published, to_csv, to_json, to_markdown
from difftv.method import Method
from difftv.models.file import weights_digest
from difftv.models.stored import StoredModel
from difftv.network_denoiser import NetworkDenoiser
from difftv.noise import range_of
from difftv.printing import print_safely
from difftv.volumes import SliceBySlice


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = model_parser(__doc__, "clean images, files or directories")
    parser.add_argument("--name", help="in the files' names (default: the directory's, else images; and the sigma)")
    parser.add_argument(
        "--output", type=path_argument, help="directory of what is written (default: the run's, else the working one)"
    )
    parser.add_argument(
        "--no-search", action="store_true", help="leave out the best scalar for these images, which takes longest"
    )
    parser.add_argument(
        "--noise",
        metavar="GAIN,SIGMA",
        help="Poisson-Gaussian noise, such as 0.01,2 (gain: intensity of one photon where white is 1; sigma: in 8-bit "
        "units)",
    )
    parser.add_argument(
        "--factor",
        type=positive_number,
        default=1.0,
        help="on the maps, with measured data (default: 1)",
    )
    parser.add_argument(
        "--axes", type=int, choices=(2, 3), default=2, help="3: measure a model of images on volumes (default: 2)"
    )
    parser.add_argument(
        "--z-weight",
        type=not_negative_number,
        default=1.0,
        help="weight of differences across slices with --axes 3 and a model of images (default: 1)",
    )
    options = parser.parse_args(arguments)
    try:
        place, paths = named_model(options.model, options.paths, default=False)
        assert place is not None  # without a default
    except (ConfigError, OSError) as error:  # OSError: a name that is too long
        print_safely(f"{parser.prog}: {error}", error=True)
        return 2
    if not paths:
        parser.error(f"give the images to measure on after {place}")
    level = "" if options.sigma is None else f"-sigma{options.sigma:g}"
    level += "" if options.noise is None else f"-noise{options.noise}"
    level += "-ensemble" if options.ensemble else ""
    level += f"-z{options.z_weight:g}" if options.axes == 3 else ""
    of_set = paths[0].resolve().name if _is_directory(paths) else (options.name or "images").removesuffix(level)
    name = options.name or of_set + level
    if Path(name).name != name:
        parser.error(f"--name must be fit for a file's name, got {name!r}")
    stem = (options.output or (place if place.is_dir() else Path())) / f"evaluation-{name}"
    files = {suffix: stem.with_name(stem.name + suffix) for suffix in (".md", ".csv", ".json")}
    try:
        measured = files_of_measurements(paths)
        denoiser, stored = load_model(options, place, behind_operator=measured is not None)
        for file in files.values():
            check_writable(file)
        print_safely(announce(stored), error=True)
        origin = _origin(options, place, stored, denoiser, of_set)
        chosen = measured or files_of(paths, 3 if options.axes == 3 else denoiser.predictor.axes)
        _check_same_set(files[".csv"], chosen)
        if measured is not None:
            content = _measured(options, denoiser, stored, measured, stem, name, origin)
        else:
            content = _images(options, denoiser, stored, chosen, name, origin)
    except (DiffTVError, ValueError) as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 2
    except OSError as error:
        print_safely(f"{parser.prog}: {stem} cannot be written ({error.strerror}): give --output", error=True)
        return 2
    problem = ""
    for suffix, text in content.items():
        try:
            write_atomically(files[suffix], text)
        except OSError as error:
            problem = problem or f"{files[suffix]} cannot be written ({error.strerror}): give --output"
    print_safely(content[".md"])
    print_safely(f"{parser.prog}: {problem}" if problem else f"Written: {stem}.md, .csv, .json", error=True)
    return 1 if problem else 0


def _check_same_set(table: Path, paths: Sequence[Path]) -> None:
    """Numbers of a set are replaced, those of another folder of the same name are not.

    Raises:
        ConfigError: no image of the table that is there is measured now.
    """
    try:
        rows = list(csv.reader(io.StringIO(table.read_text(encoding="utf-8"), newline="")))
    except (OSError, UnicodeDecodeError):
        return
    before = {row[0] for row in rows[1:] if row}
    if before and before.isdisjoint(name for path in paths for name in (path.name.split(".")[0], path.stem, path.name)):
        raise ConfigError(
            f"{table} holds the numbers of other images ({', '.join(sorted(before)[:2])}, ..), of another folder of "
            "that name: give this one a name of its own, --name."
        )


def _images(
    options: Namespace,
    denoiser: Denoiser | NetworkDenoiser,
    stored: StoredModel,
    paths: Sequence[Path],
    name: str,
    origin: Mapping[str, object],
) -> dict[str, str]:
    """What is written of clean images, by suffix."""
    noise, axes = known_noise(options.noise, options.sigma, stored), denoiser.predictor.axes
    method: Method = denoiser
    if options.axes == 3 and axes == 2:
        if not isinstance(denoiser, Denoiser) or denoiser.colour:
            raise ConfigError(
                f"--axes 3 takes a model of gray images that predicts maps, and {stored.path} is another."
            )
        method, axes = SliceBySlice(denoiser, options.z_weight), 3
        origin = {**origin, "z_weight": options.z_weight}
    images = open_images(paths, cache_dir=None, colour=denoiser.colour, axes=axes)
    if images.skipped:
        path, reason = images.skipped[0]
        raise DataError(f"{path}: {reason}. A mean over the other images would not be comparable.")
    # Scalars of images are no good for the volumes that their slices make.
    at_training = stored.noise is not None and noise == stored.noise.middle and method is denoiser
    with levels_told():
        found = evaluate_published(
            method,
            PublishedImages(images, sigma=noise),
            tuned=_tuned(stored, denoiser.solver.regularizer.parameters) if at_training else None,
            search=not options.no_search,
            device=next(denoiser.parameters()).device,
        )
    title = f"{name}, {range_of(noise)}" + (", self-ensemble" if options.ensemble else "")
    return {".md": to_markdown(found, title=title), ".csv": to_csv(found), ".json": to_json(found, origin)}


def _measured(
    options: Namespace,
    denoiser: Denoiser | NetworkDenoiser,
    stored: StoredModel,
    measured: Sequence[Path],
    stem: Path,
    name: str,
    origin: Mapping[str, object],
) -> dict[str, str]:
    """What is written of measured data, by suffix; the reconstructions go into a folder beside it."""
    if not isinstance(denoiser, Denoiser):
        raise ConfigError(f"{stored.path} predicts the image and no maps: measured data need maps.")
    if options.noise is not None or options.axes == 3:
        raise ConfigError("--noise and --axes 3 are for clean images, and these are measurements: leave them out.")
    names = denoiser.solver.regularizer.parameters
    # Scalars of denoising are in other units than those of measurements.
    tuned = _tuned(stored, names) if stored.forward is not None else None
    rows = evaluate_measured(denoiser, measured, tuned=tuned, folder=stem, factor=options.factor, sigma=options.sigma)
    title = name if options.factor == 1 else f"{name}, factor {options.factor:g} on the maps"
    more = {**origin, "factor": options.factor}
    return {
        ".md": measured_markdown(rows, title=title, tuned=tuned),
        ".csv": measured_csv(rows),
        ".json": measured_json(rows, tuned, more),
    }


def _origin(
    options: Namespace, place: Path, stored: StoredModel, denoiser: Denoiser | NetworkDenoiser, of_set: str
) -> dict[str, object]:
    return {
        "run" if place.is_dir() else "model": str(place) if place.is_dir() else stored.name,
        "set": of_set,
        "weights": weights_digest(stored.weights),
        "best_epoch": stored.best_epoch,
        "ensemble": options.ensemble,
        "solver": options.solver if options.solver == OWN else denoiser.solver.name,
        "tol": getattr(denoiser.solver, "tol", None),
        "versions": versions(),
        "git": {"commit": git_commit()},
    }


def positive_number(text: str) -> float:
    """A number > 0, as an argument."""
    try:
        return positive("--factor", float(text))
    except ValueError as error:
        raise ArgumentTypeError(f"must be a number > 0, got {text!r}") from error


def not_negative_number(text: str) -> float:
    """A number >= 0, as an argument."""
    try:
        return not_negative("--z-weight", float(text))
    except ValueError as error:
        raise ArgumentTypeError(f"must be a number >= 0, got {text!r}") from error


def _is_directory(paths: list[Path]) -> bool:
    return len(paths) == 1 and paths[0].is_dir()


def _tuned(stored: StoredModel, names: Sequence[str]) -> dict[str, float] | None:
    """The scalars that the run found on its training crops, if it did."""
    found = {name: stored.scalars[name] for name in names if name in stored.scalars}
    return found if len(found) == len(names) else None


if __name__ == "__main__":
    sys.exit(main())
