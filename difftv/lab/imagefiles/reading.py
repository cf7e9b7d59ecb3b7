"""An image file that a denoised image can be written like, or an error that says why not."""

import warnings
from pathlib import Path

import numpy as np

from difftv.errors import DataError
from difftv.lab.imagefiles.base import ImageFile
from difftv.lab.imagefiles.decoding import decode
from difftv.lab.imagefiles.formats import SUFFIXES, kind_of


def read_image(path: Path, *, floats: bool = False) -> ImageFile:
    """Read a gray or colour image, 8 or 16 bit, with its transparency.

    1-bit and palette images come as 8-bit gray and RGB. The pixels are taken as stored: an orientation stays a tag of
    the file, which `encode_like` keeps. A TIFF of floating-point pixels is read where `floats`.

    Raises:
        DataError: the file cannot be read, is damaged, too large, or of a kind that could not be written again without
            a loss of depth. The message is the reason alone, without the path.
    """
    content = read_content(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on odd metadata
        found = decode(content, floats=floats)
    if found.why_not_written:
        raise DataError(found.why_not_written)
    planes = np.ascontiguousarray(np.moveaxis(found.samples, -1, 0))
    if len(planes) in (2, 4):
        return ImageFile(found.kind, planes[:-1], planes[-1], content)
    return ImageFile(found.kind, planes, None, content)


def suffix_of(path: Path) -> str:
    """The suffix of the name, or of the format that the file begins like; empty where neither says one."""
    if path.suffix or not path.is_file():
        return path.suffix
    try:
        with path.open("rb") as file:
            return SUFFIXES.get(kind_of(file.read(16)) or "", "")
    except OSError:
        return ""


def read_content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: there is no such file, or it cannot be read; the message is the reason alone, without the path.
    """
    try:
        if path.is_dir():
            raise DataError(f"a directory, not a file: give {path / '*.png'}, for example")
        if path.exists() and not path.is_file():
            raise DataError("not a file: write what a pipe or a device gives to a file first")
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError("no such file") from None
    except PermissionError:
        raise DataError("no permission to read it") from None
    except OSError as error:
        raise DataError(str(error.strerror or error)) from error
