"""TIFF of 8 and 16 bit, gray and RGB; Pillow reads 16-bit colour at 8 bit, hence tifffile."""

import io

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, TiffPage

from difftv.errors import DataError
from difftv.imagefiles.base import Samples

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

COLOURS: dict[int, int] = {PHOTOMETRIC.MINISWHITE: 1, PHOTOMETRIC.MINISBLACK: 1, PHOTOMETRIC.RGB: 3}
"""Photometric interpretation -> samples without alpha."""

KEPT = {270, 271, 272, 274, 305, 306, 315, 33432}
"""ImageDescription, Make, Model, Orientation, Software, DateTime, Artist, Copyright."""


def is_tiff(content: bytes) -> bool:
    """Whether the file starts like a TIFF or a BigTIFF."""
    return content.startswith(STARTS)


def decode(content: bytes, max_pixels: int) -> Samples | None:
    """The samples of a gray or RGB TIFF of 8 or 16 bit; None for palettes, YCbCr and less than 8 bit.

    Raises:
        DataError: several pages, too many pixels, or pixels whose full scale is unknown.
    """
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        if len(file.pages) != 1:
            raise DataError(f"holds {len(file.pages)} pages: split it into files of one image each")
        page = _page(file)
        if page.imagewidth * page.imagelength > max_pixels:
            raise DataError(f"{page.imagewidth}x{page.imagelength} pixels: taken for a decompression bomb")
        bits = page.bitspersample
        if (page.photometric in (PHOTOMETRIC.PALETTE, PHOTOMETRIC.YCBCR) and bits <= 8) or bits < 8:
            return None
        colours = COLOURS.get(page.photometric)
        extra = page.samplesperpixel - (colours or 0)
        if colours is None or extra not in (0, 1) or page.dtype not in (np.uint8, np.uint16) or bits not in (8, 16):
            raise DataError(
                f"{page.samplesperpixel} {PHOTOMETRIC(page.photometric).name} samples of {bits} bit ({page.dtype}) are "
                "not supported: convert the file to gray or RGB, 8 or 16 bit"
            )
        samples = page.asarray()
        if samples.ndim == 2:
            samples = samples[..., None]
        elif page.axes == "SYX":
            samples = np.moveaxis(samples, 0, -1)
        if page.photometric == PHOTOMETRIC.MINISWHITE:
            samples = np.concatenate([np.invert(samples[..., :1]), samples[..., 1:]], axis=-1)
        return samples


def encode(content: bytes, samples: Samples) -> bytes:
    """A TIFF of these samples with resolution, colour profile, orientation and texts of the TIFF `content`.

    Compressed files stay compressed, without loss (deflate).
    """
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = _page(file)
        tags = [(tag.code, tag.dtype, tag.count, tag.value, True) for tag in page.tags if tag.code in KEPT]
        packed = page.compression != COMPRESSION.NONE
        resolution = {282, 283} <= {tag.code for tag in page.tags}
        buffer = io.BytesIO()
        tifffile.imwrite(
            buffer,
            samples.squeeze(-1) if samples.shape[-1] == 1 else samples,
            bigtiff=file.is_bigtiff,
            byteorder=file.byteorder,
            photometric="rgb" if samples.shape[-1] > 2 else "minisblack",
            planarconfig="contig" if samples.shape[-1] > 1 else None,
            extrasamples=(page.extrasamples or (EXTRASAMPLE.UNASSALPHA,))[:1] if samples.shape[-1] in (2, 4) else None,
            compression="adobe_deflate" if packed else None,
            predictor=packed,
            resolution=page.resolution if resolution else None,
            resolutionunit=page.resolutionunit if resolution else None,
            iccprofile=page.iccprofile,
            metadata=None,
            software=False,
            extratags=tags,
        )
    return buffer.getvalue()


def _page(file: tifffile.TiffFile) -> TiffPage:
    page = file.pages[0]
    assert isinstance(page, TiffPage)
    return page
