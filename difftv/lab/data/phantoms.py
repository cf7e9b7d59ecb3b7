"""Small volumes that need no download: generated phantoms of smooth bodies, vessels and plates."""

import io
from pathlib import Path
from typing import ClassVar

import numpy as np

from difftv.arguments import directory, positive_int
from difftv.files import write_atomically
from difftv.lab.data.base import ImageSource, Splits, default_cache_dir

SHAPE = (40, 64, 64)

VERSION = 1
"""Part of the name of the folder: raised whenever the volumes change."""


class Phantoms(ImageSource):
    """Generated volumes of 40x64x64 voxels, 8 bit: for demonstrations and quick tests.

    Each has bodies of constant intensity and of slopes, ellipsoids in any direction, thin bent vessels, a grating and a
    background that varies slowly. They follow from their number alone and are written to a folder once.

    Args:
        root: folder for the files; None = a folder in the user's cache directory.
        train: number of training volumes.
        validation: number of validation volumes.
        test: number of test volumes.

    Raises:
        ValueError: a number is not positive, or root is empty.
    """

    axes: ClassVar[tuple[int, ...]] = (3,)

    def __init__(self, root: Path | str | None = None, train: int = 12, validation: int = 3, test: int = 4) -> None:
        self.root = default_cache_dir() / f"phantoms-{VERSION}" if root is None else directory("root", root)
        wanted = {"train": train, "validation": validation, "test": test}
        self._counts = {name: positive_int(name, value) for name, value in wanted.items()}

    def files(self) -> Splits:
        # Numbers of their own for each part: more of one changes no other.
        parts = {
            name: tuple(self._written(f"{name}-{index:02d}", seed, index) for index in range(count))
            for seed, (name, count) in enumerate(self._counts.items())
        }
        return Splits(parts["train"], parts["validation"], parts["test"], roots=(self.root,))

    def _written(self, name: str, seed: int, index: int) -> Path:
        place = self.root / f"{name}.npy"
        content = io.BytesIO()
        if not place.is_file():
            np.save(content, phantom((seed, index)), allow_pickle=False)
            write_atomically(place, content.getvalue())
        return place


def phantom(seed: tuple[int, ...], shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """A volume, uint8.

    Args:
        seed: numbers that it follows from.
        shape: (depth, height, width).
    """
    generator = np.random.default_rng(seed)
    extent = max(shape)
    places = np.stack(np.meshgrid(*(np.arange(side, dtype=np.float32) for side in shape), indexing="ij"))
    places = (places - np.reshape([side / 2 for side in shape], (3, 1, 1, 1))) / extent
    volume = 0.25 + 0.15 * np.tensordot(generator.normal(size=3), places, axes=1)
    for index in range(14):
        centre = generator.uniform(-0.4, 0.4, 3).reshape(3, 1, 1, 1)
        turned = np.tensordot(_rotation(generator), places - centre, axes=1)
        radii = generator.uniform(0.04, 0.28, 3).reshape(3, 1, 1, 1)
        inside = ((turned / radii) ** 2).sum(axis=0) < 1
        level, slope = generator.uniform(0.1, 0.9), generator.normal(size=3) * (0.8 if index % 2 else 0.0)
        volume = np.where(inside, level + np.tensordot(slope, places - centre, axes=1), volume)
    for _ in range(5):
        start, along = generator.uniform(-0.4, 0.4, 3), _rotation(generator)
        radius, bend, level = generator.uniform(0.012, 0.03), generator.uniform(2, 8), generator.uniform(0.5, 1.0)
        t, a, b = np.tensordot(along, places - start.reshape(3, 1, 1, 1), axes=1)
        volume = np.where(np.hypot(a - 0.05 * np.sin(bend * t), b - 0.05 * np.cos(bend * t)) < radius, level, volume)
    t, a, b = np.tensordot(_rotation(generator), places - generator.uniform(-0.3, 0.3, 3).reshape(3, 1, 1, 1), axes=1)
    grating = 0.5 + 0.2 * np.sin(2 * np.pi * t * generator.uniform(8, 14))
    volume = np.where(t**2 + a**2 + b**2 < 0.18**2, grating, volume)
    return np.round(255 * np.clip(volume, 0.0, 1.0)).astype(np.uint8)


def _rotation(generator: np.random.Generator) -> np.ndarray:
    """An orthogonal matrix, in no preferred direction."""
    return np.linalg.qr(generator.normal(size=(3, 3)))[0]
