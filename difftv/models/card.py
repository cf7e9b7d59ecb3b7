"""The card of a model: what it is, how it was trained, what it may be used for and what was measured.

A card is part of a model file and untrusted: it is checked entry by entry, and holds plain texts and numbers only. It
can be read without torch.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final

from difftv.axes import KINDS, checked_axes
from difftv.models.untrusted import (
    Reader,
    argument,
    exactly,
    flag,
    looks,
    mapping,
    non_negative_int,
    number,
    optional,
    several,
    text,
)
from difftv.noise.level import SigmaRange, described_noise

NAME = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
"""Names of models: fit for a file's name and a command line."""

LONGEST_NAME = 80


@final
@dataclass(frozen=True)
class TrainingFacts:
    """Where the weights come from.

    Attributes:
        images: training images.
        terms: under what terms those images may be used.
        command: the command that trained it, with path/to/... for places of the machine; None where it is not known.
        commit: commit of the code, with `-dirty` where it was changed; None where it is not known.
        seed: seed of the run.
        epochs: number of epochs that it was trained for.
        best_epoch: the one that the weights are from, counted from 1.
        versions: library -> version.
        scalars: the best constants in place of the maps on the training crops, by name; empty where they are not known.
    """

    images: str
    terms: str
    command: str | None
    commit: str | None
    seed: int
    epochs: int
    best_epoch: int
    versions: Mapping[str, str]
    scalars: Mapping[str, float]


Training = TrainingFacts
"""The name in earlier versions."""


@final
@dataclass(frozen=True)
class Measured:
    """The model on one set of images at one noise level, as `experiments/evaluate.py` measures it.

    Attributes:
        set: name of the set.
        images: how many there are.
        sigma: noise in 8-bit units; None for measured data, which have the noise that they have.
        solver: solver that minimised.
        tol: its tolerance; None where it has none.
        metrics: mean over the images by name: `psnr` (dB), `ssim`; with `noisy/`, `tuned/` and `set_oracle/` before
            them those of the noisy images and of the best constants; None where there is no answer.
        scalars: those constants, `tuned/lam`, `set_oracle/lam`, ...
        not_converged: images on which the solver stopped short of its tolerance.
        per_image: image -> PSNR (dB); empty where it is not known.
        noise: the noise in words where it is not white; `sigma` is then its Gaussian part. None of white noise.
    """

    set: str
    images: int
    sigma: float | None
    solver: str
    tol: float | None
    metrics: Mapping[str, float | None]
    scalars: Mapping[str, float]
    not_converged: tuple[str, ...]
    per_image: Mapping[str, float]
    noise: str | None = None

    @property
    def level(self) -> str | None:
        """The noise in words; None where it is as the files of measurements have it."""
        return self.noise or (None if self.sigma is None else f"sigma {self.sigma:g}")


@final
@dataclass(frozen=True)
class Reference:
    """One number that anybody can compute again, on a photograph that ships with scikit-image or a generated volume.

    Attributes:
        image: name of the photograph, or of the volume (`difftv.lab.data.Phantoms`).
        crop: first pixel of the piece along every axis, then its size: of a photograph top, left, height and width.
        sigma: noise in 8-bit units, by the protocol of the card.
        psnr: in dB.
        converged: whether the solver reached its tolerance.
        noise: as for `Measured`.
    """

    image: str
    crop: tuple[int, ...]
    sigma: float
    psnr: float
    converged: bool
    noise: str | None = None

    @property
    def level(self) -> str:
        """The noise in words."""
        return f"sigma {self.sigma:g}" if self.noise is None else self.noise


