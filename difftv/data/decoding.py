"""From a file of unknown origin to one gray image, or an error that says why not."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt
from PIL import Image

from difftv.errors import DataError

GrayImage = UInt[np.ndarray, "height width"]
"""uint8 in 0..255 or uint16 in 0..65535."""

DECODER_VERSION = 1
"""Part of every cache key: raise it when `decode_gray` gives other pixels than before."""

# Only formats that are decoded by compiled code alone. Pillow would otherwise hand an EPS file, whatever its name, to
# the PostScript interpreter.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000")

MAX_PIXELS = 89_478_485
"""Images above this (Pillow's own threshold) are taken for decompression bombs."""


def decode_gray(path: Path) -> GrayImage:
    """Read an image file as gray, at the precision it is stored with.

        Y = 0.299 R + 0.587 G + 0.114 B      (ITU-R BT.601 luma, rounded to 8 bit)

    Gray images are taken as they are: 8-bit ones as uint8, 16-bit ones as uint16. Colour, palette and CMYK images
    become luma. Transparency is ignored: the colour under a transparent pixel counts. The EXIF orientation is ignored
    too: the pixels are taken as stored (nothing here prefers a direction, and a broken tag then cannot cost an image).
    Of several frames or pages the first is read. 16-bit colour is read at 8 bit, which is what Pillow offers.

    Raises:
        DataError: the file cannot be read, is damaged, too large, or of a kind whose full scale is unknown. The message
            is the reason alone, without the path.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image)
            return _gray(image)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"more than {MAX_PIXELS} pixels: taken for a decompression bomb") from None
    # A damaged file makes decoders raise nearly anything: OSError, SyntaxError, struct.error, OverflowError, ...
    except Exception as error:
        raise DataError(_reason(error, path)) from error


def full_scale(image: GrayImage) -> float:
    """The value that stands for intensity 1: 255 or 65535."""
    return float(np.iinfo(image.dtype).max)


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(f"{width}x{height} pixels, more than {MAX_PIXELS}: taken for a decompression bomb")


def _gray(image: Image.Image) -> GrayImage:
    if image.mode == "F":
        raise DataError("floating-point pixels have no known full scale; convert the file to 8 or 16 bit")
    if image.mode.startswith("I;16"):
        return np.ascontiguousarray(image, dtype=np.uint16)
    if image.mode == "I":
        return _sixteen_bit(image)
    if image.mode in ("L", "1"):
        return np.array(image.convert("L"))
    return np.array(image.convert("RGB").convert("L"))


def _sixteen_bit(image: Image.Image) -> GrayImage:
    # Pillow scales a PGM of any depth to 0..65535 in 32-bit integers; a PNG never holds more than 16 bit.
    if image.format not in ("PPM", "PNG"):
        raise DataError("32-bit integer pixels have no known full scale; convert the file to 8 or 16 bit")
    return np.array(image).astype(np.uint16)


def _reason(error: Exception, path: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a directory, not an image"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, Image.UnidentifiedImageError):
        empty = path.is_file() and path.stat().st_size == 0
        return "the file is empty" if empty else f"not an image in one of the formats {', '.join(FORMATS)}"
    return f"cannot be decoded: {error}" if str(error) else f"cannot be decoded ({type(error).__name__})"
