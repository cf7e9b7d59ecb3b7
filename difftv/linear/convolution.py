"""Blur as a forward operator."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from difftv.linear.extension import extended, folded, full_precision
from difftv.linear.forward import ForwardOperator
from difftv.linear.stored import keep, per_image
from difftv.linear.tikhonov import regularised_inverse
from difftv.types import Image

_BOUNDARIES = ("circular", "symmetric", "valid")


@final
class Convolution(ForwardOperator):
    """(A u)[i, j] = sum_mn kernel[m, n] u[i - m, j - n], the kernel centred, every channel by itself.

    Args:
        kernel: (height, width), both odd, or (batch, 1, height, width) with one per image; an `nn.Parameter` is
            trained.
        boundary: how the image goes on past the border. "circular": periodically; "symmetric": by its mirror image,
            border pixels repeated; "valid": not at all, measurements are smaller by the kernel's size less 1.

    Raises:
        ValueError: an even size, another boundary, or a kernel that is not finite.
    """

    kernel: Tensor

    def __init__(self, kernel: Tensor, boundary: str = "circular") -> None:
        super().__init__()
        keep(self, "kernel", kernel)
        if any(size % 2 == 0 for size in kernel.shape[-2:]) or (kernel.ndim == 4 and kernel.shape[1] != 1):
            raise ValueError(
                "kernel must be (height, width), both odd, or (batch, 1, height, width); got shape "
                f"{tuple(kernel.shape)}. Pad it with 0."
            )
        if boundary not in _BOUNDARIES:
            raise ValueError(f"boundary must be one of {', '.join(_BOUNDARIES)}, got {boundary!r}.")
        self.boundary = boundary

    def _apply_to(self, image: Image) -> Tensor:
        if self.boundary == "circular":
            return self._filtered(image, self._spectrum(image))
        planes = image
        for axis in (-2, -1):
            if self.boundary == "valid" and planes.shape[axis] < self.kernel.shape[axis]:
                raise ValueError(
                    "images must be at least as large as the kernel, "
                    f"{tuple(self.kernel.shape[-2:])}, got "
                    f'{tuple(image.shape[2:])}. Take boundary="symmetric".'
                )
            if self.boundary != "valid":
                planes = extended(planes, self.kernel.shape[axis] // 2, axis, self.boundary)
        return self._direct(planes, self.kernel.to(image).flip((-2, -1)), (0, 0))

    def adjoint(self, data: Tensor) -> Image:
        if self.boundary == "circular":
            return self._filtered(data, self._spectrum(data).conj())
        # `conv_transpose2d` takes five to thirty times as long on the CPU.
        rows, columns = self.kernel.shape[-2:]
        planes = self._direct(data, self.kernel.to(data), (rows - 1, columns - 1))
        for axis in (-2, -1):
            if self.boundary != "valid":
                planes = folded(planes, self.kernel.shape[axis] // 2, axis, self.boundary)
        return planes

    def select(self, index: Tensor, batch: int) -> ForwardOperator:
        if self.kernel.ndim < 4 or len(self.kernel) == 1:
            return self
        return Convolution(per_image(self.kernel, index), self.boundary)

    def _spectrum(self, like: Tensor) -> Tensor:
        return half_spectrum(self.kernel.to(like), like.shape[-2:])

    def _filtered(self, image: Tensor, spectrum: Tensor) -> Tensor:
        """A product of spectra: a kernel of 27x27 takes a tenth of the time of `conv2d` on an image of 128x128."""
        self._check_batch(image)
        return torch.fft.irfft2(spectrum * torch.fft.rfft2(image), s=image.shape[-2:])

    def _direct(self, planes: Tensor, kernel: Tensor, padding: tuple[int, int]) -> Tensor:
        """The correlation with the kernel, every image with its own where there are several."""
        self._check_batch(planes)
        batch, channels, *space = planes.shape
        with full_precision(planes):
            if kernel.ndim == 4 and len(kernel) > 1:
                each = kernel.repeat_interleave(channels, dim=0)
                found = conv2d(planes.reshape(1, -1, *space), each, padding=padding, groups=len(each))
            else:
                weights = kernel.reshape(1, 1, *kernel.shape[-2:])
                found = conv2d(planes.reshape(-1, 1, *space), weights, padding=padding)
        return found.reshape(batch, channels, *found.shape[2:])

    def _check_batch(self, images: Tensor) -> None:
        if self.kernel.ndim == 4 and len(self.kernel) not in (1, len(images)):
            raise ValueError(f"kernel is for {len(self.kernel)} images, got {len(images)}.")

    def cosine_symbol(self, height: int, width: int) -> Tensor | None:
        """That of a symmetric kernel with the symmetric boundary; other boundaries are not diagonal in this basis."""
        if self.kernel.ndim == 4:
            return None
        kernel = self.kernel.detach().cpu().double()
        even = torch.equal(kernel, kernel.flip(0)) and torch.equal(kernel, kernel.flip(1))
        if self.boundary != "symmetric" or not even:
            return None
        vertical, horizontal = (
            np.cos(np.pi * np.outer(np.arange(n), np.arange(-(size // 2), size // 2 + 1)) / n)
            for n, size in zip((height, width), kernel.shape, strict=True)
        )
        return torch.from_numpy((vertical @ kernel.numpy() @ horizontal.T) ** 2)

    def fourier_symbol(self, height: int, width: int, weight: Tensor | None = None) -> Tensor | None:
        """That of the circular boundary, without weights."""
        if self.boundary != "circular" or weight is not None:
            return None
        gram = torch.fft.fft2(periodic(self.kernel.detach(), (height, width))).abs().square()
        return gram.reshape(-1, 1, height, width)

    def first_look(self, data: Tensor) -> Image:
        """The smooth image that explains the data: A* y is far more blurred than y (`tikhonov.regularised_inverse`).

        Where the boundary is not circular, the data go on past it by their mirror image, and the image is only near
        to what explains them; nothing else is asked of a first look.
        """
        if self.boundary == "circular":
            return regularised_inverse(data, self._spectrum(data))
        for axis in (-2, -1):
            data = torch.cat([data, data.flip(axis)], dim=axis)
        found = regularised_inverse(data, self._spectrum(data))
        for axis in (-2, -1):
            period, past = data.shape[axis], self.kernel.shape[axis] // 2 if self.boundary == "valid" else 0
            rows = torch.arange(-past, period // 2 + past, device=data.device) % period
            found = found.index_select(axis, rows)
        return found


def half_spectrum(kernel: Tensor, size: Sequence[int]) -> Tensor:
    """The transform of centred kernels, (.., height, width), periodic with that size: (.., height, width // 2 + 1)."""
    return torch.fft.rfft2(periodic(kernel, size))


def periodic(kernel: Tensor, size: Sequence[int]) -> Tensor:
    """Centred kernels, (.., height, width), on a torus of that size, their centre at (0, 0); they may be larger."""
    rows, columns = (
        (torch.arange(n, device=kernel.device) - n // 2) % whole
        for n, whole in zip(kernel.shape[-2:], size, strict=True)
    )
    places = (rows[:, None] * size[1] + columns).flatten()
    found = kernel.new_zeros(*kernel.shape[:-2], size[0] * size[1])
    return found.index_add(-1, places, kernel.flatten(-2)).unflatten(-1, tuple(size))
