"""Image files written here, byte by byte where no library writes them."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image
from skimage import data

from difftv.lab.imagefiles import ImageFile, encode_like, read_image

PHOTOGRAPH = data.astronaut()[40:77, 180:211]  # 37x31 RGB
ORIENTATION = 274
EXIF = Image.Exif()
EXIF[ORIENTATION] = 6


def samples(count: int, dtype: type) -> np.ndarray:
    """(37, 31, count) of a photograph: gray, gray + alpha, RGB, RGB + alpha; 16-bit ones use their low byte."""
    planes = {1: (1,), 2: (1, 0), 3: (0, 1, 2), 4: (0, 1, 2, 1)}[count]
    pixels = PHOTOGRAPH[..., planes].astype(dtype)
    return pixels if dtype is np.uint8 else pixels * 257 - pixels % 7


def raw_png(pixels: np.ndarray, *chunks: tuple[bytes, bytes], size: tuple[int, int] | None = None) -> bytes:
    """A PNG without filters, written here byte by byte; its header may state another size."""
    height, width = size or pixels.shape[:2]
    count = pixels.shape[2]
    rows = b"".join(b"\0" + row.astype(pixels.dtype.newbyteorder(">")).tobytes() for row in pixels)
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[count]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour_type, 0, 0, 0)
    every = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in every
    )


def chunks_of(content: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        found.append((name, content[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def saved(path: Path, pixels: np.ndarray | Image.Image, **options: Any) -> Path:
    image = (
        pixels
        if isinstance(pixels, Image.Image)
        else Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    )
    image.save(path, **options)
    return path


def as_samples(image: ImageFile) -> np.ndarray:
    planes = image.channels if image.alpha is None else np.concatenate([image.channels, image.alpha[None]])
    return np.moveaxis(planes, 0, -1)


def again(image: ImageFile, path: Path, channels: np.ndarray | None = None) -> ImageFile:
    other = path.with_name(f"again{path.suffix}")
    other.write_bytes(encode_like(image, image.channels if channels is None else channels))
    return read_image(other)


def bytes_of(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff_of(pixels: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def shallow_png(bits: int, levels: np.ndarray, transparent: int) -> bytes:
    """A gray PNG of less than 8 bit with one transparent level."""
    height, width = levels.shape
    rows = b"".join(
        b"\0" + np.packbits(((row[:, None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8).ravel()).tobytes()
        for row in levels
    )
    every = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", transparent)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in every
    )


def turned_tiff(picture: Image.Image, **options: Any) -> bytes:
    return bytes_of(picture, "TIFF", exif=EXIF, compression="tiff_lzw", **options)


def packed_tiff(levels: np.ndarray, bits: int) -> bytes:
    """A gray TIFF of `bits` per sample, one strip, written here byte by byte."""
    height, width = levels.shape
    raw = np.packbits(((levels.ravel()[:, None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8)).tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, height),
            (279, len(raw))]  # fmt: skip
    padded = raw + b"\0" * (len(raw) % 2)
    entries = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(padded)) + padded + struct.pack("<H", len(tags)) + entries + bytes(4)


def tagged(content: bytes, code: int, form: str, *value: int) -> bytes:
    """A little-endian TIFF whose tag `code` holds another value."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        offset = file.pages[0].tags[code].valueoffset
    new = struct.pack("<" + form, *value)
    return content[:offset] + new + content[offset + len(new) :]
