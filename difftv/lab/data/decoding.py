"""From a file of unknown origin to one gray or RGB image, or an error that says why not."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt

from difftv.lab.imagefiles import Decoded, decode, read_content

GrayImage = UInt[np.ndarray, "height width"]
"""uint8 in 0..255 or uint16 in 0..65535."""

ColourImage = UInt[np.ndarray, "height width 3"]
"""RGB, of the same types."""

Samples = UInt[np.ndarray, "*grid"] | Float32[np.ndarray, "*grid"]
"""Signals and volumes: of these types, or float32 with white = 1."""

Pixels = GrayImage | ColourImage | Samples

DECODER_VERSION = 2
"""Part of every cache key: raise it when `decode_gray` gives other pixels than before."""

LUMA = (19595, 38470, 7471)
"""0.299, 0.587 and 0.114 in units of 2**-16, as Pillow rounds them; with 16-bit samples the sum still fits 32 bit."""


def decode_gray(path: Path) -> GrayImage:
    """Read an image file as gray, at the precision it is stored with.

        Y = 0.299 R + 0.587 G + 0.114 B      (ITU-R BT.601 luma, rounded)

    Gray images are taken as they are: 8-bit ones as uint8, 16-bit ones as uint16. Colour, palette and CMYK images
    become luma. Transparency is ignored: the colour under a transparent pixel counts. The orientation is ignored too:
    the pixels are taken as stored (nothing here prefers a direction, and a broken tag then cannot cost an image). Of
    several frames or pages the first is read.

    Raises:
        DataError: the file cannot be read, is damaged, too large, or of a kind whose full scale is unknown. The message
            is the reason alone, without the path.
    """
    return to_gray(decode(read_content(path)))


def to_gray(image: Decoded) -> GrayImage:
    """The luma of decoded samples, (height, width), of their own type."""
    samples = image.samples
    if samples.shape[-1] in (2, 4) and image.premultiplied:
        samples = _divided_by_alpha(samples)
    if samples.shape[-1] < 3:
        return np.ascontiguousarray(samples[..., 0])
    red, green, blue = (weight * samples[..., index].astype(np.uint32) for index, weight in enumerate(LUMA))
    return ((red + green + blue + 0x8000) >> 16).astype(samples.dtype)


def to_colour(image: Decoded) -> ColourImage:
    """Red, green and blue of decoded samples, of their own type; three equal channels where they are gray."""
    samples = image.samples
    if samples.shape[-1] in (2, 4) and image.premultiplied:
        samples = _divided_by_alpha(samples)
    if samples.shape[-1] < 3:
        samples = np.repeat(samples[..., :1], 3, axis=-1)
    return np.ascontiguousarray(samples[..., :3])


def full_scale(image: Pixels) -> float:
    """The value that stands for intensity 1: 255 or 65535; 1 of floats."""
    return 1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype).max)


def _divided_by_alpha(samples: np.ndarray) -> np.ndarray:
    """Colours as they were before they were multiplied by alpha; where alpha is 0 they are gone, and 0."""
    white = np.iinfo(samples.dtype).max
    colours, alpha = samples[..., :-1].astype(np.uint32), samples[..., -1:].astype(np.uint32)
    return np.where(alpha > 0, np.minimum(white, white * colours // np.maximum(alpha, 1)), 0).astype(samples.dtype)
