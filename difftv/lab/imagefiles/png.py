"""PNG where imageio loses depth or alpha, and what is copied from one PNG to another, chunk by chunk.

imageio (Pillow) reads and writes 16 bit for gray alone, without a word, and does not find the transparent value of
2 or 4 bit gray; libpng does (`imagecodecs`).
"""

import struct
import zlib
from collections.abc import Iterator

import imagecodecs
import imageio.v3 as iio
import numpy as np

from difftv.lab.imagefiles.base import Samples
from difftv.lab.imagefiles.formats import STARTS

SIGNATURE = STARTS["PNG"][0]

KEPT = {b"cHRM", b"cICP", b"eXIf", b"gAMA", b"iCCP", b"pHYs", b"sRGB"}
"""Chunks that say what the colours mean, how large a pixel is and which side is up."""

BITS_AT, COLOURS_AT = 24, 25
"""Offsets of bit depth and colour type in the header chunk, which always comes first."""


def needs_libpng(content: bytes) -> bool:
    """Whether imageio would lose depth (16 bit that is not gray) or alpha (a transparent gray, except at 8 bit)."""
    bits, gray = content[BITS_AT], content[COLOURS_AT] == 0
    if not gray:
        return bits == 16
    return bits != 8 and any(name == b"tRNS" for name, _ in _chunks(content))


def decode(content: bytes) -> Samples:
    """The samples by libpng: gray or RGB, with or without alpha; fewer than 8 bit become 8 bit."""
    samples = imagecodecs.png_decode(content)
    return samples[..., None] if samples.ndim == 2 else samples


def encode(content: bytes, samples: Samples) -> bytes:
    """A PNG of these samples with the kept chunks of the PNG `content`."""
    squeezed = samples.squeeze(-1) if samples.shape[-1] == 1 else samples
    if samples.dtype == np.uint16 and squeezed.ndim == 3:
        written = bytes(imagecodecs.png_encode(squeezed))
    else:
        written = iio.imwrite("<bytes>", squeezed, plugin="pillow", extension=".png")
    chunks = list(_chunks(written))
    # All of them may stand between the header and the pixels, and the colour ones have to.
    kept = [(name, data) for name, data in _chunks(content) if name in KEPT]
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in (chunks[0], *kept, *chunks[1:]))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        yield name, content[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
