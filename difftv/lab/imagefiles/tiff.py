"""TIFF of 8 to 16 bit or floats, gray and RGB, by tifffile: imageio's Pillow plugin reads 16-bit colour at 8 bit."""

import io
import logging
import math
import struct
from collections.abc import Callable
from typing import Any

import imageio.v3 as iio
import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, TiffPage

from difftv.errors import DataError
from difftv.lab.imagefiles.base import Decoded, Samples
from difftv.lab.imagefiles.formats import MAX_PIXELS

COLOURS: dict[int, int] = {PHOTOMETRIC.MINISWHITE: 1, PHOTOMETRIC.MINISBLACK: 1, PHOTOMETRIC.RGB: 3}
"""Photometric interpretation -> samples without alpha."""

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its remarks on odd tags; what matters is raised

ORIENTATION = 274
SHORT = 3


def decode(content: bytes, *, floats: bool = False) -> Decoded | None:
    """The first image of a gray or RGB TIFF of 8 to 16 bit; None for what Pillow decodes without loss.

    That is palettes, YCbCr, CMYK and less than 8 bit. Floating-point pixels are refused unless `floats`.

    Raises:
        DataError: a volume, too many pixels, or pixels whose full scale is unknown.
    """
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = _first_page(file)
        _check_size(page)
        colours, bits = COLOURS.get(page.photometric), page.bitspersample
        is_float = page.dtype is not None and page.dtype.kind == "f" and floats and colours is not None
        if page.dtype is not None and page.dtype.kind not in "bu" and not is_float:
            kind = "floating-point" if page.dtype.kind == "f" else "signed"
            raise DataError(f"{kind} pixels ({page.dtype}) have no known full scale: convert the file to 8 or 16 bit")
        if bits > 16 and not is_float:
            raise DataError(f"{bits}-bit integer pixels have no known full scale: convert the file to 8 or 16 bit")
        if colours is None or bits < 8:
            return None
        extra = page.samplesperpixel - colours
        if extra < 0:
            raise DataError(f"{page.samplesperpixel} samples per pixel are too few for RGB")
        planar, white_is_zero = page.axes == "SYX", page.photometric == PHOTOMETRIC.MINISWHITE
        premultiplied = extra > 0 and page.extrasamples[:1] == (EXTRASAMPLE.ASSOCALPHA,)
        why_not = _stack(file) or ("" if extra < 2 else f"holds {page.samplesperpixel} samples per pixel: convert it")
    samples = np.asarray(iio.imread(content, plugin="tifffile", index=..., page=0))  # type: ignore[arg-type]
    samples = np.moveaxis(samples, 0, -1) if planar else samples.reshape(*samples.shape[:2], -1)
    samples = samples[..., : colours + min(extra, 1)]
    samples = samples.astype(np.float32) if is_float else _to_full_scale(samples, bits)
    if white_is_zero and is_float:
        raise DataError("floating-point pixels of which 0 is white: convert the file")
    if white_is_zero:
        samples = np.concatenate([np.invert(samples[..., :1]), samples[..., 1:]], axis=-1)
    return Decoded("TIFF", samples, premultiplied, why_not)


def why_not_written(content: bytes) -> str:
    """Why one image cannot stand for the whole file; empty where it can."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        return _stack(file)


def upright(content: bytes) -> bytes:
    """The same file with an Orientation of 1: Pillow turns the pixels of a TIFF as its tag says, and no other's."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        tag = _first_page(file).tags.get(ORIENTATION)
        if tag is None:
            return content
        form = "HHQH6x" if file.is_bigtiff else "HHIH2x"
        entry = struct.pack(file.byteorder + form, ORIENTATION, SHORT, 1, 1)
    return content[: tag.offset] + entry + content[tag.offset + len(entry) :]


