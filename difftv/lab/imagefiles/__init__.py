"""Image files read and written whole: depth, transparency and colour profile come out as they went in."""

from difftv.lab.imagefiles.base import Decoded, ImageFile
from difftv.lab.imagefiles.decoding import decode
from difftv.lab.imagefiles.depth import unused_depth
from difftv.lab.imagefiles.reading import read_content, read_image, suffix_of
from difftv.lab.imagefiles.writing import encode_like, not_copied

__all__ = [
    "Decoded",
    "ImageFile",
    "decode",
    "encode_like",
    "not_copied",
    "read_content",
    "read_image",
    "suffix_of",
    "unused_depth",
]
