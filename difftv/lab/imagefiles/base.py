"""What an image file holds, whatever its format."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Num

Samples = Num[np.ndarray, "height width samples"]
"""As files hold them: 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha; uint8, uint16 or float32."""

Channels = Num[np.ndarray, "channels height width"]
"""1 gray or 3 RGB, without alpha; uint8 in 0..255, uint16 in 0..65535, or float32, of which nobody knows white."""


@dataclass(frozen=True)
class Decoded:
    """The pixels of a file's first image, as stored: no orientation is applied.

    Attributes:
        kind: the format, as in `difftv.lab.imagefiles.formats`.
        samples: 1 or 2 bit, 4 bit and palettes come as 8 bit; 9 to 15 bit are scaled to 16, so that white is 65535.
        premultiplied: whether the colours have been multiplied by alpha.
        why_not_written: why these pixels cannot be written again as a file of this kind; empty where they can.
    """

    kind: str
    samples: Samples
    premultiplied: bool = False
    why_not_written: str = ""


@dataclass(frozen=True)
class ImageFile:
    """An image, and the file it came in.

    Attributes:
        kind: PNG, TIFF, JPEG, WEBP, BMP or PPM.
        channels: gray or RGB, at the precision of the file.
        alpha: transparency of the same type, (height, width), or None.
        content: the bytes of the file, from which `encode_like` takes what is not pixels.
    """

    kind: str
    channels: Channels
    alpha: Num[np.ndarray, "height width"] | None
    content: bytes

    @property
    def full_scale(self) -> float:
        """The largest value that the type holds: 255 or 65535; of floats 1, which is no limit."""
        return 1.0 if self.floats else float(np.iinfo(self.channels.dtype).max)

    @property
    def floats(self) -> bool:
        """Whether the pixels are floating-point numbers, which may be NaN."""
        return self.channels.dtype.kind == "f"

    @property
    def visible(self) -> Bool[np.ndarray, "height width"] | None:
        """Whether a pixel is seen: not where alpha is 0. None where all are."""
        return None if self.alpha is None or self.alpha.all() else self.alpha > 0

    @property
    def measured(self) -> Bool[np.ndarray, "height width"] | None:
        """Whether a pixel is seen and finite. None where all are."""
        if not self.floats or (finite := np.isfinite(self.channels).all(axis=0)).all():
            return self.visible
        return finite if self.visible is None else finite & self.visible

    @property
    def seen(self) -> Num[np.ndarray, "channels pixels"]:
        """The visible pixels, one after the other."""
        flat = self.channels.reshape(len(self.channels), -1)
        return flat if self.visible is None else flat[:, self.visible.ravel()]

    def __str__(self) -> str:
        count, height, width = self.channels.shape
        colours = ("gray" if count == 1 else "RGB") + ("" if self.alpha is None else " + alpha")
        return f"{width}x{height} {colours}, {8 * self.channels.itemsize} bit {'float ' * self.floats}{self.kind}"
