"""From the bytes of a file of unknown origin to its samples: the one reader of image files.

imageio decodes, by its plugins for Pillow and tifffile. Pillow and tifffile are asked directly for what stands in a
file's head; `difftv.lab.imagefiles.png` says where another decoder has to do.
"""

import io
from typing import Any

import imageio.v3 as iio
import numpy as np
from imageio.plugins.pillow import PillowPlugin
from PIL import Image
from PIL.ImageFile import ImageFile as PillowImage

from difftv.errors import DataError
from difftv.lab.imagefiles import png, tiff
from difftv.lab.imagefiles.base import Decoded, Samples
from difftv.lab.imagefiles.formats import MAX_PIXELS, READ_ONLY, STARTS, WRITTEN, kind_of

MODES = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBA": "RGBA", "YCbCr": "RGB",
         "CMYK": "RGB", "RGBX": "RGB"}  # fmt: skip
"""Pillow's kind of pixel -> the one that it is converted to without loss, or nearly so (CMYK)."""


def decode(content: bytes, *, floats: bool = False) -> Decoded:
    """The first image of a file. Safe in several threads, so Pillow's warnings of odd metadata are left to the caller.

    Args:
        content: bytes of the file.
        floats: whether a TIFF may hold floating-point pixels, which come as float32 and may be NaN.

    Raises:
        DataError: not an image, damaged, too large, or pixels without a known full scale. The message is the reason
            alone, without the path.
    """
    if not content:
        raise DataError("the file is empty")
    kind = kind_of(content)
    try:
        found = tiff.decode(content, floats=floats) if kind == "TIFF" else None
        return found or _by_pillow(content)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"more than {MAX_PIXELS} pixels: taken for a decompression bomb") from None
    except Image.UnidentifiedImageError:
        if kind is None:
            raise DataError(f"not an image in one of the formats {', '.join(STARTS)}") from None
        raise DataError(f"begins like a {kind} file and cannot be decoded: damaged, or of a rare kind") from None
    # A damaged file makes decoders raise nearly anything: OSError, SyntaxError, struct.error, OverflowError, ...
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise DataError(
            f"cannot be decoded, the {kind or 'file'} is damaged, cut off or of a rare kind: {reason}"
        ) from error


def _by_pillow(content: bytes) -> Decoded:
    with Image.open(io.BytesIO(content), formats=tuple(STARTS)) as image:
        _check_size(image)
        # A telephone's JPEG with a preview or a depth map behind the photograph.
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        why_not = _why_not_written(kind, image)
        if kind == "PNG" and png.needs_libpng(content):
            return Decoded(kind, png.decode(content), why_not_written=why_not)
        if kind == "TIFF":
            why_not = why_not or tiff.why_not_written(content)
            content = tiff.upright(content)
        return Decoded(kind, _samples(content, image), why_not_written=why_not)


def _check_size(image: PillowImage) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(f"{width}x{height} pixels, more than {MAX_PIXELS}: taken for a decompression bomb")


def _why_not_written(kind: str, image: PillowImage) -> str:
    if kind in READ_ONLY:
        return f"{kind} {READ_ONLY[kind]}: convert the file to PNG or TIFF"
    assert kind in WRITTEN
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        return f"holds {frames} frames or pages: split it into files of one image each"
    if kind == "PPM" and image.mode == "RGB" and _ppm_maximum(image) > 255:
        return "PPM with more than 8 bit per colour is read at 8 bit only: convert the file to PNG or TIFF"
    if kind == "BMP" and image.mode == "RGBA":
        return "BMP with transparency is written without it: convert the file to PNG"
    if image.mode == "CMYK":
        return "pixels of the kind CMYK are not supported: convert the file to gray or RGB, 8 or 16 bit"
    return ""


def _samples(content: bytes, head: PillowImage) -> Samples:
    if head.mode == "F":
        raise DataError("floating-point pixels have no known full scale: convert the file to 8 or 16 bit")
    if head.mode == "I" and head.format not in ("PPM", "PNG"):
        raise DataError("32-bit integer pixels have no known full scale: convert the file to 8 or 16 bit")
    if head.mode == "I" or head.mode.startswith("I;16"):
        # Pillow scales a PGM of any depth to 0..65535 in 32-bit integers; a PNG never holds more than 16 bit.
        return _decoded(content, None).astype(np.uint16)[..., None]
    if head.mode not in MODES:
        raise DataError(
            f"pixels of the kind {head.mode} are not supported: convert the file to gray or RGB, 8 or 16 bit"
        )
    mode = MODES[head.mode]
    # A colour that counts as transparent would not survive denoising; as a channel it does.
    if "transparency" in head.info and not mode.endswith("A"):
        mode = "LA" if mode == "L" else "RGBA"
    samples = _decoded(content, mode)
    return samples[..., None] if samples.ndim == 2 else samples


def _decoded(content: bytes, mode: str | None) -> np.ndarray:
    with iio.imopen(content, "r", plugin=_Pixels) as file:
        assert isinstance(file, _Pixels)
        return file.read(index=0, mode=mode)  # type: ignore[arg-type]


class _Pixels(PillowPlugin):
    """imageio's plugin without its look at the metadata: damaged EXIF data must not cost the image."""

    def metadata(self, *_: object, **__: object) -> dict[str, Any]:
        return {}


def _ppm_maximum(image: PillowImage) -> int:
    """The value that the file's header gives for white; Pillow tells its decoder wherever it is not 255."""
    arguments = image.tile[0].args
    return int(arguments[-1]) if isinstance(arguments, tuple) else 255
