"""Volumes and stacks of pages in TIFF, NIfTI and .npy files, with the spacing of their voxels; written likewise."""

import io
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tifffile import PHOTOMETRIC

from difftv.errors import DataError
from difftv.extras import require
from difftv.lab.imagefiles.formats import kind_of
from difftv.lab.imagefiles.reading import read_content

NIFTI = (".nii", ".nii.gz")
SUFFIXES = (*NIFTI, ".npy")
"""Files that hold no image, whatever is in them."""

_Found = tuple[dict[str, Any], tuple[float, float, float] | None]
"""Metadata that is written again, and the spacing."""

_PAGES = ("Z", "T", "Q", "I")
"""Letters of tifffile for an axis of pages: depth, time, unknown, sequence."""


@dataclass(frozen=True)
class VolumeFile:
    """A volume, or a stack of pages, and how it is written again.

    Attributes:
        kind: TIFF, NIfTI or NPY.
        values: (depth, height, width), in the numbers of the file.
        spacing: distance of voxels along the three axes, in any unit of length; None where the file does not say.
        encode: file of other values of that shape and dtype, with the same metadata.
    """

    kind: str
    values: np.ndarray
    spacing: tuple[float, float, float] | None
    encode: Callable[[np.ndarray], bytes]

    def __str__(self) -> str:
        depth, height, width = self.values.shape
        return f"{width}x{height}x{depth} voxels, {self.values.dtype} {self.kind}"


def is_stack(path: Path) -> bool:
    """Whether a file holds a volume or several pages; a file that cannot be read does not."""
    if path.name.lower().endswith(SUFFIXES):
        return True
    try:
        with path.open("rb") as file:
            if kind_of(file.read(16)) != "TIFF":
                return False
        with tifffile.TiffFile(path) as stack:
            return len(stack.pages) > 1 or _planes(stack) > 1
    except Exception:  # damaged: the reader of images says how
        return False


def _planes(stack: tifffile.TiffFile) -> int:
    """Pages of the first image; ImageJ and tifffile put a whole stack behind the tags of its first plane."""
    series = stack.series[0]
    return math.prod(size for letter, size in zip(series.axes, series.shape, strict=True) if letter not in "YXS")


def read_volume(path: Path) -> VolumeFile:
    """Read a file of gray pages.

    Raises:
        DataError: it cannot be read, or holds something else: colours, several channels, more than three axes. The
            message is the reason alone, without the path.
        MissingDependencyError: NIfTI, and nibabel is not installed.
    """
    return parse_volume(read_content(path), path.name)


def parse_volume(content: bytes, name: str) -> VolumeFile:
    """The same of the bytes of a file and its name."""
    name = name.lower()
    try:
        if name.endswith(".npy"):
            found = _npy(content)
        elif name.endswith(NIFTI):
            found = _nifti(content, name)
        else:
            found = _tiff(content)
    except (DataError, ImportError):
        raise
    except Exception as error:  # what readers raise on a damaged file: nearly anything
        raise DataError(f"cannot be read, damaged or of a rare kind: {error or type(error).__name__}") from error
    if found.values.ndim != 3 or found.values.size == 0 or found.values.dtype.kind not in "uif":
        raise DataError(
            f"holds {found.values.dtype} values of shape {found.values.shape}, and a volume has three axes of numbers: "
            "depth, height, width. Split channels and time points into files of their own."
        )
    if not np.isfinite(found.values).all():
        raise DataError("holds NaN or infinity: replace these values first")
    return found


def read_samples(content: bytes, name: str, axes: int) -> np.ndarray:
    """Values of a file with white at full scale: uint8 or uint16 as they are, others as float32 with white = 1.

    Values that have no full scale (other integers, floats beyond [0, 1]) are brought to [0, 1] by their own range.

    Args:
        content: bytes of the file.
        name: name of the file.
        axes: number of axes it must have: 3 (TIFF, NIfTI, .npy) or 1 (.npy).

    Raises:
        DataError: it cannot be read, or holds something else, or one value only. The message is the reason alone.
        MissingDependencyError: NIfTI, and nibabel is not installed.
    """
    values = _values(content, name, axes)
    if values.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(values)
    low, span = scale_of(values) or (float(values.min()), float(values.max()) - float(values.min()))
    if span <= 0:
        raise DataError(f"holds one value only, {low:g}, of a type without a full scale ({values.dtype})")
    return np.ascontiguousarray((values.astype(np.float64) - low) / span, dtype=np.float32)


def has_full_scale(path: Path, axes: int) -> bool:
    """Whether white is the same in every file of that type; else the values are brought to [0, 1] by their own range.

    Args:
        path: file that `read_samples` takes.
        axes: number of its axes, 3 or 1.

    Raises:
        DataError: as for `read_samples`.
    """
    return scale_of(_values(path.read_bytes(), path.name, axes)) is not None


def _values(content: bytes, name: str, axes: int) -> np.ndarray:
    return parse_volume(content, name).values if axes == 3 else _signal(content)


