"""What a finished run has left for the card of its model."""

import itertools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from difftv.denoiser import Denoiser
from difftv.errors import ConfigError
from difftv.lab.cli.redact import SCRIPT, redact_command, redact_place
from difftv.lab.data import CleanImages, Phantoms, PublishedImages, Sample, open_images
from difftv.lab.data.base import ImageSource
from difftv.lab.data.crops import cut
from difftv.lab.forward import forward_model
from difftv.lab.models.place import find_model, named_models
from difftv.lab.models.reading import read_model
from difftv.lab.rundir.layout import RESULT
from difftv.lab.rundir.reading import UnreadableError, numbers, read_images, read_json
from difftv.lab.training.protocol import FORMAT, noise_in, statement
from difftv.metrics import psnr, quantize
from difftv.models.card import Measured, Reference, TrainingFacts
from difftv.models.file import read_card, weights_digest
from difftv.models.stored import StoredModel
from difftv.models.untrusted import LONGEST_TEXT
from difftv.noise import GaussianNoise, Noise, range_of
from difftv.reconstructor import Reconstructor

PREFIX = "evaluation-"

KNOWN: Mapping[str, tuple[str, str]] = {
    "sample": (
        "photographs of the scikit-image package",
        "public domain, CC0 or no known restrictions, image by image",
    ),
    "phantoms": ("generated volumes (data=phantoms)", "none: they follow from their numbers"),
    "DIV2K": (
        "DIV2K (Agustsson and Timofte 2017), training split",
        "academic research only; its images belong to their owners",
    ),
    "BSD400": (
        "BSD400: 400 gray photographs of the Berkeley segmentation dataset (Martin et al. 2001)",
        "offered for non-commercial research and educational purposes; its images belong to their owners",
    ),
}
"""TrainingFacts sets by name: what they are, and their terms."""

NOT_STATED = "not stated"

REFERENCE = ("camera.png", (128, 128, 256, 256))
"""The photograph that every card of a gray model has a number of, and top, left, height and width of the piece that is
taken of it: a second, not several."""

COLOUR_REFERENCE = ("chelsea.png", (24, 98, 256, 256))
"""The same of a model of colour images."""


VOLUME_REFERENCE = ("test-00.npy", (8, 0, 0, 24, 64, 64))
"""The generated volume of models of volumes, and first voxel and size of the piece."""


def measured(stored: StoredModel, *, ensemble: bool = False) -> tuple[Measured, ...]:
    """The rows that `experiments/evaluate.py` has left in a run's directory, by set and noise.

    Args:
        stored: the run.
        ensemble: whether the rows with `--ensemble` are wanted, or those without.

    Raises:
        ConfigError: a file was measured with other weights or under another protocol.
        UnreadableError: a file is damaged.
    """
    found = ((path, read_json(path)) for path in sorted(stored.path.glob(f"{PREFIX}*.json")))
    # What is measured slice by slice, joined across slices, says nothing of the model of images itself.
    rows = [
        _measured(path, content, stored)
        for path, content in found
        if bool(content.get("ensemble")) == ensemble and "z_weight" not in content
    ]
    return tuple(sorted(rows, key=lambda row: (row.set, row.sigma or 0.0)))


def training_of(
    stored: StoredModel, images: str | None, terms: str | None, command: str | None, commit: str | None
) -> TrainingFacts:
    """How the run was trained.

    Args:
        stored: a finished run.
        images: training images; None to take it from the configuration.
        terms: those of the images; None to take what is known of them.
        command: words of the command line; None to take those of the checkpoint.
        commit: commit of the code; None to take that of the run.

    Raises:
        ConfigError: the run keeps its command or its commit, and another one is given.
        UnreadableError: its result cannot be read.
    """
    words: Sequence[str] | None = stored.config.get("overrides")
    result = read_json(stored.path / RESULT)
    git, versions = result.get("git"), result.get("versions")
    recorded = git.get("commit") if isinstance(git, Mapping) else None
    for option, given, kept in (("command", command, words), ("commit", commit, recorded)):
        if given is not None and kept is not None:
            raise ConfigError(f"The run keeps its own {option}: leave --{option} out.")
    if command is not None:
        words = shlex.split(command.removeprefix(SCRIPT))
    before, known = _Origin.of(stored), _images_of(stored)
    own = images or known[0], terms or (known[1] if images is None else NOT_STATED)
    # What is said of the run's images holds for a start that was trained on the same.
    pairs = [own if pair[0] == known[0] else pair for pair in zip(before.images, before.terms, strict=True)] + [own]
    every_image, every_term = (_each_once(part) for part in zip(*pairs, strict=True))
    return TrainingFacts(
        images=every_image,
        terms=every_term,
        command=None if words is None else _joined([*before.commands, redact_command(map(str, words))]),
        commit=commit or recorded,
        seed=stored.config.get("seed", 0),
        epochs=stored.config.get("trainer", {}).get("epochs", 0),
        best_epoch=stored.best_epoch,
        versions=dict(versions) if isinstance(versions, Mapping) else {},
        scalars={name: stored.scalars[name] for name in stored.regularizer().numbers if name in stored.scalars},
    )


