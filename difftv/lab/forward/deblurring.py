"""Blur."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch

from difftv.arguments import positive_int
from difftv.lab.forward.base import SimulatedMeasurements, interval
from difftv.linear import Convolution, ForwardOperator

_STEPS = 400
"""Points along a trajectory, several per pixel."""

_TURN = 0.08
"""Standard deviation of the change of direction between two points, radians: a bend or two along the way."""


@final
class Deblurring(SimulatedMeasurements):
    """Convolution with a kernel of sum 1 that is drawn for every image.

    Args:
        kernel: "gaussian", of standard deviation `width` pixels; or "motion", the trajectory of a shaken camera, of
            length `width` pixels, in a direction and with bends that are drawn.
        width: see `kernel`, > 0; of a pair [low, high] every image has its own, drawn uniformly. Larger = more blur.
        size: pixels of the kernel along either axis, odd.
        boundary: how the image goes on past the border, "circular", "symmetric" or "valid": see
            `difftv.linear.Convolution`.

    Raises:
        ValueError: another kernel or boundary, a width that is not positive, or an even size.
    """

    def __init__(
        self,
        kernel: str = "gaussian",
        width: float | Sequence[float] = 1.6,
        size: int = 9,
        boundary: str = "circular",
    ) -> None:
        if kernel not in ("gaussian", "motion"):
            raise ValueError(f"kernel must be gaussian or motion, got {kernel!r}.")
        self.kernel = kernel
        self.width = interval("width", width)
        self.size = positive_int("size", size)
        if size % 2 == 0:
            raise ValueError(f"size must be odd, got {size}.")
        Convolution(torch.ones(1, 1), boundary)
        self.boundary = boundary

    def operator(self, space: tuple[int, int], generator: np.random.Generator) -> ForwardOperator:
        low, high = self.width
        width = low + (high - low) * generator.random()
        if self.boundary == "valid" and min(space) < 2 * self.size:
            raise ValueError(f"size must be at most half of the images, {space}, with boundary=valid; got {self.size}.")
        drawn = _gaussian(self.size, width) if self.kernel == "gaussian" else _motion(self.size, width, generator)
        return Convolution(torch.from_numpy(drawn / drawn.sum()).to(torch.float32), self.boundary)


def _gaussian(size: int, width: float) -> np.ndarray:
    one = np.exp(-0.5 * ((np.arange(size) - size // 2) / width) ** 2)
    return np.outer(one, one)


def _motion(size: int, width: float, generator: np.random.Generator) -> np.ndarray:
    """A path of that length about the centre, each of its points shared between the four pixels around it."""
    directions = generator.uniform(0, 2 * np.pi) + np.cumsum(_TURN * generator.standard_normal(_STEPS))
    path = width / _STEPS * np.cumsum(np.stack([np.sin(directions), np.cos(directions)]), axis=1)
    path = np.clip(path - path.mean(axis=1, keepdims=True) + size // 2, 0, size - 1)
    corner = np.minimum(path.astype(int), max(size - 2, 0))
    share = path - corner
    kernel = np.zeros((size, size))
    for down in (0, 1)[: min(size, 2)]:
        for right in (0, 1)[: min(size, 2)]:
            weight = (share[0] if down else 1 - share[0]) * (share[1] if right else 1 - share[1])
            np.add.at(kernel, (corner[0] + down, corner[1] + right), weight)
    return kernel
