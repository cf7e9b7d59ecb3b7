"""Missing pixels."""

from typing import final

import numpy as np
import torch

from difftv.lab.forward.base import SimulatedMeasurements
from difftv.linear import ForwardOperator, Mask


@final
class Inpainting(SimulatedMeasurements):
    """Every pixel is measured with probability `keep`, in all its channels, independently of the others.

    Args:
        keep: share of the pixels that is measured, 0 < keep < 1; larger = easier.

    Raises:
        ValueError: another share.
    """

    def __init__(self, keep: float = 0.5) -> None:
        if not isinstance(keep, int | float) or isinstance(keep, bool) or not 0 < keep < 1:
            raise ValueError(f"keep must be a number with 0 < keep < 1, the share of measured pixels; got {keep!r}.")
        self.keep = float(keep)

    def operator(self, space: tuple[int, int], generator: np.random.Generator) -> ForwardOperator:
        measured = generator.random(space) < self.keep
        measured.flat[int(generator.integers(measured.size))] = True  # never none
        return Mask(torch.from_numpy(measured)[None, None])
