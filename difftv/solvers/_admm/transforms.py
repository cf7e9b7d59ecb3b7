"""Orthonormal cosine and sine transforms of batches of fields, as matrix products or by SciPy's fast transforms.

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


def bases(fields: int, axes: int) -> list[tuple[str, ...]]:
    """The transform along every axis, of every field of one channel (`LinearOperator.symbol`): u, and v if there is."""
    return [
        tuple(SINE if field == axis else COSINE for axis in range(1, axes + 1))
        for field in range(1 + axes if fields > 1 else 1)
    ]


def transform(x: Tensor) -> Tensor:
    """The coefficients of (batch, fields, *space), every field in its basis."""
    for axis in range(-1, 1 - x.ndim, -1):
        x = along(x, axis, inverse=False)
    return x


def inverse(x: Tensor) -> Tensor:
    """The fields with these coefficients."""
    for axis in range(-1, 1 - x.ndim, -1):
        x = along(x, axis, inverse=True)
    return x


def along(x: Tensor, axis: int, *, inverse: bool) -> Tensor:
    """The coefficients along one axis, counted from the last dimension, or what has these."""
    kinds = tuple(basis[axis] for basis in bases(x.shape[1], x.ndim - 2))
    size = x.shape[axis]
    if size > max(DENSE_UP_TO, 1) and x.device.type == "cpu":
        parts = [_fast(x[:, index], kind, axis, inverse=inverse) for index, kind in enumerate(kinds)]
        return torch.from_numpy(parts[0][:, None] if len(parts) == 1 else np.stack(parts, axis=1))
    forward, backward = _matrices(kinds, size, x.dtype, str(x.device))
    if axis == -1:
        # All other axes of space in one, so that there is one product per field.
        rows = x if x.ndim == 4 else x.reshape(*x.shape[:2], -1, size)
        return torch.matmul(rows, forward if inverse else backward).reshape(x.shape)
    columns = (
        x if axis == 2 - x.ndim and x.ndim == 4 else x.reshape(*x.shape[:2], -1, size, math.prod(x.shape[axis + 1 :]))
    )
    matrix = backward if inverse else forward
    return torch.matmul(matrix if columns.ndim == 4 else matrix[:, None], columns).reshape(x.shape)


def _fast(x: Tensor, kind: str, axis: int, *, inverse: bool) -> np.ndarray:
    from scipy import fft

    values, workers = x.detach().numpy(), torch.get_num_threads()
    if kind == COSINE:
        return fft.dct(values, type=3 if inverse else 2, axis=axis, norm="ortho", workers=workers)
    inner, where = (slice(1, None), slice(None, -1)) if inverse else (slice(None, -1), slice(1, None))
    rest = (slice(None),) * (-1 - axis)
    found = np.zeros_like(values)
    found[(..., where, *rest)] = fft.dst(values[(..., inner, *rest)], type=1, axis=axis, norm="ortho", workers=workers)
    return found


@functools.lru_cache(maxsize=32)
def _matrices(kinds: tuple[str, ...], size: int, dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """The matrices of the transforms, (fields, size, size), and their transposes, both contiguous."""
    stacked = np.stack([_matrix(kind, size) for kind in kinds])
    # The precision first and the device second: not every device has float64.
    both = (torch.from_numpy(np.ascontiguousarray(part)).to(dtype) for part in (stacked, stacked.swapaxes(1, 2)))
    forward, backward = (part.to(device) for part in both)
    return forward, backward


def _matrix(kind: str, size: int) -> np.ndarray:
    k, i = np.arange(size)[:, None], np.arange(size)[None]
    if kind == COSINE:
        matrix = math.sqrt(2 / size) * np.cos(np.pi * k * (i + 0.5) / size)
        matrix[0] = math.sqrt(1 / size)
    else:
        matrix = math.sqrt(2 / size) * np.sin(np.pi * k * (i + 1) / size)
        matrix[0] = matrix[:, -1] = 0.0
    return matrix
