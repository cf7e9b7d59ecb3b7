"""Cartesian magnetic resonance imaging as a forward operator."""

from typing import final

import torch
from torch import Tensor

from difftv.linear.forward import ForwardOperator
from difftv.linear.stored import keep, per_image
from difftv.types import Image


@final
class Fourier(ForwardOperator):
    """A u = mask F (coil_maps u) with the orthonormal FFT, frequency 0 in the corner (no shift).

    Images are (batch, 1, height, width), real, or (batch, 2, height, width), real and imaginary part; measurements
    (batch, coils or 1, height, width), complex.

    Args:
        mask: (height, width) or (batch, 1, height, width); 1 or True = measured.
        coil_maps: complex, (1 or batch, coils, height, width); an `nn.Parameter` is trained. None: one coil, 1.
        channels: 1 = real images, 2 = complex images.

    Raises:
        ValueError: another number of channels, or shapes that do not fit.
    """

    mask: Tensor
    coil_maps: Tensor | None

    def __init__(self, mask: Tensor, coil_maps: Tensor | None = None, channels: int = 1) -> None:
        super().__init__()
        keep(self, "mask", mask if mask.is_floating_point() else mask.to(torch.float32))
        if coil_maps is None:
            self.coil_maps = None
        else:
            keep(self, "coil_maps", coil_maps)
        if channels not in (1, 2):
            raise ValueError(f"channels must be 1 (real images) or 2 (real and imaginary part), got {channels!r}.")
        self.channels = channels
        self.complex_images = channels == 2

    def _apply_to(self, image: Image) -> Tensor:
        if image.shape[1] != self.channels or image.shape[2:] != self.mask.shape[-2:]:
            raise ValueError(
                f"images must have shape (batch, {self.channels}, {self.mask.shape[-2]}, {self.mask.shape[-1]}), got "
                f"{tuple(image.shape)}."
            )
        values = torch.complex(image[:, :1], torch.zeros_like(image[:, :1]) if self.channels == 1 else image[:, 1:])
        if self.coil_maps is not None:
            values = self.coil_maps.to(values) * values
        return self.mask.to(image) * torch.fft.fft2(values, norm="ortho")

    def adjoint(self, data: Tensor) -> Image:
        values = torch.fft.ifft2(self.mask.to(data.real) * data, norm="ortho")
        if self.coil_maps is not None:
            values = (self.coil_maps.to(values).conj() * values).sum(dim=1, keepdim=True)
        return values.real if self.channels == 1 else torch.cat([values.real, values.imag], dim=1)

    def fourier_symbol(self, height: int, width: int, weight: Tensor | None = None) -> Tensor | None:
        """That of one coil; for real images, of which the spectrum is symmetric, the symmetric part of the mask."""
        if self.coil_maps is not None:
            return None
        square = self.mask.detach().square().reshape(-1, 1, height, width)
        if weight is not None:
            square = square * weight
        if self.channels == 1:
            square = (square + square.flip((-2, -1)).roll((1, 1), (-2, -1))) / 2
        return square

    def select(self, index: Tensor, batch: int) -> ForwardOperator:
        mask = per_image(self.mask, index)
        coils = None if self.coil_maps is None else per_image(self.coil_maps, index)
        return self if mask is self.mask and coils is self.coil_maps else Fourier(mask, coils, self.channels)
