"""How much of its type an image uses: 12-bit values in a 16-bit file are nearly black, whatever they show."""

import numpy as np
from jaxtyping import UInt

USED = 4
"""A largest value this many times below that of the type is worth a word: 14 bit in 16 still are, dim pictures not."""


def unused_depth(pixels: UInt[np.ndarray, "..."]) -> str:
    """`its largest value is 4095 of 65535 (12 bit)`; empty from a quarter of the type's range on.

    Args:
        pixels: uint8 or uint16.
    """
    largest, full = int(pixels.max(initial=0)), int(np.iinfo(pixels.dtype).max)
    if not 0 < USED * largest <= full:
        return ""
    return f"its largest value is {largest} of {full} ({largest.bit_length()} bit)"