@dataclass(frozen=True)
class _Origin:
    """How the weights that a training started from came about: public commands, images and their terms, in order."""

    commands: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()

    @classmethod
    def of(cls, stored: StoredModel) -> "_Origin":
        """Of the start of a run (trainer.start); nothing where it started afresh.

        Raises:
            ConfigError: what it started from is not there any more.
            CheckpointError: it cannot be read.
        """
        start = stored.config.get("trainer", {}).get("start")
        found = [] if start is None else [cls._of_start(stored, word) for word in named_models(start)]
        entries = ([getattr(each, field.name) for each in found] for field in fields(cls))
        return cls(*(tuple(itertools.chain.from_iterable(parts)) for parts in entries))

    @classmethod
    def _of_start(cls, stored: StoredModel, start: str) -> "_Origin":
        try:
            place = find_model(start)
        except ConfigError as error:
            raise ConfigError(
                f"{stored.name} started from {start} (trainer.start), which is not there any more. Put it back: the "
                "card says how that one was trained, too."
            ) from error
        if place.is_file():
            training = read_card(place).training
            told = (training.command or "").endswith(_own_command(stored))
            if told and weights_digest(read_model(place).weights) == weights_digest(stored.weights):
                raise ConfigError(
                    f"{start}, which {stored.name} started from (trainer.start), is {stored.name} itself, exported "
                    "over its start. Put the earlier file back: the card says how that one was trained."
                )
            return cls((training.command,) if training.command else (), (training.images,), (training.terms,))
        earlier = read_model(place)
        before, (images, terms) = cls.of(earlier), _images_of(earlier)
        return cls((*before.commands, _own_command(earlier)), (*before.images, images), (*before.terms, terms))


def _own_command(stored: StoredModel) -> str:
    """The public command of a run by itself."""
    return redact_command(map(str, stored.config.get("overrides", [])))


def _each_once(parts: Sequence[str]) -> str:
    """The parts in order, without those that another part, itself joined of several, contains."""
    different = dict.fromkeys(parts)
    return "; ".join(
        part for part in different if not any(f"; {part};" in f"; {other};" for other in different if other != part)
    )


def _joined(commands: Sequence[str]) -> str:
    """The commands in order; of more than a card holds the last ones, and a word that others came before."""
    parts, text = " && ".join(commands).split(" && "), ""
    for first in range(len(parts)):
        text = " && ".join(["(earlier commands left out)"] * (first > 0) + parts[first:])
        if len(text) <= LONGEST_TEXT:
            break
    return text


def _images_of(stored: StoredModel) -> tuple[str, str]:
    """What a run was trained on, and the terms of that."""
    name = _images_name(stored.config)
    return KNOWN.get(name, (name, NOT_STATED))


