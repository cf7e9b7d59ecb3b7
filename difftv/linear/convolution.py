"""Blur as a forward operator."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from difftv.linear.extension import extended, folded, full_precision
from difftv.linear.forward import ForwardOperator
from difftv.linear.stored import keep
from difftv.linear.tikhonov import regularised_inverse
from difftv.types import Image

_BOUNDARIES = ("circular", "symmetric", "valid")


@final
class Convolution(ForwardOperator):
    """(A u)[i, j] = sum_mn kernel[m, n] u[i - m, j - n], the kernel centred, every channel by itself.

    Args:
        kernel: (height, width), both odd; an `nn.Parameter` is trained.
        boundary: how the image goes on past the border. "circular": periodically; "symmetric": by its mirror image,
            border pixels repeated; "valid": not at all, measurements are smaller by the kernel's size less 1.

    Raises:
        ValueError: an even size, another boundary, or a kernel that is not finite.
    """

    kernel: Tensor

    def __init__(self, kernel: Tensor, boundary: str = "circular") -> None:
        super().__init__()
        keep(self, "kernel", kernel)
        if kernel.ndim != 2 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
            raise ValueError(
                f"kernel must be (height, width), both odd, got shape {tuple(kernel.shape)}. Pad it with 0."
            )
        if boundary not in _BOUNDARIES:
            raise ValueError(f"boundary must be one of {', '.join(_BOUNDARIES)}, got {boundary!r}.")
        self.boundary = boundary

    def _apply_to(self, image: Image) -> Tensor:
        planes = image.reshape(-1, 1, *image.shape[2:])
        for axis in (-2, -1):
            if self.boundary == "valid" and planes.shape[axis] < self.kernel.shape[axis]:
                raise ValueError(
                    f"images must be at least as large as the kernel, {tuple(self.kernel.shape)}, got "
                    f'{tuple(image.shape[2:])}. Take boundary="symmetric".'
                )
            if self.boundary != "valid":
                planes = extended(planes, self.kernel.shape[axis] // 2, axis, self.boundary)
        with full_precision(image):
            found = conv2d(planes, self._flipped(image))
        return found.reshape(*image.shape[:2], *found.shape[2:])

    def adjoint(self, data: Tensor) -> Image:
        sizes = data.shape[2:]
        with full_precision(data):
            # `conv_transpose2d` takes five to thirty times as long on the CPU.
            past = (self.kernel.shape[0] - 1, self.kernel.shape[1] - 1)
            planes = conv2d(data.reshape(-1, 1, *sizes), self.kernel.to(data)[None, None], padding=past)
        for axis in (-2, -1):
            if self.boundary != "valid":
                planes = folded(planes, self.kernel.shape[axis] // 2, axis, self.boundary)
        return planes.reshape(*data.shape[:2], *planes.shape[2:])

    def cosine_symbol(self, height: int, width: int) -> Tensor | None:
        """That of a symmetric kernel with the symmetric boundary; other boundaries are not diagonal in this basis."""
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
        return _spectrum(self.kernel.detach(), (height, width)).abs().square()[None, None]

    def first_look(self, data: Tensor) -> Image:
        """The smooth image that explains the data: A* y is far more blurred than y (`tikhonov.regularised_inverse`).

        Where the boundary is not circular, the data go on past it by their mirror image, and the image is only near
        to what explains them; nothing else is asked of a first look.
        """
        if self.boundary == "circular":
            return regularised_inverse(data, _spectrum(self.kernel.to(data), data.shape[-2:]))
        for axis in (-2, -1):
            data = torch.cat([data, data.flip(axis)], dim=axis)
        found = regularised_inverse(data, _spectrum(self.kernel.to(data), data.shape[-2:]))
        for axis in (-2, -1):
            period, past = data.shape[axis], self.kernel.shape[axis] // 2 if self.boundary == "valid" else 0
            rows = torch.arange(-past, period // 2 + past, device=data.device) % period
            found = found.index_select(axis, rows)
        return found

    def _flipped(self, like: Tensor) -> Tensor:
        return self.kernel.to(like).flip((0, 1))[None, None]


def _spectrum(kernel: Tensor, size: Sequence[int]) -> Tensor:
    """The transform of a centred kernel, periodic with that size."""
    rows, columns = (
        (torch.arange(n, device=kernel.device) - n // 2) % whole for n, whole in zip(kernel.shape, size, strict=True)
    )
    periodic = kernel.new_zeros(*size).index_put((rows[:, None], columns[None]), kernel, accumulate=True)
    return torch.fft.fft2(periodic)
