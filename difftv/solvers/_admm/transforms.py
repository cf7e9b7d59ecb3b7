"""Orthonormal cosine and sine transforms of batches of images, as matrix products or by SciPy's fast transforms.

    C: X[k] = w_k sum_i x[i] cos(pi k (i + 1/2) / n),    w_0 = sqrt(1/n), w_k = sqrt(2/n)                        DCT-II
    S: X[k] = sqrt(2/n) sum_i x[i] sin(pi k (i + 1) / n),    i = 0 .. n-2, k = 1 .. n-1                          DST-I

S keeps arrays of size n: the last entry of x is ignored, X[0] is 0. Small products with the dense matrix are faster
than a fast transform, and on an accelerator all of them are: it has no cosine transform, and computes products best.
"""

import functools
import math

import numpy as np
import torch
from torch import Tensor

DENSE_UP_TO = 160
"""Entries along an axis up to which the CPU multiplies by the dense matrix. Measured, float32, one thread, there and
back: one image of 128x128 .12 ms dense and .14 ms fast, of 192x192 1.6 and .3 ms; eight of 64x64 .13 and .25 ms."""

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
    if size > max(DENSE_UP_TO, 1) and x.device.type == "cpu":
        return _fast(x, kind, axis, inverse=inverse)
    matrix = _matrix(kind, size, x.dtype, str(x.device))
    if axis == -2:
        return torch.matmul(matrix[1] if inverse else matrix[0], x)
    return torch.matmul(x, matrix[0] if inverse else matrix[1])


def _fast(x: Tensor, kind: str, axis: int, *, inverse: bool) -> Tensor:
    from scipy import fft

    values, workers = x.detach().numpy(), torch.get_num_threads()
    if kind == COSINE:
        return torch.from_numpy(fft.dct(values, type=3 if inverse else 2, axis=axis, norm="ortho", workers=workers))
    inner, where = (slice(1, None), slice(None, -1)) if inverse else (slice(None, -1), slice(1, None))
    rest = (slice(None),) * (-1 - axis)
    found = np.zeros_like(values)
    found[(..., where, *rest)] = fft.dst(values[(..., inner, *rest)], type=1, axis=axis, norm="ortho", workers=workers)
    return torch.from_numpy(found)


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
