"""PNG: pixels by libpng, everything else chunk by chunk from the original.

Pillow reads 16-bit colour at 8 bit without a word, hence another decoder for it.
"""

import struct
import zlib
from collections.abc import Iterator

import imagecodecs

from difftv.imagefiles.base import Samples

SIGNATURE = b"\x89PNG\r\n\x1a\n"

KEPT = {b"cHRM", b"cICP", b"eXIf", b"gAMA", b"iCCP", b"iTXt", b"pHYs", b"sRGB", b"tEXt", b"zTXt"}
"""Chunks that say what the colours mean, how large a pixel is, and what a person wrote."""

DEPTH_AT = 24
"""Offset of the bit depth in the header chunk, which always comes first."""


def is_deep(content: bytes) -> bool:
    """Whether the samples have 16 bit."""
    return content[DEPTH_AT] == 16


def decode_deep(content: bytes) -> Samples:
    """The samples of a 16-bit PNG, gray or RGB, with or without alpha."""
    samples = imagecodecs.png_decode(content)
    return samples[..., None] if samples.ndim == 2 else samples


def encode(content: bytes, samples: Samples) -> bytes:
    """A PNG of these samples with the kept chunks of the PNG `content`."""
    chunks = list(_chunks(bytes(imagecodecs.png_encode(samples.squeeze(-1) if samples.shape[-1] == 1 else samples))))
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
