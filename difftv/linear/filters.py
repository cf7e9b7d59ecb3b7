"""The filters of a discrete cosine transform, as one operator of a regularizer."""

import functools
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from difftv.linear.extension import CIRCULAR, SYMMETRIC, extended, places
from difftv.linear.operator import Edge, LinearOperator, product
from difftv.types import Dual, Fields


@final
@dataclass(frozen=True)
class CosineFilters(LinearOperator):
    """(K u)_ab[i,j] = 1/size sum_mn h_a[m] h_b[n] u[i+m, j+n],   a, b = 0 .. size - 1, not both 0.

        h_a[m] = c_a cos(pi a (m + size/2) / size),   m = -(size - 1)/2 .. (size - 1)/2,   c_0 = sqrt(1/size), else
        c_a = sqrt(2/size)

    The filters of the orthonormal DCT-II of size x size pixels without the constant one, scaled so that they are a
    tight frame together with the mean over size x size pixels: K^T K is at most the identity. A filter is even or odd
    along either axis, hence K^T K is diagonal in the DCT-II basis where the image is continued by its mirror image, and
    in the DFT basis where it is continued periodically. Components stand in the order (0, 1), (0, 2), .., (1, 0), ..,
    a along the rows first.

    Args:
        size: pixels along either axis, odd, >= 3.
        boundary: continuation of the image past its border: `symmetric`, border pixels repeated, or `circular`.
    """

    size: int = 3
    boundary: str = SYMMETRIC

    @property
    def fields(self) -> int:
        return 1

    @property
    def components(self) -> int:
        return self.size**2 - 1

    @property
    def periodic(self) -> LinearOperator:
        return replace(self, boundary=CIRCULAR)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The frequencies of the filters, centred at a pixel, which has no extent; turned like edges."""
        return tuple(Edge(a, b, centred=True) for a, b in frequencies(self.size))

    def apply(self, x: Fields) -> Dual:
        # Products with a small matrix: `conv2d` takes as long, and its transpose ten times as long on the CPU.
        size, (batch, _, height, width) = self.size, x.shape
        for axis in (-2, -1):
            x = extended(x, size // 2, axis, self.boundary)
        moved = [x[..., m : m + height, n : n + width] for m in range(size) for n in range(size)]
        bank = _bank(size, x.dtype, str(x.device)).expand(batch, -1, -1)
        return torch.bmm(bank, torch.cat(moved, dim=1).flatten(2)).reshape(batch, -1, height, width)

    def adjoint(self, p: Dual) -> Fields:
        size, (batch, _, height, width) = self.size, p.shape
        bank = _bank(size, p.dtype, str(p.device)).T.expand(batch, -1, -1)
        found = torch.bmm(bank, p.flatten(2)).reshape(batch, size, size, height, width)
        for axis, shifts in ((-1, 2), (-2, 1)):
            middle = found.select(shifts, size // 2)
            for m in range(size):
                if m != size // 2:
                    _add_moved(middle, found.select(shifts, m), m - size // 2, axis, self.boundary)
            found = middle
        return found[:, None]

    def valid_mask(self, *space: int) -> np.ndarray:
        return np.ones((self.components, *space), dtype=bool)

    def matrix(self, *space: int) -> sp.csr_array:
        vertical, horizontal = ([self._along(row, n) for row in cosines(self.size)] for n in space)
        parts = [product(vertical[a], horizontal[b]) / self.size for a, b in frequencies(self.size)]
        return sp.csr_array(sp.vstack(parts))

    def symbol(self, *space: int) -> np.ndarray | None:
        if self.boundary != SYMMETRIC:
            return None
        vertical, horizontal = (self._squares(n) for n in space)
        every = vertical.sum(axis=0)[:, None] * horizontal.sum(axis=0)
        found = every - vertical[0][:, None] * horizontal[0]
        # Frequency 0 is in the kernel; rounding would leave 1e-16 there.
        found[0, 0] = 0.0
        return found[None, None] / self.size**2

    def _along(self, row: np.ndarray, length: int) -> sp.csr_array:
        """One filter along one axis, (length, length)."""
        where = places(length, self.size // 2, self.boundary).numpy()
        rows = np.repeat(np.arange(length), self.size)
        columns = where[rows + np.tile(np.arange(self.size), length)]
        return sp.csr_array(sp.coo_array((np.tile(row, length), (rows, columns)), shape=(length, length)))

    def _squares(self, length: int) -> np.ndarray:
        """|h_a|^2 at the frequencies of a DCT-II of that length, (size, length)."""
        at = np.pi * np.outer(np.arange(self.size) - self.size // 2, np.arange(length)) / length
        return (cosines(self.size) @ np.cos(at)) ** 2 + (cosines(self.size) @ np.sin(at)) ** 2


def frequencies(size: int) -> tuple[tuple[int, int], ...]:
    """(a, b) of every filter, in their order."""
    return tuple((a, b) for a in range(size) for b in range(size) if (a, b) != (0, 0))


@functools.cache
def cosines(size: int) -> np.ndarray:
    """The rows h_a of the orthonormal DCT-II, (size, size)."""
    a, m = np.arange(size)[:, None], np.arange(size)[None]
    found = np.sqrt(2 / size) * np.cos(np.pi * a * (m + 0.5) / size)
    found[0] = np.sqrt(1 / size)
    return found


def _add_moved(target: Tensor, part: Tensor, by: int, axis: int, boundary: str) -> None:
    """Add the part, moved along the axis, to the target; what leaves it goes to the pixels that stand there."""
    size, past = target.shape[axis], min(abs(by), target.shape[axis])
    source, place = (0, past) if by > 0 else (past, 0)
    target.narrow(axis, place, size - past).add_(part.narrow(axis, source, size - past))
    left = part.narrow(axis, size - past if by > 0 else 0, past)
    target.index_add_(target.ndim + axis, _past(size, by, boundary, str(part.device)), left)


@functools.lru_cache(maxsize=64)
def _past(size: int, by: int, boundary: str, device: str) -> Tensor:
    """The pixels that stand where the entries go that leave an axis when they are moved."""
    where = places(size, abs(by), boundary)
    found = where[-by:] if by > 0 else where[:-by]
    return (found if abs(by) <= size else found[-size:] if by > 0 else found[:size]).to(device)


@functools.lru_cache(maxsize=16)
def _bank(size: int, dtype: torch.dtype, device: str) -> Tensor:
    """The filters, (components, size * size)."""
    rows = cosines(size)
    filters = np.stack([np.outer(rows[a], rows[b]).ravel() / size for a, b in frequencies(size)])
    # The precision first and the device second: not every device has float64.
    return torch.from_numpy(filters).to(dtype).to(device)
