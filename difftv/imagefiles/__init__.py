"""Image files read and written whole: depth, transparency and colour profile come out as they went in."""

from difftv.imagefiles.base import ImageFile
from difftv.imagefiles.reading import read_image
from difftv.imagefiles.writing import encode_like

__all__ = ["ImageFile", "encode_like", "read_image"]