@final
@dataclass(frozen=True, repr=False)
class Card:
    """What a model file says of its model.

    Attributes:
        name: name of the model.
        config: predictor, regularizer and solver (that of the training) by name and arguments, and sigma: the noise
            level that it was trained for, or the least and the largest one. Of a model that was trained behind a
            forward operator also `forward`: what measured the images, by name and arguments; sigma is then the noise of
            every measurement. Of noise that is not white also `noise`, its kind and other arguments, and `stabilise`
            (`difftv.Denoiser`); `looks` where it is not 1 (likewise).
        weights: how many numbers were learned.
        training: where they come from.
        protocol: how everything below was measured.
        numbers: on sets of images; empty where nothing was measured.
        reference: on one photograph.
        ensemble: as `numbers`, with the maps averaged over the image turned and mirrored (`Denoiser.self_ensemble`).
    """

    name: str
    config: Mapping[str, Any]
    weights: int
    training: TrainingFacts
    protocol: str
    numbers: tuple[Measured, ...]
    reference: Reference
    ensemble: tuple[Measured, ...] = ()

    def __str__(self) -> str:
        """The card in one line."""
        predictor, regularizer = (self.config[group]["name"] for group in ("predictor", "regularizer"))
        of = " of RGB images" if self.colour else f" of {KINDS[self.axes]}" if self.axes != 2 else ""
        of += f", reconstructs behind {self.forward}" if self.forward else ""
        parts = [f"{self.name}: {predictor} ({self.weights:,} weights), {regularizer}{of}, {self.noise}"]
        for name in dict.fromkeys(row.set for row in self.numbers):
            rows = sorted((row for row in self.numbers if row.set == name), key=lambda row: row.sigma or 0.0)
            found = [(row.metrics.get("psnr"), "" if row.level is None else f" at {row.level}") for row in rows]
            means = ", ".join(f"{psnr:.2f} dB{level}" for psnr, level in found if psnr is not None)
            parts.append(f"{name} {means or 'without a PSNR'}")
        if not self.numbers:
            parts.append("nothing was measured")
        return "; ".join(parts)

    def __repr__(self) -> str:
        return f"<{self}>"

    @property
    def colour(self) -> bool:
        """Whether it is a model of RGB images, whose channels the regularizer couples."""
        return self.config["regularizer"].get("channels", 1) == 3

    @property
    def axes(self) -> int:
        """Number of axes of what it denoises: 2 for images, 3 for volumes, 1 for signals."""
        return int(self.config["regularizer"].get("axes", 2))

    @property
    def forward(self) -> str | None:
        """What measured the images that it was trained on, in words, such as `mri (acceleration 2, centre 0.16)`; None
        for a model that denoises."""
        node = self.config.get("forward")
        if node is None:
            return None
        settings = ", ".join(f"{key} {value}" for key, value in node.items() if key != "name" and value is not None)
        return f"{node['name']} ({settings})" if settings else str(node["name"])

    @property
    def noise(self) -> str:
        """The noise that it is for, in words."""
        other = self.config.get("noise")
        if other is None:
            return f"sigma {SigmaRange.of(self.config['sigma'])}"
        values = {name: value for name, value in other.items() if name != "name"}
        return described_noise(other["name"], {**values, "sigma": self.config["sigma"]})

    def plain(self) -> dict[str, Any]:
        """The card in plain containers, which `of` reads; no `noise` where it is white, and no `ensemble` where nothing
        was measured with one, as in earlier versions."""
        plain = asdict(self)
        for part in (*plain["numbers"], plain["reference"], *plain["ensemble"]):
            if part["noise"] is None:
                del part["noise"]
        if not self.ensemble:
            del plain["ensemble"]
        return plain

    @classmethod
    def of(cls, value: Any) -> "Card":
        """The card in plain, untrusted containers.

        Raises:
            ValueError: naming the entry that is missing, unknown or not what it should be.
        """
        entries = _CARD(value, "card")
        return cls(
            **{
                **entries,
                "training": TrainingFacts(**entries["training"]),
                "numbers": tuple(Measured(**row) for row in entries["numbers"]),
                "reference": Reference(**entries["reference"]),
                "ensemble": tuple(Measured(**row) for row in entries.get("ensemble", ())),
            }
        )


def check_name(value: Any, place: str = "The name") -> str:
    """`value` itself.

    Raises:
        ValueError: not a name for a model.
    """
    if not isinstance(value, str) or len(value) > LONGEST_NAME or not NAME.fullmatch(value):
        raise ValueError(
            f"{place} must be small letters and digits with single - _ or . between them, such as gray-small, got "
            f"{str(value)[:LONGEST_NAME]!r}"
        )
    return value


def _sigma(value: Any, place: str) -> Any:
    try:
        SigmaRange.of(value)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    return value


def _part(value: Any, place: str) -> dict[str, Any]:
    found = mapping(argument)(value, place)
    text(found.get("name"), f"{place}.name")
    try:
        checked_axes(found.get("axes", 2))
    except ValueError as error:
        raise ValueError(f"{place}.{error}") from None
    return found


def _crop(value: Any, place: str) -> tuple[int, ...]:
    found = several(non_negative_int)(value, place)
    if len(found) not in (4, 6):
        raise ValueError(
            f"{place} must be top, left, height and width, or the same with depth, got {len(found)} numbers"
        )
    return found


def _level(value: Any, place: str) -> Any:
    """sigma of noise that is not white: a number >= 0 or two of them."""
    found = argument(value, place)
    numbers = found if isinstance(found, list) else [found]
    if not numbers or any(number(entry, place) < 0 for entry in numbers):
        raise ValueError(f"{place} must be a number >= 0 or a range of two, got {str(value)[:40]!r}")
    return found


def _with_noise(
    readers: Mapping[str, Reader[Any]], others: Mapping[str, Reader[Any]], **unless_absent: Reader[Any]
) -> Reader[dict[str, Any]]:
    """An object with these keys, and with the others where it has the key `noise`."""

    def read(value: Any, place: str) -> dict[str, Any]:
        of_noise = isinstance(value, Mapping) and "noise" in value
        return exactly({**readers, **others} if of_noise else readers, **unless_absent)(value, place)

    return read


_CONFIG = _with_noise(
    {"predictor": _part, "regularizer": _part, "solver": _part, "sigma": _sigma},
    {"noise": _part, "sigma": _level, "stabilise": flag},
    forward=_part,
    looks=looks,
)

_TRAINING = exactly(
    {
        "images": text,
        "terms": text,
        "command": optional(text),
        "commit": optional(text),
        "seed": non_negative_int,
        "epochs": non_negative_int,
        "best_epoch": non_negative_int,
        "versions": mapping(text),
        "scalars": mapping(number),
    }
)

_MEASURED = _with_noise(
    {
        "set": text,
        "images": non_negative_int,
        "sigma": optional(number),
        "solver": text,
        "tol": optional(number),
        "metrics": mapping(optional(number)),
        "scalars": mapping(number),
        "not_converged": several(text),
        "per_image": mapping(number),
    },
    {"noise": text},
)

_CARD = exactly(
    {
        "name": check_name,
        "config": _CONFIG,
        "weights": non_negative_int,
        "training": _TRAINING,
        "protocol": text,
        "numbers": several(_MEASURED),
        "reference": _with_noise(
            {"image": text, "crop": _crop, "sigma": number, "psnr": number, "converged": flag}, {"noise": text}
        ),
    },
    ensemble=several(_MEASURED),
)
