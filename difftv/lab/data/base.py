"""What a data set is: three lists of image files. Everything later (decoding, crops, noise) is the same for all."""

import abc
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import platformdirs

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".pnm", ".jp2"}
)

SUFFIXES_OF = {1: (".npy",), 2: tuple(sorted(IMAGE_SUFFIXES)), 3: (".tif", ".tiff", ".nii", ".nii.gz", ".npy")}
"""Number of axes -> how the names of files end that hold signals, images or volumes."""

CACHE_DIR_VARIABLE = "DIFFTV_CACHE_DIR"


@dataclass(frozen=True)
class Archive:
    """A zip file on a server: where it is, its size in bytes and its sha256 in hexadecimal."""

    url: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Splits:
    """The files of a data set. An empty `test` means: evaluate on the validation images.

    Attributes:
        roots: directories that the user named. Names of images, and the noise that is drawn by them, follow from what
            is the path below the first of them that holds the file, not the whole path.
        again: file -> file of a second noisy image of its scene; empty where there are none.
    """

    train: tuple[Path, ...]
    validation: tuple[Path, ...]
    test: tuple[Path, ...] = ()
    roots: tuple[Path, ...] = ()
    again: Mapping[Path, Path] = field(default_factory=dict)


class ImageSource(abc.ABC):
    """A set of images, clean ones unless a run is told that they are noisy (`data.clean`).

    Subclasses write `files`; nothing else is needed.

    Attributes:
        axes: numbers of axes that what its files hold may have (`data.axes`); images where a subclass does not say.
    """

    axes: ClassVar[tuple[int, ...]] = (2,)

    @abc.abstractmethod
    def files(self) -> Splits:
        """The image files, in an order that is the same on every machine; no image is opened.

        Raises:
            DataError: images are missing; the message says what to do.
        """


def image_files(root: Path, axes: int = 2) -> list[Path]:
    """Every file of images (of volumes with 3 axes, signals with 1) under `root`, recursively, in natural order.

    Natural order: 2.png before 10.png. A file is taken for one by its suffix. Names that begin with a dot are left out:
    editors, file managers and archives create such copies. Links to directories are followed once everything below
    `root` itself has been found, each real directory once, so that a link never leads in a circle or gives the same
    files twice. A directory that cannot be listed is named in a warning.
    """
    found: list[Path] = []
    pending, seen = [os.fspath(root)], set()
    while pending:
        links: list[str] = []
        for start in pending:
            for directory, subdirectories, names in os.walk(start, onerror=_warn):
                real = os.path.realpath(directory)
                if real in seen:
                    subdirectories.clear()
                    continue
                seen.add(real)
                subdirectories[:] = sorted(name for name in subdirectories if not name.startswith("."))
                links += [path for name in subdirectories if os.path.islink(path := os.path.join(directory, name))]
                found += [
                    Path(directory, name)
                    for name in names
                    if not name.startswith(".") and name.lower().endswith(SUFFIXES_OF[axes])
                ]
        pending = links
    return sorted(found, key=lambda path: natural_key(path.relative_to(root).as_posix()))


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that compares runs of digits as numbers and the rest without regard to case."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], name


def default_cache_dir() -> Path:
    """The directory for decoded images: $DIFFTV_CACHE_DIR, else the user's cache directory of this system."""
    chosen = os.environ.get(CACHE_DIR_VARIABLE, "").strip()
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("difftv") / "images"


def unique_names(paths: Sequence[Path], roots: Sequence[Path] = ()) -> tuple[str, ...]:
    """A short name per file, fit for file names: its stem, made longer only where two files would share it.

    It is made longer by directories below the first of `roots` that holds the file; without one, by those of its path.
    """
    longer: list[Callable[[tuple[str, ...], str], str]] = [
        lambda parts, stem: stem,
        lambda parts, stem: "-".join((*parts[-2:-1], stem)),
        lambda parts, stem: "-".join(parts[-2:]),
        lambda parts, stem: "-".join(parts[-4:]),
    ]
    below = [(_parts_below(path, roots), path.stem) for path in paths]
    names = [longer[0](*each) for each in below]
    for name_of in longer[1:]:
        counts = Counter(names)
        names = [name if counts[name] == 1 else name_of(*each) for name, each in zip(names, below, strict=True)]
    seen: Counter[str] = Counter()
    for position, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[position] = f"{name}~{seen[name]}"
    return tuple(names)


def _parts_below(path: Path, roots: Sequence[Path]) -> tuple[str, ...]:
    root = next((root for root in roots if path.is_relative_to(root)), Path(path.anchor))
    return path.relative_to(root).parts


def _warn(error: OSError) -> None:
    log.warning("cannot list %s: %s", error.filename, error.strerror)
