"""From a file of unknown origin to its channels, or an error that says why not."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile as PillowImage

from difftv.errors import DataError
from difftv.imagefiles import png, tiff
from difftv.imagefiles.base import ImageFile, Samples

# Only formats that are decoded by compiled code alone. Pillow would otherwise hand an EPS file, whatever its name, to
# the PostScript interpreter.
FORMATS = ("PNG", "TIFF", "JPEG", "WEBP", "BMP", "PPM")

NOT_WRITTEN = {"GIF": "holds 256 colours at most", "JPEG2000": "is read at 8 bit only, whatever its depth"}
"""Formats that are known and refused, since a denoised image would come back poorer."""

MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
"""Images above this are taken for decompression bombs, by Pillow as well."""


def read_image(path: Path) -> ImageFile:
    """Read a gray or colour image, 8 or 16 bit, with its transparency.

    1-bit and palette images come as 8-bit gray and RGB. The pixels are taken as stored: an EXIF orientation stays a tag
    of the file, which `encode_like` keeps.

    Raises:
        DataError: the file cannot be read, is damaged, too large, or of a kind that could not be written again without
            a loss of depth. The message is the reason alone, without the path.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError("not a file" + (f": give {path / '*.png'}, for example" if path.is_dir() else ""))
        content = path.read_bytes()
    except OSError as error:
        raise DataError("no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)) from error
    if not content:
        raise DataError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            kind, samples = _decode(content)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"more than {MAX_PIXELS} pixels: taken for a decompression bomb") from None
    except Image.UnidentifiedImageError:
        raise DataError(f"not an image in one of the formats {', '.join(FORMATS)}") from None
    # A damaged file makes decoders raise nearly anything: OSError, SyntaxError, struct.error, OverflowError, ...
    except Exception as error:
        raise DataError(f"cannot be decoded: {str(error) or type(error).__name__}") from error
    planes = np.ascontiguousarray(np.moveaxis(samples, -1, 0))
    if len(planes) in (2, 4):
        return ImageFile(kind, planes[:-1], planes[-1], content)
    return ImageFile(kind, planes, None, content)


def _decode(content: bytes) -> tuple[str, Samples]:
    if tiff.is_tiff(content):
        samples = tiff.decode(content, MAX_PIXELS)
        if samples is not None:
            return "TIFF", samples
    with Image.open(io.BytesIO(content), formats=(*FORMATS, *NOT_WRITTEN)) as image:
        # A telephone's JPEG with a preview or a depth map behind the photograph.
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        if kind in NOT_WRITTEN:
            raise DataError(f"{kind} {NOT_WRITTEN[kind]}: convert the file to PNG or TIFF")
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":
            raise DataError(f"holds {frames} frames or pages: split it into files of one image each")
        if kind == "PNG" and png.is_deep(content):
            return kind, png.decode_deep(content)
        return kind, _shallow(image)


def _shallow(image: PillowImage) -> Samples:
    """What Pillow decodes without loss: up to 8 bit, and 16-bit gray PGM."""
    if image.format == "PPM" and image.mode == "I":
        return np.asarray(image).astype(np.uint16)[..., None]
    if image.format == "PPM" and image.mode == "RGB" and _ppm_maximum(image) > 255:
        raise DataError("PPM with more than 8 bit per colour is read at 8 bit only: convert the file to PNG or TIFF")
    modes = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBA": "RGBA", "YCbCr": "RGB"}
    if image.format == "BMP" and image.mode == "RGBA":
        raise DataError("BMP with transparency is written without it: convert the file to PNG")
    if image.mode not in modes:
        raise DataError(
            f"pixels of the kind {image.mode} are not supported: convert the file to gray or RGB, 8 or 16 bit"
        )
    mode = modes[image.mode]
    # A colour that counts as transparent would not survive denoising; as a channel it does.
    if "transparency" in image.info and not mode.endswith("A"):
        mode = "LA" if mode == "L" else "RGBA"
    samples = np.array(image.convert(mode))
    return samples[..., None] if samples.ndim == 2 else samples


def _ppm_maximum(image: PillowImage) -> int:
    """The value that the file's header gives for white; Pillow tells its decoder wherever it is not 255."""
    arguments = image.tile[0].args
    return int(arguments[-1]) if isinstance(arguments, tuple) else 255
