"""The contract of forward models, and noisy measurements with the operators that made them."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from difftv.linear import Convolution, ForwardOperator, Fourier, Mask, first_look
from difftv.noise import GaussianNoise, Noise, as_noise
from difftv.noise.base import standard_normal
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.types import Image


@final
@dataclass(frozen=True, eq=False)
class Measured:
    """Measurements of some images.

    Attributes:
        data: y, (batch, ..), real or complex.
        operator: A, for this batch.
    """

    data: Tensor
    operator: ForwardOperator

    def to(self, device: torch.device | str) -> "Measured":
        """The measurements on a device, which the operator follows."""
        return replace(self, data=self.data.to(device))


class ForwardModel(abc.ABC):
    """From clean images to noisy ones, or to noisy measurements of them. One class a file, one option of `forward`."""

    image_channels: ClassVar[tuple[int, ...]] = (1, 3)
    """Channels of the images that it measures: gray, RGB."""

    @property
    @abc.abstractmethod
    def measures(self) -> bool:
        """Whether there is an operator: False for denoising."""

    @abc.abstractmethod
    def corrupt(
        self, clean: Image, noise: Noise | float, *, operator_seed: int, noise_seed: int, clip: bool = False
    ) -> tuple[Image, Measured | None]:
        """What a network is shown of one image, and the measurements that it was made of.

        Args:
            clean: (1, channels, height, width), in [0, 1].
            noise: noise of every measurement; a number stands for white Gaussian noise of that standard deviation in
                8-bit units, y = A clean + sigma / 255 n; of complex ones that of real and imaginary part.
            operator_seed: chooses A, where it is random.
            noise_seed: chooses n alone, so that sweeps over sigma compare like with like.
            clip: clamp the noisy image to [0, 1].
        """


class SimulatedMeasurements(ForwardModel):
    """y = A clean + noise, shown as the first look at y. A subclass writes `operator`."""

    @property
    def measures(self) -> bool:
        return True

    @abc.abstractmethod
    def operator(self, space: tuple[int, int], generator: np.random.Generator) -> ForwardOperator:
        """A for one image of (height, width), drawn from the generator; the same object where nothing is drawn."""

    def corrupt(
        self, clean: Image, noise: Noise | float, *, operator_seed: int, noise_seed: int, clip: bool = False
    ) -> tuple[Image, Measured | None]:
        white = as_noise(noise)
        if not isinstance(white, GaussianNoise):
            raise ValueError(f"noise must be white Gaussian noise behind a forward operator, got {noise}.")
        if clip:
            raise ValueError("clip_noise must be false: measurements are no intensities that could be clipped.")
        height, width = clean.shape[2:]
        operator = self.operator((height, width), np.random.default_rng(operator_seed))
        data = operator.apply(clean)
        data = data + white.sigma / EIGHT_BIT_RANGE * _standard_normal_like(data, noise_seed)
        if isinstance(operator, Mask | Fourier):
            # What is not measured is 0, and not noise.
            data = torch.where(operator.mask != 0, data, torch.zeros_like(data))
        return first_look(operator, data), Measured(data, operator)


def joined(parts: Sequence[Measured]) -> Measured:
    """The measurements of several images of one size as those of a batch."""
    return Measured(torch.cat([part.data for part in parts]), _of_batch([part.operator for part in parts]))


@final
class _ImageByImage(ForwardOperator):
    """An operator for every image of a batch; none of them is trained."""

    def __init__(self, operators: Sequence[ForwardOperator]) -> None:
        super().__init__()
        self.operators = tuple(operators)

    def _apply_to(self, image: Image) -> Tensor:
        parts = zip(self.operators, image.split(1), strict=True)
        return torch.cat([one.apply(part) for one, part in parts])

    def adjoint(self, data: Tensor) -> Image:
        parts = zip(self.operators, data.split(1), strict=True)
        return torch.cat([one.adjoint(part) for one, part in parts])

    def first_look(self, data: Tensor) -> Image:
        parts = zip(self.operators, data.split(1), strict=True)
        return torch.cat([first_look(one, part) for one, part in parts])

    def fourier_symbol(self, height: int, width: int, weight: Tensor | None = None) -> Tensor | None:
        weights = [None] * len(self.operators) if weight is None else weight.split(1)
        parts = zip(self.operators, weights, strict=True)
        symbols = [one.fourier_symbol(height, width, of_image) for one, of_image in parts]
        known = [symbol for symbol in symbols if symbol is not None]
        return torch.cat(known) if len(known) == len(symbols) else None

    def select(self, index: Tensor, batch: int) -> ForwardOperator:
        return _ImageByImage([self.operators[each] for each in index.tolist()])


def _of_batch(operators: Sequence[ForwardOperator]) -> ForwardOperator:
    first = operators[0]
    if all(operator is first for operator in operators):
        return first
    masks = [operator.mask for operator in operators if isinstance(operator, Mask | Fourier)]
    if all(isinstance(operator, Mask) for operator in operators):
        return Mask(torch.cat(masks))
    if all(isinstance(operator, Fourier) and operator.coil_maps is None for operator in operators):
        return Fourier(torch.cat(masks))
    blurs = [operator for operator in operators if isinstance(operator, Convolution)]
    if len(blurs) == len(operators) and len({(blur.boundary, blur.kernel.shape) for blur in blurs}) == 1:
        kernels = [blur.kernel.detach().reshape(-1, 1, *blur.kernel.shape[-2:]) for blur in blurs]
        return Convolution(torch.cat(kernels), blurs[0].boundary)
    return _ImageByImage(operators)


def _standard_normal_like(data: Tensor, seed: int) -> Tensor:
    if not data.is_complex():
        return standard_normal(data, seed)
    both = standard_normal(torch.view_as_real(data), seed)
    return torch.view_as_complex(both.contiguous())


def interval(name: str, given: float | Sequence[float]) -> tuple[float, float]:
    """(low, high) of a number, or of a pair [low, high].

    Raises:
        ValueError: neither, or not 0 < low <= high.
    """
    pair = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given, given)
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in pair)
    if len(pair) != 2 or not numbers or not 0 < pair[0] <= pair[1] < float("inf"):
        raise ValueError(f"{name} must be a number > 0 or a pair [low, high] of such numbers, got {given!r}.")
    return float(pair[0]), float(pair[1])
