"""New channels in the manner of the file that the old ones came in."""

import io
from typing import Any

import numpy as np
from PIL import Image

from difftv.imagefiles import png, tiff
from difftv.imagefiles.base import Channels, ImageFile

JPEG_QUALITY = 95
"""Of libjpeg's 100, with full-resolution chroma: the error of the compression is far below that of the denoising."""


def encode_like(original: ImageFile, channels: Channels) -> bytes:
    """A file with these channels and the original's format, depth, transparency, colour profile and orientation.

    PNG, TIFF, BMP, PPM and WebP are written without loss, JPEG at quality 95 with full-resolution chroma. Palettes
    become RGB, fewer than 8 bit become 8 bit. PNG keeps resolution and texts too, TIFF its descriptive tags, JPEG and
    WebP their EXIF data.

    Args:
        original: the file as `read_image` gave it.
        channels: of the shape and type of `original.channels`.

    Raises:
        ValueError: another shape or type.
    """
    old = original.channels
    if channels.shape != old.shape or channels.dtype != old.dtype:
        raise ValueError(f"expected {old.dtype} {old.shape} as in the original, got {channels.dtype} {channels.shape}.")
    planes = channels if original.alpha is None else np.concatenate([channels, original.alpha[None]])
    samples = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    if original.kind == "PNG":
        return png.encode(original.content, samples)
    if original.kind == "TIFF":
        return tiff.encode(original.content, samples)
    buffer = io.BytesIO()
    picture = Image.fromarray(samples.squeeze(-1) if samples.shape[-1] == 1 else samples)
    picture.save(buffer, original.kind, **_options(original))
    return buffer.getvalue()


def _options(original: ImageFile) -> dict[str, Any]:
    if original.kind not in ("JPEG", "WEBP"):
        return {}
    with Image.open(io.BytesIO(original.content), formats=[original.kind]) as image:
        options = {key: image.info[key] for key in ("exif", "icc_profile", "dpi") if image.info.get(key)}
    if original.kind == "JPEG":
        return {**options, "quality": JPEG_QUALITY, "subsampling": 0}
    return {**options, "lossless": True, "exact": True}