def reference_on(denoiser: Denoiser, noise: Noise, forward: Mapping[str, Any] | None = None) -> Reference:
    """The PSNR of a denoiser on a piece of a photograph that ships with scikit-image, or of a generated volume, under
    the published protocol.

    Args:
        denoiser: predictor and solver.
        noise: noise of the photograph, or of its measurements.
        forward: measurement of the photograph, as a card has it, for a model that reconstructs; with seed 0, and the
            image is not rounded. None for denoising.

    Raises:
        ConfigError: it is one of signals, of which there is no such number; or there is no such forward model.
        MissingDependencyError: scikit-image is not installed.
        SolverError: the solver gave no answer.
    """
    axes = denoiser.predictor.axes
    if axes == 1:
        raise ConfigError("There are no model files of models of signals. Pass on the directory of the run.")
    source: ImageSource = Sample() if axes == 2 else Phantoms()
    file, crop_of = VOLUME_REFERENCE if axes == 3 else COLOUR_REFERENCE if denoiser.colour else REFERENCE
    paths = [path for path in source.files().test if path.name == file]
    whole = open_images(paths, cache_dir=None, colour=denoiser.colour, axes=axes)
    crop = cut(whole[0], crop_of[:axes], crop_of[axes:])
    piece = CleanImages(whole.paths, [crop.shape[:axes]], [lambda: crop], axes=axes)
    item = PublishedImages(piece, sigma=noise)[0]
    with torch.no_grad():
        if forward is None:
            solution = denoiser.denoise(item.noisy, noise)
            denoised = quantize(solution.denoised)
        else:
            assert isinstance(noise, GaussianNoise)
            _, data = forward_model(forward).corrupt(item.reference, noise, operator_seed=0, noise_seed=0)
            assert data is not None
            level = noise.sigma if denoiser.sigma_input else None
            solution = Reconstructor.of(denoiser)(data.data, data.operator, sigma=level)
            denoised = solution.denoised
    score = float(psnr(denoised, item.reference))
    sigma, converged = float(getattr(noise, "sigma", 0.0)), bool(solution.converged.all())
    return Reference(item.name, crop_of, sigma, score, converged, _words(noise))


def _measured(path: Path, content: Mapping[str, Any], stored: StoredModel) -> Measured:
    again = f"Run experiments/evaluate.py again, or remove {path.name}."
    if content.get("format") != FORMAT:
        raise ConfigError(f"{path} is of format {content.get('format')!r}, expected {FORMAT}. {again}")
    own = content.get("best_epoch") == stored.best_epoch
    if not own or content.get("weights", weights_digest(stored.weights)) != weights_digest(stored.weights):
        raise ConfigError(f"{path} was measured with other weights than those of the run. {again}")
    try:
        of_files = bool(content.get("measured"))
        if of_files and content["factor"] != 1:
            raise ConfigError(
                f"{path} was measured with the factor {content['factor']:g} on the maps, not with 1. {again}"
            )
        sigma = None if of_files else float(content["sigma"])
        noise = None if of_files else noise_in(content)
        if noise is not None and content["protocol"] != statement(noise, colour=stored.colour, axes=stored.axes):
            raise ConfigError(f"{path} was measured under another protocol than that of this version. {again}")
        name, level = path.stem.removeprefix(PREFIX), "" if sigma is None else f"-sigma{sigma:g}"
        return Measured(
            set=content.get("set", name.removesuffix(level)),
            images=content["files" if of_files else "images"],
            sigma=sigma,
            solver=content["solver"],
            tol=content["tol"],
            metrics=content["metrics"],
            scalars=numbers(content["lam"]),
            not_converged=tuple(content["not_converged"]),
            per_image=_per_image(path.with_suffix(".csv"), "file" if of_files else "image"),
            noise=None if noise is None else _words(noise),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise UnreadableError(f"{path} is not what evaluate.py writes ({error!r}). {again}") from error


def _words(noise: Noise) -> str | None:
    """A noise in words; None where it is white."""
    return None if isinstance(noise, GaussianNoise) else str(range_of(noise))


def _per_image(path: Path, column: str) -> dict[str, float]:
    """Image -> PSNR, where the file is there."""
    try:
        return {name: row["psnr"] for name, row in read_images(path, column).items()}
    except (UnreadableError, KeyError):
        return {}


def _images_name(config: Mapping[str, Any]) -> str:
    """The training set's name, without its place."""
    choices, data = config.get("choices"), config.get("data")
    chosen = choices.get("data") if isinstance(choices, Mapping) else None
    if chosen == "div2k":
        return "DIV2K"
    root = data.get("root") if isinstance(data, Mapping) else None
    if isinstance(root, str):
        return redact_place(root).removeprefix("path/to/")
    return chosen or "images"
