"""Measured data in `.npz` files: measurements, what defines the operator, and the clean image where it is known.

    measurements   y of one image, without an axis for the batch; real or complex
    mask           (height, width), 1 = measured: missing pixels; of complex measurements, Fourier sampling
                   (orthonormal FFT, frequency 0 in the corner, measurements (1 or coils, height, width))
    coil_maps      (coils, height, width), complex, beside a mask
    kernel         (height, width), and `boundary`: circular (default), symmetric or valid: blur
    angles         (n,), radians, and `image_shape` (height, width): parallel rays a pixel apart, measurements
                   (1, n, detectors), line integrals over the longer side of the image, as `forward=ct` has them
    clean          (height, width), in the units of the reconstruction; optional
    crop           top, left, height, width of the part that is scored; optional. `clean` may be that part alone
    data_weight    like the measurements; optional

Nothing in a file can run code: objects are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from difftv.errors import DataError
from difftv.lab.forward import Measured
from difftv.linear import Convolution, ForwardOperator, Fourier, Mask, Matrix, parallel_beam
from difftv.types import Image

SUFFIX = ".npz"

_OPTIONAL = {"clean", "crop", "data_weight"}
_OF_OPERATOR = {"mask": {"coil_maps"}, "kernel": {"boundary"}, "angles": {"image_shape"}}
"""What defines an operator -> what may stand beside it."""


@final
@dataclass(frozen=True, eq=False)
class MeasuredImage:
    """One file.

    Attributes:
        name: its stem.
        measured: measurements and operator, a batch of one.
        data_weight: like the measurements, or None.
        clean: (1, 1, height, width) of the scored part, or None.
        crop: the scored part, as slices of rows and columns.
    """

    name: str
    measured: Measured
    data_weight: Tensor | None
    clean: Image | None
    crop: tuple[slice, slice]

    def scored(self, image: Tensor) -> Tensor:
        """The part of a reconstruction (1, channels, height, width) that is compared with the clean image."""
        return image[..., self.crop[0], self.crop[1]]


def read_measured(path: Path, channels: int = 1) -> MeasuredImage:
    """The content of a file.

    Args:
        path: a `.npz` file.
        channels: channels of the reconstruction: 2 = complex images of Fourier measurements.

    Raises:
        DataError: it cannot be read, or an entry is missing, unknown, or does not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            entries = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an .npz file of plain arrays: {error}") from error
    try:
        return _image(path.stem, entries, channels)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{path}: {error}") from error


def _image(name: str, entries: Mapping[str, np.ndarray], channels: int) -> MeasuredImage:
    kinds = [kind for kind in _OF_OPERATOR if kind in entries]
    if "measurements" not in entries or len(kinds) != 1:
        raise ValueError(
            f"it must hold measurements and one of {', '.join(_OF_OPERATOR)}; it holds {', '.join(sorted(entries))}."
        )
    known = {"measurements", kinds[0]} | _OF_OPERATOR[kinds[0]] | _OPTIONAL
    if unknown := sorted(set(entries) - known):
        raise ValueError(f"unknown entries {', '.join(unknown)}. Known beside {kinds[0]}: {', '.join(sorted(known))}.")
    data = _tensor("measurements", entries["measurements"])[None]
    operator, space = _operator(kinds[0], entries, data, channels)
    weight = _tensor("data_weight", entries["data_weight"])[None] if "data_weight" in entries else None
    crop = _crop(entries.get("crop"), space)
    clean = None
    if "clean" in entries:
        clean = _tensor("clean", entries["clean"])[None, None]
        if tuple(clean.shape[2:]) == space:
            clean = clean[..., crop[0], crop[1]]
        wanted = tuple(side.stop - side.start for side in crop)
        if clean.ndim != 4 or tuple(clean.shape[2:]) != wanted:
            raise ValueError(f"clean must have shape {space} or {wanted}, got {tuple(entries['clean'].shape)}.")
    return MeasuredImage(name, Measured(data, operator), weight, clean, crop)


def _operator(
    kind: str, entries: Mapping[str, np.ndarray], data: Tensor, channels: int
) -> tuple[ForwardOperator, tuple[int, int]]:
    """A, and (height, width) of the images."""
    if kind == "kernel":
        boundary = str(entries["boundary"]) if "boundary" in entries else "circular"
        kernel = _tensor("kernel", entries["kernel"])
        blur = Convolution(kernel, boundary)
        more = (kernel.shape[0] - 1, kernel.shape[1] - 1) if boundary == "valid" else (0, 0)
        return blur, (data.shape[-2] + more[0], data.shape[-1] + more[1])
    if kind == "angles":
        if "image_shape" not in entries:
            raise ValueError("image_shape (height, width) must stand beside angles.")
        height, width = (int(side) for side in entries["image_shape"])
        angles = np.asarray(entries["angles"], dtype=float)
        if data.ndim != 4 or data.shape[1:3] != (1, len(angles)):
            raise ValueError(f"measurements must be (1, {len(angles)}, detectors), got {tuple(data.shape[1:])}.")
        rays = parallel_beam((height, width), angles, data.shape[3]) / max(height, width)
        return Matrix(rays, (height, width), tuple(data.shape[1:])), (height, width)
    mask = torch.from_numpy(np.asarray(entries["mask"], dtype=np.float32))
    if mask.ndim != 2 or tuple(mask.shape) != tuple(data.shape[-2:]) or data.ndim != 4:
        raise ValueError(
            f"mask must be (height, width) and measurements (channels or coils, height, width); got "
            f"{tuple(mask.shape)} and {tuple(data.shape[1:])}."
        )
    space = (mask.shape[0], mask.shape[1])
    if not data.is_complex():
        return Mask(mask), space
    coils = _tensor("coil_maps", entries["coil_maps"])[None] if "coil_maps" in entries else None
    return Fourier(mask, coils, channels), space


def _tensor(name: str, values: np.ndarray) -> Tensor:
    if values.dtype.kind not in "fciub":
        raise ValueError(f"{name} must hold numbers, got dtype {values.dtype}.")
    return torch.from_numpy(values.astype(np.complex64 if values.dtype.kind == "c" else np.float32))


def _crop(given: Any, space: tuple[int, int]) -> tuple[slice, slice]:
    if given is None:
        return slice(0, space[0]), slice(0, space[1])
    numbers = [int(number) for number in np.ravel(given)]
    inside = len(numbers) == 4 and all(
        low >= 0 and size > 0 and low + size <= side
        for low, size, side in zip(numbers[:2], numbers[2:], space, strict=True)
    )
    if not inside:
        raise ValueError(f"crop must be top, left, height, width within {space}, got {numbers}.")
    top, left, height, width = numbers
    return slice(top, top + height), slice(left, left + width)
