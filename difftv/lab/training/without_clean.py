"""The loss of a batch: of the denoised and the clean images, or of the noisy ones alone (`WithoutClean`)."""

import zlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from difftv.errors import ConfigError
from difftv.lab.data import Batch
from difftv.lab.losses import NoisyImages, Sure, WithoutClean
from difftv.method import Method
from difftv.noise import GaussianNoise, Noise, of_image
from difftv.solvers.base import Solution
from difftv.types import Image, PerImage

_BRANCH, _BRANCH_AGAIN = 0, 1


def shown(loss: nn.Module, batch: Batch, place: tuple[int, int]) -> Batch:
    """The batch whose noisy images a step denoises: its own, or those that the loss makes of them.

    Args:
        loss: loss of the step.
        batch: noisy images, or a part of them.
        place: as for `loss_of`.
    """
    if not isinstance(loss, WithoutClean) or batch.measured is not None:
        return batch
    pair = loss.pair(batch.noisy, lambda: second_draw(batch, torch.zeros_like(batch.noisy), _seed(*place, _BRANCH)))
    if pair is None:
        return batch
    # No error of such images is told as one of the images themselves.
    return batch._replace(noisy=pair[0], again=pair[1], clean=None)


def loss_of(
    loss: nn.Module,
    denoiser: Method,
    batch: Batch,
    solution: Solution,
    place: tuple[int, int],
) -> Tensor:
    """The scalar that a step minimises.

    Args:
        loss: a `WithoutClean` sees no clean image, but that a second draw of the noise is made from it where it needs
            one and the data set has none; any other is a function of (denoised, clean).
        denoiser: method that is trained.
        batch: noisy and clean images, or a part of them, see `shown`.
        solution: answer of the method to `batch.noisy`.
        place: epoch and step, from which what is drawn follows: a run that is resumed sees the same.

    Raises:
        ConfigError: a loss without clean images for images that were measured through a forward operator.
    """
    if not isinstance(loss, WithoutClean):
        return loss(solution.denoised, batch.clean)
    return loss.of_batch(noisy_images(loss, denoiser, batch, solution, place))


def noisy_images(
    loss: WithoutClean, denoiser: Method, batch: Batch, solution: Solution, place: tuple[int, int]
) -> NoisyImages:
    """What a loss without clean images is given of a batch; arguments as for `loss_of`."""
    if batch.measured is not None:
        raise ConfigError("Losses without clean images are for denoising, without a forward operator.")
    again = batch.again
    if again is None and loss.needs_again:
        assert batch.clean is not None, "a run without clean images has two files per scene"
        again = second_draw(batch, batch.clean, _seed(*place, _BRANCH_AGAIN))
    return NoisyImages(
        noisy=batch.noisy,
        sigma=batch.sigma,
        denoised=solution.denoised,
        again=again,
        denoise=lambda images, sigma: denoiser.denoise(images, sigma if batch.kind is None else batch.kind).denoised,
        seed=_seed(*place, _BRANCH),
        first=batch.first,
        whole=batch.whole,
        kind=batch.kind,
    )


def second_draw(batch: Batch, clean: Image, seed: int) -> Image:
    """Second noisy images of the scenes, whatever number of processes shares the batch."""
    if batch.kind is None:
        whole = GaussianNoise(_whole(batch.sigma, batch, 1.0)).corrupt(_whole(clean, batch, 0.0), seed=seed)
        return whole[batch.first : batch.first + len(clean)]
    # Image by image: how many numbers a draw of photons takes depends on the image.
    parts = enumerate(clean.split(1))
    return torch.cat([of_image(batch.kind, i).corrupt(one, seed=seed ^ (batch.first + i)) for i, one in parts])


def _whole(values: Tensor, batch: Batch, elsewhere: float) -> Tensor:
    """Values of the images in a tensor of the whole batch, whose draws no number of processes changes."""
    whole = values.new_full((batch.images, *values.shape[1:]), elsewhere)
    whole[batch.first : batch.first + len(values)] = values
    return whole


def loss_per_image(loss: WithoutClean, denoiser: Method, batch: Batch, solution: Solution, name: str) -> PerImage:
    """The loss of every image of a batch that is evaluated, (batch,); what is drawn follows from a name."""
    place = _place(name)
    seen = shown(loss, batch, place)
    if seen is not batch:
        solution = denoiser.denoise(seen.noisy, seen.noise)
    return loss.per_image(noisy_images(loss, denoiser, seen, solution, place))


def estimated_mse(
    denoise: Callable[[Image, PerImage], Image],
    noisy: Image,
    sigma: PerImage,
    denoised: Image,
    name: str,
    kind: Noise | None = None,
) -> PerImage:
    """Stein's estimate of the mean squared error, (batch,), in squared [0,1] units; small ones may be negative.

    Args:
        denoise: (images, sigma) -> denoised images.
        noisy: noisy images.
        sigma: standard deviation of their noise in 8-bit units, (batch,).
        denoised: answer to `noisy`.
        name: name that the probe follows from.
        kind: the noise where it is not white Gaussian noise.
    """
    images = NoisyImages(noisy, sigma, denoised, None, denoise, _seed(*_place(name), _BRANCH), kind=kind)
    return Sure().per_image(images)


def _place(name: str) -> tuple[int, int]:
    return 0, zlib.crc32(name.encode("utf-8", "surrogateescape"))


def _seed(*place: int) -> int:
    return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1)
