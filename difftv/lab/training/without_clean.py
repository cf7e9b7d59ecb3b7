"""The loss of a batch: of the denoised and the clean images, or of the noisy ones alone (`Sure`, `Noise2Noise`)."""

import numpy as np
import torch
from torch import Tensor, nn

from difftv.errors import ConfigError
from difftv.lab.data import Batch
from difftv.lab.losses import Noise2Noise, Sure
from difftv.method import Method
from difftv.noise import GaussianNoise
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.solvers.base import Solution
from difftv.space import inner, per_image

STEP = 0.05
"""Length of the probe's step over the noise, as in `difftv.sure`."""

_BRANCHES = {Sure: 0, Noise2Noise: 1}


def loss_of(
    loss: nn.Module,
    denoiser: Method,
    batch: Batch,
    solution: Solution,
    place: tuple[int, int],
) -> Tensor:
    """The scalar that a step minimises.

    Args:
        loss: `Sure` and `Noise2Noise` see no clean image (the second draw of `Noise2Noise` is made from it); any other
            is a function of (denoised, clean).
        denoiser: method that is trained; `Sure` asks it once more.
        batch: noisy and clean images, or a part of them.
        solution: answer of the method to `batch.noisy`.
        place: epoch and step, from which probe and second draw follow: a run that is resumed sees the same.

    Raises:
        ConfigError: a loss without clean images for images that were measured through a forward operator.
    """
    if not isinstance(loss, (Sure, Noise2Noise)):
        return loss(solution.denoised, batch.clean)
    if batch.measured is not None:
        raise ConfigError("The losses sure and noise2noise are for denoising, without a forward operator.")
    seed = int(np.random.SeedSequence((*place, _BRANCHES[type(loss)])).generate_state(1, np.uint64)[0] >> 1)
    if isinstance(loss, Noise2Noise):
        again = GaussianNoise(_whole(batch.sigma, batch, 1.0)).corrupt(_whole(batch.clean, batch, 0.0), seed=seed)
        return loss(solution.denoised, again[_part(batch)])
    generator = torch.Generator("cpu").manual_seed(seed)
    drawn = torch.randint(0, 2, (batch.images, *batch.noisy.shape[1:]), generator=generator, device="cpu")
    signs = (2 * drawn[_part(batch)] - 1).to(device=batch.noisy.device).to(dtype=batch.noisy.dtype)
    std = (batch.sigma / EIGHT_BIT_RANGE).to(dtype=batch.noisy.dtype)
    step = per_image(STEP * std, batch.noisy)
    moved = denoiser.denoise(batch.noisy + step * signs, batch.sigma).denoised
    change = (signs * (moved - solution.denoised) / step).mean(dim=inner(moved))
    return loss(solution.denoised, batch.noisy, std, change)


def _part(batch: Batch) -> slice:
    """Where the images are in the whole batch, whose draws do not depend on how many processes share it."""
    return slice(batch.first, batch.first + len(batch.clean))


def _whole(values: Tensor, batch: Batch, elsewhere: float) -> Tensor:
    """Values of the images in a tensor of the whole batch."""
    whole = values.new_full((batch.images, *values.shape[1:]), elsewhere)
    whole[_part(batch)] = values
    return whole
