"""What a data set is: three lists of image files. Everything later (decoding, crops, noise) is the same for all."""

import abc
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".pnm", ".jp2"}
)


@dataclass(frozen=True)
class Splits:
    """The files of a data set. An empty `test` means: evaluate on the validation images."""

    train: tuple[Path, ...]
    validation: tuple[Path, ...]
    test: tuple[Path, ...] = ()


class ImageSource(abc.ABC):
    """A set of clean images. Subclasses write `files`; nothing else is needed."""

    @abc.abstractmethod
    def files(self) -> Splits:
        """The image files, in an order that is the same on every machine; no image is opened.

        Raises:
            DataError: images are missing; the message says what to do.
        """


def image_files(root: Path) -> list[Path]:
    """Every image file under `root`, recursively, in natural order (2.png before 10.png).

    A file is taken for an image by its suffix. Names that begin with a dot are left out: editors, file managers and
    archives leave such copies behind. A directory that cannot be listed is named in a warning.
    """
    found = [
        Path(directory, name)
        for directory, subdirectories, names in os.walk(root, onerror=_warn)
        if _keep_visible(subdirectories)
        for name in names
        if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES
    ]
    return sorted(found, key=lambda path: natural_key(path.relative_to(root).as_posix()))


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that compares runs of digits as numbers and the rest without regard to case."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], name


def _keep_visible(subdirectories: list[str]) -> bool:
    subdirectories[:] = [name for name in subdirectories if not name.startswith(".")]
    return True


def _warn(error: OSError) -> None:
    log.warning("cannot list %s: %s", error.filename, error.strerror)
