"""x = (A^T W A + sum_t rho_t K_t^T K_t)^-1 b in the Fourier basis: one small matrix per frequency.

Exact where K is periodic (`difftv.linear.circular`), a preconditioner where its border is another one.
"""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from difftv.linear.circular import spectrum
from difftv.linear.operator import LinearOperator
from difftv.linear.per_channel import merge_channels, split_channels


@final
class FourierStep:
    """The factor at every frequency, for images with step sizes of their own."""

    def __init__(
        self,
        symbol: Tensor,
        operators: Sequence[LinearOperator],
        rho: Sequence[Tensor],
        like: Tensor,
        *,
        complex_images: bool,
    ) -> None:
        """`symbol`: A^T W A, (1 or batch, 1, *space); `complex_images`: two channels are real and imaginary part."""
        space = tuple(like.shape[2:])
        self.channels, self.complex_images, self.space = operators[0].channels, complex_images, space
        self.fields = max(operator.fields for operator in operators)
        one = self.fields // self.channels
        # Inverted in float64 where there is float64; the blocks are small and well conditioned.
        precise = torch.float64 if like.device.type in ("cpu", "cuda") else torch.float32
        half = slice(None) if complex_images else slice(space[-1] // 2 + 1)
        matrix = torch.zeros(len(like), *self._shape(half), one, one, dtype=precise.to_complex(), device=like.device)
        matrix[..., 0, 0] += symbol.to(precise).to(like.device)[:, 0, ..., half]
        for operator, step in zip(operators, rho, strict=True):
            k = torch.from_numpy(spectrum(operator.of_one_channel, space)[..., half]).to(matrix)
            matrix += step[:, 0, ..., None, None].to(precise) * torch.einsum("ci...,cj...->...ij", k.conj(), k)
        # A frequency that neither A nor a term sees stays 0.
        largest = matrix.diagonal(dim1=-2, dim2=-1).real.amax(dim=tuple(range(1, matrix.ndim - 2)))
        unseen = matrix[..., 0, 0].real <= 1e-14 * largest[:, 0].reshape(-1, *[1] * len(space))
        matrix[..., 0, 0] += unseen
        found = torch.linalg.inv(matrix) if one > 1 else 1 / matrix
        found[..., 0, :] = torch.where(unseen[..., None], torch.zeros_like(found[..., 0, :]), found[..., 0, :])
        found = found.movedim((-2, -1), (1, 2))
        # (batch, fields, fields, *frequencies), the fields of one channel
        self.inverse = found.real.to(like.dtype).contiguous() if one == 1 else found.to(like.dtype.to_complex())

    def _shape(self, half: slice) -> tuple[int, ...]:
        return (*self.space[:-1], len(range(self.space[-1])[half]))

    def select(self, index: Tensor) -> "FourierStep":
        """The same for some of the images."""
        part = object.__new__(FourierStep)
        part.channels, part.fields, part.space = self.channels, self.fields, self.space
        part.complex_images = self.complex_images
        part.inverse = self.inverse.index_select(0, index)
        return part

    def step(self, b: Tensor, start: Tensor) -> Tensor:
        """x, exactly, wherever it starts."""
        axes, fields = tuple(range(2, b.ndim)), split_channels(b, self.channels)
        if self.complex_images:
            fields = torch.complex(fields[0::2], fields[1::2])
            found = torch.fft.ifftn(self._times(torch.fft.fftn(fields, dim=axes)), dim=axes)
            pairs = torch.stack([found.real, found.imag], dim=1)
            return merge_channels(pairs.flatten(0, 1), self.channels)
        spectra = self._times(torch.fft.rfftn(fields, dim=axes))
        return merge_channels(torch.fft.irfftn(spectra, s=self.space, dim=axes), self.channels)

    def _times(self, spectra: Tensor) -> Tensor:
        repeats = len(spectra) // len(self.inverse)
        factor = self.inverse if repeats == 1 else self.inverse.repeat_interleave(repeats, dim=0)
        if factor.shape[1] == 1:
            return factor[:, 0] * spectra
        return (factor * spectra[:, None]).sum(dim=2)
