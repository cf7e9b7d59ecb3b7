"""Magnetic resonance imaging with one coil."""

from typing import ClassVar, final

import numpy as np
import torch

from difftv.arguments import is_number
from difftv.lab.forward.base import SimulatedMeasurements
from difftv.linear import ForwardOperator, Fourier

_CENTRE = 0.32
"""Share of the columns about frequency 0 that is always measured, times the acceleration: as in the fastMRI masks."""


@final
class Mri(SimulatedMeasurements):
    """Cartesian sampling of the orthonormal FFT: whole columns, those about frequency 0 and others that are drawn.

    Args:
        acceleration: columns over measured columns, >= 1; larger = harder.
        centre: share of the columns about frequency 0 that is always measured; None = 0.32 / acceleration.

    Raises:
        ValueError: acceleration < 1, or centre not in (0, 1 / acceleration].
    """

    image_channels: ClassVar[tuple[int, ...]] = (1,)

    def __init__(self, acceleration: float = 2, centre: float | None = None) -> None:
        if not is_number(acceleration) or not 1 <= acceleration < float("inf"):
            raise ValueError(f"acceleration must be a number >= 1, columns over measured ones; got {acceleration!r}.")
        self.acceleration = float(acceleration)
        if centre is not None and (not is_number(centre) or not 0 < centre <= 1 / self.acceleration):
            raise ValueError(
                f"centre must be a share > 0 and <= {1 / self.acceleration:g} (1 / acceleration), or null for "
                f"{_CENTRE:g} / acceleration; got {centre!r}."
            )
        self.centre = _CENTRE / self.acceleration if centre is None else float(centre)

    def operator(self, space: tuple[int, int], generator: np.random.Generator) -> ForwardOperator:
        height, width = space
        low = max(round(self.centre * width), 1)
        wanted = min(max(round(width / self.acceleration), low), width)
        frequency = np.fft.fftfreq(width)
        measured = np.zeros(width, dtype=bool)
        by_size = np.argsort(np.abs(frequency), kind="stable")
        measured[by_size[:low]] = True
        measured[generator.choice(by_size[low:], wanted - low, replace=False)] = True
        mask = torch.from_numpy(np.broadcast_to(measured, (1, 1, height, width)).copy())
        return Fourier(mask)
