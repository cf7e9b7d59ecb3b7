"""Crops of signals, images and volumes: where they lie, their symmetries, and the tensors made of them."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, UInt

from difftv.arguments import is_integer
from difftv.errors import DataError
from difftv.lab.data.cache import CleanImages
from difftv.lab.data.decoding import Pixels, full_scale
from difftv.space import AXES, KINDS, by_size
from difftv.types import Image

log = logging.getLogger(__name__)

Crop = UInt[np.ndarray, "..."] | Float32[np.ndarray, "..."]
"""Part of the pixels of an image, (*space) or (*space, 3)."""

Size = int | Sequence[int]
"""Side of a crop in pixels, or one side per axis, first axis first."""

NUM_SYMMETRIES = 16
"""The 8 flips and quarter turns of an image, and those of every slice of a volume with its depth flipped or not."""


def crop_size(name: str, size: Size, axes: int) -> tuple[int, ...]:
    """Sides of a crop along every axis.

    Args:
        name: name of the argument, for messages.
        size: one side for all axes, or one per axis.
        axes: number of axes.

    Raises:
        ValueError: neither.
    """
    sides = [size] * axes if is_integer(size) else size
    if not isinstance(sides, Sequence) or isinstance(sides, str) or len(sides) != axes or not _positive(sides):
        raise ValueError(
            f"{name} must be a positive integer, or one per axis of {KINDS[axes]} ({', '.join(AXES[axes])}), got "
            f"{size!r}."
        )
    return tuple(map(int, sides))


def large_enough(images: CleanImages, sides: Sequence[int]) -> list[int]:
    """Indices of the images that hold a crop; the others are named in a warning.

    Raises:
        DataError: none does.
    """
    usable = [
        index
        for index, shape in enumerate(images.shapes)
        if all(length >= side for length, side in zip(shape, sides, strict=True))
    ]
    size = sides[0] if len(set(sides)) == 1 else [*sides]
    if not usable:
        largest = max(images.shapes, key=min)
        smaller = min(largest) if len(set(sides)) == 1 else [*map(min, zip(largest, sides, strict=True))]
        raise DataError(
            f"patch_size={size} is larger than every image (the largest has {by_size(largest)} pixels). "
            f"Set patch_size={smaller} or less."
        )
    if small := sorted(set(range(len(images))) - set(usable)):
        named = ", ".join(f"{images.names[index]} ({by_size(images.shapes[index])})" for index in small)
        log.warning(
            "%d of %d images are smaller than patch_size=%s and left out: %s", len(small), len(images), size, named
        )
    return usable


def centre(shape: Sequence[int], sides: Sequence[int]) -> tuple[int, ...]:
    """First pixel of the crop in the middle of an image."""
    return tuple((length - side) // 2 for length, side in zip(shape, sides, strict=True))


def drawn(shape: Sequence[int], sides: Sequence[int], words: Sequence[int]) -> tuple[int, ...]:
    """First pixel of a crop anywhere in an image, with equal chances.

    Args:
        shape: size of the image, without its channels.
        sides: size of the crop.
        words: random 64-bit numbers, for the last axes first: rows and columns, then the depth of a volume.
    """
    # The words are far larger than what they are reduced to: the modulo favours no position measurably.
    places = [length - side + 1 for length, side in zip(shape, sides, strict=True)]
    order = [words[2], *words[:2]] if len(places) == 3 else words[: len(places)]
    return tuple(word % free for word, free in zip(order, places, strict=True))


def cut(image: Pixels, corner: Sequence[int], sides: Sequence[int]) -> Crop:
    """The pixels from `corner` on."""
    return image[tuple(slice(first, first + side) for first, side in zip(corner, sides, strict=True))]


def turned(crop: Crop, symmetry: int, axes: int, quarter_turns: bool = True) -> Crop:
    """One of the symmetries: quarter turns of the last two axes (half turns where they differ in length, or where
    `quarter_turns` is False), then perhaps a flip of rows, and of the depth of a volume; of a signal a flip."""
    if axes == 1:
        return crop[::-1] if symmetry % 2 else crop
    plane = (axes - 2, axes - 1)
    square = crop.shape[plane[0]] == crop.shape[plane[1]]
    turns = (symmetry % 4 if quarter_turns else symmetry % 4 // 2 * 2) if square else 2 * (symmetry % 2)
    crop = np.rot90(crop, turns, plane)
    if symmetry % 8 >= 4:
        crop = np.flip(crop, plane[1])
    return np.flip(crop, 0) if axes == 3 and symmetry >= 8 else crop


def to_tensor(pixels: Pixels | Crop, axes: int = 2) -> Image:
    """(1, 1 or 3, *space) float32 in [0, 1], from integers of 8 or 16 bit, or from floats that are.

    Args:
        pixels: (*space), or (*space, 3) of colours.
        axes: number of axes of space.
    """
    found = torch.from_numpy(pixels.astype(np.float32) / np.float32(full_scale(pixels)))
    return found[None, None] if found.ndim == axes else found.movedim(-1, 0).contiguous()[None]


def _positive(values: Sequence[object]) -> bool:
    return all(is_integer(value) and value > 0 for value in values)  # type: ignore[operator]
