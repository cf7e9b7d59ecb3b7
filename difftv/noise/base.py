"""What every kind of noise answers."""

import abc
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from difftv.arguments import not_negative, positive
from difftv.space import inner, per_image
from difftv.types import Image, PerImage


class Noise(abc.ABC):
    """Corruption of clean images in [0, 1] by noise of known statistics.

    Objects are frozen data classes: a noise is a value, like the number `sigma` that stands for white Gaussian noise.
    An argument may be a tensor (batch,) with one value per image where the class says so.
    """

    @abc.abstractmethod
    def corrupt(self, clean: Image, *, seed: int, clip: bool = False) -> Image:
        """A noisy image, drawn from a generator of its own.

        Args:
            clean: (batch, channels, *space), intensities in [0, 1].
            seed: seed of the generator: the same seed, shape and noise give the same image on every device. The global
                random state is neither read nor changed.
            clip: clamp the result to [0, 1]. Off by default: clipping makes the noise neither Gaussian nor zero-mean.

        Returns:
            (batch, channels, *space), on the device and in the dtype of `clean`.
        """

    @abc.abstractmethod
    def std(self, images: Image) -> Tensor:
        """Standard deviation of the noise on images in [0, 1], in a shape that broadcasts to `images`.

        Args:
            images: (batch, channels, *space), the clean images; see `std_of_noisy` where they are not known.

        Raises:
            ValueError: the noise is given for other images: another batch or another size.
        """

    def std_of_noisy(self, noisy: Image) -> Tensor:
        """The same, estimated from noisy images where it depends on the intensity.

        Args:
            noisy: (batch, channels, *space).
        """
        return self.std(noisy)

    def std_per_image(self, images: Image) -> PerImage:
        """Root of the mean variance of every image, on images in [0, 1]: (batch,)."""
        return self.std(images).expand(images.shape).square().mean(dim=inner(images)).sqrt()

    def data_weight(self, images: Image) -> Image | None:
        """Weight of every pixel in the data term, sum_i w_i/2 (u_i - y_i)^2, shaped like `images`; smaller = smoother.

        Args:
            images: as for `std`. Noisy ones bias the answer: a pixel that noise has made darker gets a larger weight.

        Returns:
            (mean variance) / variance, which is about 1; None where every pixel of an image has the same variance.
        """
        return weight_of(self.std(images), images)


def weight_of(std: Tensor, images: Image) -> Image | None:
    """(mean variance) / variance, shaped like `images`; None where every pixel of an image has the same variance.

    Args:
        std: standard deviation, > 0, as `Noise.std` gives it.
        images: images that it is of.
    """
    if std[0].numel() == 1:
        return None
    variance = std.square().expand(images.shape)
    return variance.mean(dim=inner(variance), keepdim=True) / variance


def standard_normal(like: Tensor, seed: int) -> Tensor:
    """Standard normal numbers of the shape, device and dtype of `like`, drawn on the CPU in float32."""
    generator = torch.Generator("cpu").manual_seed(seed)
    normal = torch.randn(like.shape, generator=generator, dtype=torch.float32, device="cpu")
    return normal.to(device=like.device).to(dtype=like.dtype)


def arguments_of(noise: Noise) -> dict[str, Any]:
    """The arguments of a noise by name; of a class that is no data class nothing is known."""
    return {field.name: getattr(noise, field.name) for field in fields(noise)} if is_dataclass(noise) else {}


def joined(noises: Sequence[Noise]) -> Noise:
    """The noises of several images of one kind as that of a batch: a tensor (batch,) where they differ.

    Raises:
        ValueError: they are of several kinds.
    """
    first = noises[0]
    if any(type(noise) is not type(first) for noise in noises):
        kinds = sorted({type(noise).__name__ for noise in noises})
        raise ValueError(f"noises must be of one kind to be those of a batch, got {', '.join(kinds)}.")
    if all(noise == first for noise in noises):
        return first
    values = {name: [getattr(noise, name) for noise in noises] for name in arguments_of(first)}
    return type(first)(
        **{
            name: each[0] if len(set(each)) == 1 else torch.tensor(each, dtype=torch.float32, device="cpu")
            for name, each in values.items()
        }
    )


def of_image(noise: Noise, index: int) -> Noise:
    """The noise of one image of a batch: numbers in place of tensors (batch,)."""
    values = arguments_of(noise)
    several = {
        name: float(value[index]) for name, value in values.items() if isinstance(value, Tensor) and value.ndim == 1
    }
    return type(noise)(**{**values, **several}) if several else noise


def checked_argument(name: str, value: float | Tensor, least: float | None = None) -> float | Tensor:
    """An argument of a noise, a number or one per image: > 0, or >= `least`.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, Tensor):
        return positive(name, value) if least is None else not_negative(name, value)
    sound = value.isfinite() & ((value > 0) if least is None else (value >= least))
    if value.ndim != 1 or not bool(sound.all()):
        bound = "> 0" if least is None else ">= 0"
        raise ValueError(
            f"{name} must be a number, or a tensor (batch,) of numbers {bound}, got shape {tuple(value.shape)} with "
            f"{value.flatten()[:3].tolist()}."
        )
    return value


def fitted(value: float | Tensor, images: Image) -> float | Tensor:
    """A number as it is; one per image in a shape that broadcasts, on the device and in the dtype of the images.

    Raises:
        ValueError: not one per image.
    """
    if not isinstance(value, Tensor):
        return value
    if len(value) != len(images):
        raise ValueError(f"the noise is given for {len(value)} image(s), got {len(images)}. Give one value per image.")
    return per_image(value.to(device=images.device).to(dtype=images.dtype), images)