def scale_of(values: np.ndarray) -> tuple[float, float] | None:
    """Black, and the distance from there to white; None where the type and the values do not say."""
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        return 0.0, float(np.iinfo(values.dtype).max)
    low, high = float(values.min()), float(values.max())
    return (0.0, 1.0) if values.dtype.kind == "f" and low >= -0.5 and 0.5 <= high <= 1.5 else None


def _signal(content: bytes) -> np.ndarray:
    try:
        values = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot be read as an .npy file of plain numbers: {error}") from error
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.size == 0 or values.dtype.kind not in "uif":
        raise DataError("a signal has one axis of numbers, and the file holds something else")
    if not np.isfinite(values).all():
        raise DataError("holds NaN or infinity: replace these values first")
    return values


def _npy(content: bytes) -> VolumeFile:
    def encode(values: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        return buffer.getvalue()

    return VolumeFile("NPY", np.load(io.BytesIO(content), allow_pickle=False), None, encode)


def _nifti(content: bytes, name: str) -> VolumeFile:
    require("volumes", "nibabel", by="Reading NIfTI")
    import nibabel

    suffix = next(suffix for suffix in reversed(NIFTI) if name.endswith(suffix))
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / f"volume{suffix}"
        place.write_bytes(content)
        image = nibabel.load(place)
        # The axes of the file are x, y, z; slices come first here.
        values = np.ascontiguousarray(np.asanyarray(image.dataobj).T)
    x, y, z = (float(zoom) for zoom in image.header.get_zooms()[:3])

    def encode(values: np.ndarray) -> bytes:
        header = image.header.copy()
        header.set_data_dtype(values.dtype)
        header.set_slope_inter(1, 0)
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory) / f"volume{suffix}"
            nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values.T), image.affine, header), place)
            return place.read_bytes()

    return VolumeFile("NIfTI", values, (z, y, x) if min(x, y, z) > 0 else None, encode)


def _tiff(content: bytes) -> VolumeFile:
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        series = file.series[0]
        axes, shape = series.axes, series.shape
        kept = "".join(letter for letter, size in zip(axes, shape, strict=True) if size > 1 or letter in "YX")
        if len(kept) == 2:
            kept = f"Z{kept}"
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        gray: dict[int, str] = {PHOTOMETRIC.MINISBLACK: "minisblack", PHOTOMETRIC.MINISWHITE: "miniswhite"}
        if page.photometric not in gray:
            raise DataError("holds colours, and a stack has gray pages: split channels into files of their own")
        if len(file.series) > 1 or len(kept) != 3 or kept[1:] != "YX" or kept[0] not in _PAGES:
            raise DataError(
                f"holds axes {axes} of sizes {shape}, and a stack has gray pages along one axis. Split channels and "
                "time points of volumes into files of their own."
            )
        values = file.asarray(series=0).reshape(-1, *shape[axes.index("Y") : axes.index("Y") + 2])
        options: dict[str, Any] = {
            "byteorder": file.byteorder,
            "bigtiff": file.is_bigtiff,
            "photometric": gray[page.photometric],
            "software": False,
        }
        if page.compression != tifffile.COMPRESSION.NONE:
            options |= {"compression": "adobe_deflate"}
        if 282 in page.tags and 283 in page.tags:
            options["resolution"] = (page.tags[282].value, page.tags[283].value)
            options["resolutionunit"] = page.tags[296].value if 296 in page.tags else 1
        if file.is_imagej:
            metadata, spacing = _imagej(dict(file.imagej_metadata or {}), page)
            options |= {"imagej": True, "byteorder": ">", "metadata": {**metadata, "axes": kept}}
            options.pop("bigtiff")
        elif file.is_ome and file.ome_metadata:
            metadata, spacing = _ome(file.ome_metadata)
            options |= {"ome": True, "metadata": {**metadata, "axes": kept}}
        else:
            spacing, options["metadata"] = None, {"axes": kept}

    def encode(values: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, values, **options)
        return buffer.getvalue()

    return VolumeFile("TIFF", values, spacing, encode)


def _imagej(metadata: dict[str, Any], page: tifffile.TiffPage) -> _Found:
    kept: dict[str, Any] = {key: metadata[key] for key in ("spacing", "unit", "Info", "min", "max") if key in metadata}
    depth = metadata.get("spacing")
    if depth is None or 282 not in page.tags or 283 not in page.tags:
        return kept, None
    # Resolutions are pixels per unit, as fractions.
    x, y = (below / max(above, 1) for above, below in (page.tags[282].value, page.tags[283].value))
    return kept, (float(depth), y, x) if min(float(depth), y, x) > 0 else None


def _ome(text: str) -> _Found:
    image = tifffile.xml2dict(text)["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    names = [f"PhysicalSize{axis}" for axis in "ZYX"]
    kept = {key: pixels[key] for name in names for key in (name, f"{name}Unit") if key in pixels}
    if not all(name in pixels for name in names):
        return kept, None
    z, y, x = (float(pixels[name]) for name in names)
    return kept, (z, y, x) if min(z, y, x) > 0 else None