def encode(content: bytes, samples: Samples, extras: dict[str, Any]) -> bytes:
    """A TIFF of these samples, in byte order, size of offsets and transparency like the TIFF `content`.

    Compressed files stay compressed, without loss (deflate). `extras` is a selection of `extras_of(content)`.
    """
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = _first_page(file)
        packed, big, order = page.compression != COMPRESSION.NONE, file.is_bigtiff, file.byteorder
        transparency = (page.extrasamples or (EXTRASAMPLE.UNASSALPHA,))[:1]
    count = samples.shape[-1]
    merged = {key: value for options in extras.values() for key, value in options.items()}
    container: dict[str, Any] = {"bigtiff": big, "byteorder": order}
    with iio.imopen("<bytes>", "w", plugin="tifffile", **container) as target:
        return target.write(
            samples.squeeze(-1) if count == 1 else samples,
            photometric="rgb" if count > 2 else "minisblack",
            planarconfig="contig" if count > 1 else None,
            extrasamples=transparency if count in (2, 4) else None,
            compression="adobe_deflate" if packed else None,
            predictor=packed and samples.dtype.kind != "f",
            metadata=None,
            software=False,
            **merged,
        )


def extras_of(content: bytes) -> dict[str, dict[str, Any]]:
    """What is no pixel and is copied: name -> options for the writer, empty where a tag cannot be understood.

    The description is among them because the unit of a pixel's size stands there in microscopy (ImageJ, OME).
    tifffile's own description of an array's shape is not: it would no longer be true of a palette.
    """
    found: dict[str, dict[str, Any]] = {}
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        tags = _first_page(file).tags
        options: dict[str, tuple[bool, Callable[[], dict[str, Any]]]] = {
            "colour profile": (34675 in tags, lambda: {"iccprofile": tags[34675].value}),
            "resolution": (
                282 in tags and 283 in tags,
                lambda: {
                    "resolution": (tags[282].value, tags[283].value),
                    "resolutionunit": tags[296].value if 296 in tags else 2,
                },
            ),
            "description": (270 in tags and not file.is_shaped, lambda: {"description": _raw(content, tags[270])}),
            "orientation": (
                ORIENTATION in tags,
                lambda: {"extratags": [(ORIENTATION, SHORT, 1, int(tags[ORIENTATION].value), True)]},
            ),
        }
        for name, (there, read) in options.items():
            if there:
                try:
                    found[name] = read()
                except Exception:  # a tag of another type or length than it should have
                    found[name] = {}
    return found


def _raw(content: bytes, tag: tifffile.TiffTag) -> bytes:
    """A text as it stands in the file, in whatever letters."""
    return content[tag.valueoffset : tag.valueoffset + tag.count].rstrip(b"\0")


def _first_page(file: tifffile.TiffFile) -> TiffPage:
    page = file.pages[0]
    assert isinstance(page, TiffPage)
    return page


def _check_size(page: TiffPage) -> None:
    if page.imagewidth * page.imagelength * page.imagedepth > MAX_PIXELS:
        raise DataError(f"{page.imagewidth}x{page.imagelength} pixels: taken for a decompression bomb")
    if page.imagedepth > 1:
        raise DataError(f"a volume of {page.imagedepth} planes, not an image: split it into files of one image each")


def _stack(file: tifffile.TiffFile) -> str:
    if len(file.pages) != 1:
        return f"holds {len(file.pages)} pages: split it into files of one image each"
    # ImageJ and tifffile put a whole stack behind the tags of its first plane.
    try:
        behind = math.prod(file.series[0].shape) // max(1, math.prod(_first_page(file).shape))
    except Exception:  # a description that contradicts itself describes nothing
        return ""
    return f"holds a stack of {behind} planes: split it into files of one image each" if behind > 1 else ""


def _to_full_scale(samples: Samples, bits: int) -> Samples:
    if bits in (8, 16):
        return samples
    white = 2**bits - 1
    return ((samples.astype(np.uint32) * 65535 + white // 2) // white).astype(np.uint16)
