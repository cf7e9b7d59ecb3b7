"""The formats that are read, how their files begin, and how large an image may be."""

from PIL import Image

STARTS: dict[str, tuple[bytes, ...]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JPEG": (b"\xff\xd8\xff",),
    "WEBP": (b"RIFF",),
    "BMP": (b"BM",),
    "PPM": (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"Py"),
    "GIF": (b"GIF8",),
    "JPEG2000": (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"),
}
"""Format -> first bytes of its files. All are decoded by compiled code alone: Pillow would otherwise hand an EPS file,
whatever its name, to the PostScript interpreter."""

SUFFIXES = {"PNG": ".png", "TIFF": ".tif", "JPEG": ".jpg", "WEBP": ".webp", "BMP": ".bmp", "PPM": ".ppm"}
"""Format -> suffix of its files, for an image whose name has none."""

READ_ONLY = {"GIF": "holds 256 colours at most", "JPEG2000": "is read at 8 bit only, whatever its depth"}
"""Formats that are not written: a denoised image would come back poorer."""

WRITTEN = tuple(kind for kind in STARTS if kind not in READ_ONLY)

MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
"""Images above this are taken for decompression bombs, by Pillow as well."""


def kind_of(content: bytes) -> str | None:
    """The format that the file begins like."""
    return next((kind for kind, starts in STARTS.items() if content.startswith(starts)), None)
