"""Computed tomography with parallel rays."""

import functools
import math
from typing import ClassVar, final

import numpy as np

from difftv.arguments import positive_int
from difftv.lab.forward.base import SimulatedMeasurements
from difftv.linear import ForwardOperator, Matrix, parallel_beam


@final
class Ct(SimulatedMeasurements):
    """Line integrals along parallel rays at equidistant angles of half a turn, over the longer side of the image.

    A measurement is in [0, 1.5] for images in [0, 1], whatever their size. Nothing is drawn.

    Args:
        angles: number of angles, >= 1; larger = easier.
        detectors: rays per angle, a pixel apart; None = as many as the diagonal has pixels.

    Raises:
        ValueError: a number that is no integer >= 1.
    """

    image_channels: ClassVar[tuple[int, ...]] = (1,)

    def __init__(self, angles: int = 30, detectors: int | None = None) -> None:
        self.angles = positive_int("angles", angles)
        self.detectors = None if detectors is None else positive_int("detectors", detectors)

    def operator(self, space: tuple[int, int], generator: np.random.Generator) -> ForwardOperator:
        detectors = math.ceil(math.hypot(*space)) if self.detectors is None else self.detectors
        return _operator(space, self.angles, detectors)


@functools.lru_cache(maxsize=8)
def _operator(space: tuple[int, int], angles: int, detectors: int) -> Matrix:
    directions = np.linspace(0, np.pi, angles, endpoint=False)
    rays = parallel_beam(space, directions, detectors) / max(space)
    return Matrix(rays, space, (1, angles, detectors))
