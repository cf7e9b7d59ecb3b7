"""New channels in the manner of the file that the old ones came in."""

import io
from collections.abc import Callable
from typing import Any

import imageio.v3 as iio
import numpy as np
from PIL import Image

from difftv.lab.imagefiles import png, tiff
from difftv.lab.imagefiles.base import Channels, ImageFile, Samples

JPEG_QUALITY = 95
"""Of libjpeg's 100, with full-resolution chroma: the error of the compression is far below that of the denoising."""

NAMES = {"icc_profile": "colour profile", "dpi": "resolution", "exif": "EXIF data"}
"""What Pillow calls the things beside the pixels that are copied, in words."""

Extras = dict[str, dict[str, Any]]
"""Name of a thing that is no pixel -> the writer's options that copy it."""


def encode_like(original: ImageFile, channels: Channels) -> bytes:
    """A file with these channels and the original's format, depth, transparency, colour profile and resolution.

    PNG, TIFF, BMP, PPM and WebP are written without loss, JPEG at quality 95 with full-resolution chroma. Palettes
    become RGB, fewer than 8 bit become 8 bit, 9 to 15 bit 16. An orientation stays a tag: TIFF keeps it with its
    description, the others with their EXIF data. Other tags and texts are not copied, nor what `not_copied` names.

    Args:
        original: the file as `read_image` gave it.
        channels: channels of the shape and type of `original.channels`.

    Raises:
        ValueError: another shape or type.
    """
    old = original.channels
    if channels.shape != old.shape or channels.dtype != old.dtype:
        raise ValueError(f"expected {old.dtype} {old.shape} as in the original, got {channels.dtype} {channels.shape}.")
    planes = channels if original.alpha is None else np.concatenate([channels, original.alpha[None]])
    samples = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    return _writer(original)(samples, _extras(original)[0])


def not_copied(original: ImageFile) -> tuple[str, ...]:
    """What `encode_like` has to leave out, in words: no library would write it (damaged, too long, out of range)."""
    return _extras(original)[1]


def _extras(original: ImageFile) -> tuple[Extras, tuple[str, ...]]:
    """What is copied, and the names of what cannot be: each is tried on an image of a single pixel."""
    write = _writer(original)
    kept: Extras = {}
    lost = []
    for name, options in _found(original).items():
        if not options:
            lost.append(name)
            continue
        try:
            write(np.zeros((1, 1, 1), np.uint8), {name: options})
            kept[name] = options
        except Exception:  # Writers raise nearly anything for such values: ValueError, struct.error, KeyError, ...
            lost.append(name)
    if "EXIF data" in lost and (turned := _orientation(original)):
        kept["orientation"] = {"exif": turned}
    return kept, tuple(lost)


def _found(original: ImageFile) -> Extras:
    if original.kind == "PNG":
        return {}  # copied as bytes, by png.encode itself
    if original.kind == "TIFF":
        return tiff.extras_of(original.content)
    with Image.open(io.BytesIO(original.content), formats=[original.kind]) as image:
        return {word: {key: image.info[key]} for key, word in NAMES.items() if image.info.get(key)}


def _orientation(original: ImageFile) -> bytes | None:
    """EXIF data with nothing but the orientation."""
    try:
        with Image.open(io.BytesIO(original.content), formats=[original.kind]) as image:
            exif = Image.Exif()
            exif[tiff.ORIENTATION] = int(image.getexif()[tiff.ORIENTATION])
            return exif.tobytes()
    except Exception:  # damaged EXIF data, as above
        return None


def _writer(original: ImageFile) -> Callable[[Samples, Extras], bytes]:
    def write(samples: Samples, extras: Extras) -> bytes:
        if original.kind == "PNG":
            return png.encode(original.content, samples)
        if original.kind == "TIFF":
            return tiff.encode(original.content, samples, extras)
        options = {key: value for each in extras.values() for key, value in each.items()}
        if original.kind == "JPEG":
            options |= {"quality": JPEG_QUALITY, "subsampling": 0}
        if original.kind == "WEBP":
            options |= {"lossless": True, "exact": True}
        squeezed = samples.squeeze(-1) if samples.shape[-1] == 1 else samples
        suffix = f".{original.kind.lower()}"
        return iio.imwrite("<bytes>", squeezed, plugin="pillow", extension=suffix, is_batch=False, **options)

    return write
