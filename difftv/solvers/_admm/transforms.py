"""Orthonormal cosine and sine transforms of batches of images, as matrix products or through the FFT.

    C: X[k] = w_k sum_i x[i] cos(pi k (i + 1/2) / n),    w_0 = sqrt(1/n), w_k = sqrt(2/n)                        DCT-II
    S: X[k] = sqrt(2/n) sum_i x[i] sin(pi k (i + 1) / n),    i = 0 .. n-2, k = 1 .. n-1                          DST-I

S keeps arrays of size n: the last entry of x is ignored, X[0] is 0. Up to a few hundred pixels a dense product is
faster than an FFT, and it is all that some accelerators compute reliably.
"""

import functools
import math

import numpy as np
import torch
from torch import Tensor

DENSE_UP_TO = 512
"""Entries along an axis up to which a product with the dense matrix is taken (measured on two x86 cores, float32)."""

COSINE, SINE = "cosine", "sine"

BASES = {1: ((COSINE, COSINE),), 3: ((COSINE, COSINE), (SINE, COSINE), (COSINE, SINE))}
"""Fields -> the transform along the height and along the width, of every field (`Operator.symbol`)."""


def transform(x: Tensor, kinds: tuple[str, str]) -> Tensor:
    """The coefficients of (batch, height, width) images."""
    return _along(_along(x, kinds[1], -1, inverse=False), kinds[0], -2, inverse=False)


def inverse(x: Tensor, kinds: tuple[str, str]) -> Tensor:
    """The images with these coefficients."""
    return _along(_along(x, kinds[1], -1, inverse=True), kinds[0], -2, inverse=True)


def _along(x: Tensor, kind: str, axis: int, *, inverse: bool) -> Tensor:
    size = x.shape[axis]
    if size <= DENSE_UP_TO:
        matrix = _matrix(kind, size, x.dtype, str(x.device))
        if axis == -2:
            return torch.matmul(matrix[1] if inverse else matrix[0], x)
        return torch.matmul(x, matrix[0] if inverse else matrix[1])
    if axis == -2:
        return _along(x.mT.contiguous(), kind, -1, inverse=inverse).mT.contiguous()
    if kind == SINE:
        return _fast_sine_inverse(x) if inverse else _fast_sine(x)
    return _fast_cosine_inverse(x) if inverse else _fast_cosine(x)


@functools.lru_cache(maxsize=32)
def _matrix(kind: str, size: int, dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """The matrix of the transform and its transpose, both contiguous."""
    k, i = np.arange(size)[:, None], np.arange(size)[None]
    if kind == COSINE:
        matrix = math.sqrt(2 / size) * np.cos(np.pi * k * (i + 0.5) / size)
        matrix[0] = math.sqrt(1 / size)
    else:
        matrix = math.sqrt(2 / size) * np.sin(np.pi * k * (i + 1) / size)
        matrix[0] = matrix[:, -1] = 0.0
    # The precision first and the device second: not every device has float64.
    forward, backward = (torch.from_numpy(np.ascontiguousarray(part)).to(dtype) for part in (matrix, matrix.T))
    return forward.to(device), backward.to(device)


@functools.lru_cache(maxsize=8)
def _twiddles(size: int, dtype: torch.dtype, device: str) -> Tensor:
    """w_k exp(-i pi k / 2n)."""
    k = np.arange(size)
    weights = np.exp(-0.5j * np.pi * k / size) * math.sqrt(2 / size)
    weights[0] = math.sqrt(1 / size)
    complex_dtype = torch.complex64 if dtype == torch.float32 else torch.complex128
    return torch.from_numpy(weights).to(complex_dtype).to(device)


def _fast_cosine(x: Tensor) -> Tensor:
    """DCT-II of size n from one FFT of size n (Makhoul 1980): even entries forwards, odd ones backwards."""
    size = x.shape[-1]
    spectrum = torch.fft.rfft(torch.cat([x[..., ::2], x[..., 1::2].flip(-1)], dim=-1))
    twiddles = _twiddles(size, x.dtype, str(x.device))
    product = spectrum * twiddles[: spectrum.shape[-1]]
    # With V[n-k] = conj V[k], the coefficients past the middle are the imaginary parts of those before it.
    mirrored = -(product.imag[..., 1 : (size + 1) // 2]).flip(-1)
    return torch.cat([product.real, mirrored], dim=-1)


def _fast_cosine_inverse(x: Tensor) -> Tensor:
    size = x.shape[-1]
    half = size // 2 + 1
    mirrored = torch.cat([torch.zeros_like(x[..., :1]), -x[..., 1:].flip(-1)], dim=-1)[..., :half]
    twiddles = _twiddles(size, x.dtype, str(x.device))[:half]
    spectrum = torch.complex(x[..., :half], mirrored) / twiddles
    shuffled = torch.fft.irfft(spectrum, n=size)
    found = torch.empty_like(x)
    found[..., ::2] = shuffled[..., : (size + 1) // 2]
    found[..., 1::2] = shuffled[..., (size + 1) // 2 :].flip(-1)
    return found


def _fast_sine(x: Tensor) -> Tensor:
    return _odd_spectrum(x[..., :-1], x[..., :1])


def _fast_sine_inverse(x: Tensor) -> Tensor:
    """The same sum over the n - 1 entries, which now stand one place further."""
    return torch.roll(_odd_spectrum(x[..., 1:], x[..., :1]), -1, -1)


def _odd_spectrum(inner: Tensor, one: Tensor) -> Tensor:
    """DST-I of n - 1 entries, after a 0, from the FFT of their odd continuation to 2n. `one`: any slice of length 1."""
    size, nothing = inner.shape[-1] + 1, torch.zeros_like(one)
    odd = torch.cat([nothing, inner, nothing, -inner.flip(-1)], dim=-1)
    return -math.sqrt(0.5 / size) * torch.fft.rfft(odd).imag[..., :size]
