"""What the numbers of a run were measured on, and whether those of two runs can be compared.

Two runs were measured on the same data when the clean crops were the same, pixel by pixel and name by name (the noise
is drawn from the names), and so were sigma and clipping. Runs record a digest of the crops; earlier ones recorded the
content of all their images, the earliest the path of the images. Runs of a sweep are
compared by what all of them have recorded.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from difftv.lab.report.settings import (
    CLIPPED,
    EVALUATED_ON,
    EVALUATED_SET,
    IMAGES,
    NUM_IMAGES,
    SIGMA,
    Settings,
    Value,
    lookup,
    show,
)
from difftv.lab.rundir.layout import PLACES

_CROPS = (EVALUATED_ON, NUM_IMAGES, "data.eval_patch_size", "data.eval_crops_per_image")
_SOURCE = ("data", "data.source._target_", "data.validation_fraction", "data.source.validation_fraction", *PLACES)
CONDITIONS = (EVALUATED_SET, EVALUATED_ON, NUM_IMAGES, SIGMA, CLIPPED)
"""Keys that have one value where numbers can be compared."""


@dataclass(frozen=True)
class Recorded:
    """What a run has recorded of the images that it was measured on.

    Attributes:
        crops: digest of the clean crops that it was evaluated on; empty for runs of earlier versions.
        images: content identity of all its images, those of the training included; empty for the earliest runs.
        names: names of the crops, in per_image.csv.
    """

    crops: str = ""
    images: str = ""
    names: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the content of the images is known, not only their path."""
        return bool(self.crops or self.images)


def recorded(result: Mapping[str, Any], config: Settings, names: Sequence[str]) -> Recorded:
    """What result.json and the flat configuration of a run say about its images."""
    images = result.get("images_identity") or config.get("identity.images") or ""
    return Recorded(str(result.get("evaluated_set") or ""), str(images), tuple(names))


def set_labels(all_settings: Sequence[Settings], records: Sequence[Recorded]) -> list[dict[str, Value]]:
    """For every run the values of `IMAGES` and `EVALUATED_SET`: equal letters for equal images, equal crops.

    Runs with different `IMAGES` are never seeds of one setting; numbers of different `EVALUATED_SET` are not compared.
    """
    pairs = list(zip(all_settings, records, strict=True))
    if all(record.images for record in records):
        images = _letters([record.images for record in records])
    else:
        images = _letters([_values(settings, _SOURCE) for settings in all_settings])
    if all(record.crops for record in records):
        sets = _letters([record.crops for record in records])
    else:
        named = all(record.names for record in records)
        crops = [(_values(settings, _CROPS), record.names if named else ()) for settings, record in pairs]
        sets = _letters(list(zip(images, crops, strict=True)))
    return [{IMAGES: i, EVALUATED_SET: s} for i, s in zip(images, sets, strict=True)]


def conditions(settings: Settings) -> tuple[Value, ...]:
    """What must be equal for two numbers to be compared: crops, sigma and clipping."""
    return _values(settings, CONDITIONS)


def unlike(ours: Sequence[Settings], theirs: Sequence[Settings]) -> str:
    """What two groups of runs were measured on differently: `sigma 15 against 25`; empty where nothing differs."""
    found = []
    for key in CONDITIONS:
        mine, other = ({lookup(settings, key) for settings in group} for group in (ours, theirs))
        if mine != other or len(mine) > 1:
            found.append(f"{key} {_shown(mine)} against {_shown(other)}")
    return ", ".join(found)


def set_remarks(
    all_settings: Sequence[Settings], records: Sequence[Recorded], describe: Callable[[Settings], str]
) -> list[str]:
    """Which sets of images and crops a table holds, where there are several, and how far that is known.

    Args:
        all_settings: all settings of the runs, with their labels.
        records: in the same order.
        describe: words for the images that one run was evaluated on.
    """
    remarks = []
    sets: dict[Value, list[str]] = {}
    images: dict[Value, str] = {}
    for settings, record in zip(all_settings, records, strict=True):
        source = record.images or record.crops or show(lookup(settings, "data.root"))
        words = f"{describe(settings)}, images {source}"
        sets.setdefault(lookup(settings, EVALUATED_SET), []).append(words)
        images.setdefault(lookup(settings, IMAGES), source)
    if len(sets) > 1:
        parts = "; ".join(f"{show(letter)} = {' or '.join(dict.fromkeys(words))}" for letter, words in sets.items())
        remarks.append(
            f"The runs were evaluated on {len(sets)} different sets: {parts}. Numbers of different sets are not "
            "compared."
        )
    elif len(images) > 1:
        parts = ", ".join(f"{show(letter)} = {source}" for letter, source in images.items())
        remarks.append(f"The images that the runs were trained on differ: {IMAGES} {parts}.")
    if len(records) > 1 and not all(record.known for record in records) and any(record.known for record in records):
        remarks.append("Some runs have not recorded the content of their images: these are told apart by their path.")
    return remarks


def _values(settings: Settings, keys: Sequence[str]) -> tuple[Value, ...]:
    return tuple(lookup(settings, key) for key in keys)


def _letters(keys: Sequence[Hashable]) -> list[str]:
    """A, B, C, ... in the order in which the keys first appear; after Z come A1, B1, ..."""
    known: dict[Hashable, str] = {}
    for key in keys:
        turn, letter = divmod(len(known), 26)
        known.setdefault(key, chr(ord("A") + letter) + (str(turn) if turn else ""))
    return [known[key] for key in keys]


def _shown(values: set[Value]) -> str:
    return " and ".join(sorted(map(show, values)))
