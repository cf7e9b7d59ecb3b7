"""A sparse matrix as a forward operator, and that of parallel-beam tomography."""

import warnings
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from difftv.linear.forward import ForwardOperator
from difftv.types import Image


@final
class Matrix(ForwardOperator):
    """A u = the matrix times the image, row by row; the adjoint is its exact transpose.

    Args:
        matrix: SciPy sparse or NumPy array, real, (measurements, pixels).
        image_shape: (height, width) or (channels, height, width).
        data_shape: shape of the measurements of one image; A u is (batch, *data_shape).

    Raises:
        ValueError: the matrix is no such matrix, or not finite.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, matrix: Any, image_shape: Sequence[int], data_shape: Sequence[int]) -> None:
        super().__init__()
        self.image_shape = (1, *image_shape) if len(image_shape) == 2 else tuple(image_shape)
        self.data_shape = tuple(data_shape)
        found = sp.coo_array(matrix)
        expected = int(np.prod(self.data_shape)), int(np.prod(self.image_shape))
        if found.shape != expected or len(self.image_shape) != 3:
            raise ValueError(
                f"matrix must be {expected}, for measurements of shape {self.data_shape} and images of shape "
                f"{self.image_shape}; got {found.shape}."
            )
        if np.iscomplexobj(found.data) or not np.isfinite(found.data).all():
            raise ValueError("matrix must be real and finite. A complex one is its real part above its imaginary part.")
        self.register_buffer("rows", _torch(found))
        self.register_buffer("columns", _torch(found.T))
        self._ready: dict[tuple[torch.dtype, torch.device, int, int], tuple[Tensor, Tensor]] = {}

    def _apply_to(self, image: Image) -> Tensor:
        if tuple(image.shape[1:]) != self.image_shape:
            raise ValueError(f"images must have shape (batch, *{self.image_shape}), got {tuple(image.shape)}.")
        rows, columns = self._matrices(image)
        return _Product.apply(image, rows, columns).reshape(-1, *self.data_shape)

    def adjoint(self, data: Tensor) -> Image:
        if tuple(data.shape[1:]) != self.data_shape:
            raise ValueError(f"measurements must have shape (batch, *{self.data_shape}), got {tuple(data.shape)}.")
        rows, columns = self._matrices(data)
        return _Product.apply(data, columns, rows).reshape(-1, *self.image_shape)

    def _matrices(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The matrix and its transpose in the precision and on the device of a tensor, kept: a copy costs a product."""
        # Other entries, loaded or moved, are another version.
        key = like.dtype, like.device, id(self.rows), self.rows._version
        if key not in self._ready:
            self._ready = {key: (_compressed(self.rows.to(like)), _compressed(self.columns.to(like)))}
        return self._ready[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_ready": {}}


def parallel_beam(image_shape: Sequence[int], angles: Sequence[float] | np.ndarray, detectors: int) -> sp.csr_array:
    """Line integrals of parallel rays, (angles * detectors, height * width), in pixels, not scaled.

    Rays are a pixel apart and as long as the diagonal; the image is bilinear between the centres of its pixels, 0
    outside, and is sampled once per pixel length. `Matrix(parallel_beam(..), image_shape, (1, angles, detectors))` is
    the operator.

    Args:
        image_shape: (height, width).
        angles: in radians; at 0 the rays run along the height.
        detectors: rays per angle, >= 1.
    """
    height, width = image_shape
    length = int(np.ceil(np.hypot(height, width)))
    along = np.arange(length) - (length - 1) / 2
    across = np.arange(detectors) - (detectors - 1) / 2
    rows, columns, values = [], [], []
    for number, angle in enumerate(np.asarray(angles, dtype=float)):
        x = across[:, None] * np.cos(angle) - along * np.sin(angle) + (width - 1) / 2
        y = across[:, None] * np.sin(angle) + along * np.cos(angle) + (height - 1) / 2
        left, top = np.floor(x).astype(int), np.floor(y).astype(int)
        ray = np.broadcast_to(number * detectors + np.arange(detectors)[:, None], x.shape)
        for right, low in ((0, 0), (1, 0), (0, 1), (1, 1)):
            share = (x - left if right else left + 1 - x) * (y - top if low else top + 1 - y)
            j, i = left + right, top + low
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width) & (share > 0)
            rows.append(ray[inside])
            columns.append((i * width + j)[inside])
            values.append(share[inside])
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return sp.csr_array(sp.coo_array(entries, shape=(len(angles) * detectors, height * width)))


def _torch(matrix: sp.coo_array) -> Tensor:
    indices = torch.from_numpy(np.stack([matrix.row, matrix.col]).astype(np.int64))
    values = torch.from_numpy(matrix.data.astype(np.float64))
    return torch.sparse_coo_tensor(indices, values, matrix.shape, check_invariants=True).coalesce()


def _compressed(matrix: Tensor) -> Tensor:
    """By rows where products with it are faster for that: on the CPU 20 times (2 million entries, one thread)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        return matrix.to_sparse_csr() if matrix.device.type == "cpu" else matrix


class _Product(torch.autograd.Function):
    """Matrix times vectors, whose derivative takes the stored transpose."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, matrix: Tensor, transposed: Tensor) -> Tensor:
        ctx.matrices, ctx.shape = (transposed, matrix), values.shape
        return (matrix @ values.flatten(1).T).T

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Product.apply(grad, *ctx.matrices).reshape(ctx.shape), None, None
