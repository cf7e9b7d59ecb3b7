"""Denoising: nothing in front."""

from typing import final

from difftv.lab.forward.base import ForwardModel, Measured
from difftv.noise import Noise, as_noise
from difftv.types import Image


@final
class Identity(ForwardModel):
    """Noise on the image itself: noisy = clean + sigma / 255 n where it is white."""

    @property
    def measures(self) -> bool:
        return False

    def corrupt(
        self, clean: Image, noise: Noise | float, *, operator_seed: int, noise_seed: int, clip: bool = False
    ) -> tuple[Image, Measured | None]:
        return as_noise(noise).corrupt(clean, seed=noise_seed, clip=clip), None
