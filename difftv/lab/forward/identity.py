"""Denoising: nothing in front."""

from typing import final

from difftv.lab.forward.base import ForwardModel, Measured
from difftv.noise import GaussianNoise
from difftv.types import Image


@final
class Identity(ForwardModel):
    """noisy = clean + sigma / 255 n."""

    @property
    def measures(self) -> bool:
        return False

    def corrupt(
        self, clean: Image, sigma: float, *, operator_seed: int, noise_seed: int, clip: bool = False
    ) -> tuple[Image, Measured | None]:
        return GaussianNoise(sigma).corrupt(clean, seed=noise_seed, clip=clip), None
