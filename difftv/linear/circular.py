"""Operators of a regularizer continued periodically past the border, where the Fourier basis diagonalises them."""

import functools
import itertools
import math
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from difftv.linear.operator import LinearOperator, OfOperator
from difftv.linear.per_channel import PerChannel
from difftv.types import Dual, Fields

Stencil = tuple[tuple[int, int, tuple[int, ...], float], ...]
"""(component, field, shift, coefficient): component[i] is the sum of coefficient * field[i - shift]."""

_REACH = 5
"""Pixels that a difference or filter reaches, at most."""


@final
@dataclass(frozen=True)
class Circular(OfOperator):
    """K of one channel, with differences across the border that wrap around; `valid_mask` leaves them out.

    They are carried along with weight 0, like other padding, so that a minimiser does not depend on them.
    """

    @property
    def fields(self) -> int:
        return self.one.fields

    @property
    def components(self) -> int:
        return self.one.components

    @property
    def has_padding(self) -> bool:
        return True

    def apply(self, x: Fields) -> Dual:
        found: list[Tensor | None] = [None] * self.components
        for component, field, shift, value in stencil(self.one):
            found[component] = _plus(found[component], value, _rolled(x[:, field], shift))
        return torch.stack([torch.zeros_like(x[:, 0]) if part is None else part for part in found], dim=1)

    def adjoint(self, p: Dual) -> Fields:
        found: list[Tensor | None] = [None] * self.fields
        for component, field, shift, value in stencil(self.one):
            found[field] = _plus(found[field], value, _rolled(p[:, component], tuple(-by for by in shift)))
        return torch.stack([torch.zeros_like(p[:, 0]) if part is None else part for part in found], dim=1)

    def valid_mask(self, *space: int) -> np.ndarray:
        return self.one.valid_mask(*space)

    def matrix(self, *space: int) -> sp.csr_array:
        places = np.arange(math.prod(space)).reshape(space)
        rows, columns, values = [], [], []
        for component, field, shift, value in stencil(self.one):
            rows.append(component * places.size + places.ravel())
            columns.append(field * places.size + np.roll(places, shift, tuple(range(len(space)))).ravel())
            values.append(np.full(places.size, value))
        entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
        shape = self.components * places.size, self.fields * places.size
        return sp.csr_array(sp.coo_array(entries, shape=shape))

    def symbol(self, *space: int) -> np.ndarray | None:
        return None


def circular(operator: LinearOperator) -> LinearOperator | None:
    """The operator with periodic padding; None where valid differences reach past the border."""
    if operator.periodic == operator:
        return operator
    if not _inside(operator.of_one_channel):
        return None
    one = Circular(operator.of_one_channel)
    return one if operator.channels == 1 else PerChannel(one, operator.channels)


def spectrum(operator: LinearOperator, space: tuple[int, ...]) -> np.ndarray:
    """K, of one channel and periodic, at every frequency of the DFT: (components, fields, *space), complex."""
    found = np.zeros((operator.components, operator.fields, *space), dtype=complex)
    frequencies = [
        np.fft.fftfreq(size).reshape([-1 if at == axis else 1 for at in range(len(space))])
        for axis, size in enumerate(space)
    ]
    one = operator.one if isinstance(operator, Circular) else operator
    for component, field, shift, value in stencil(one):
        phase = sum(by * frequency for by, frequency in zip(shift, frequencies, strict=True))
        found[component, field] += value * np.exp(-2j * np.pi * phase)
    return found


@functools.lru_cache(maxsize=64)
def stencil(operator: LinearOperator) -> Stencil:
    """What an operator of one channel does far from the border, read off its response to single pixels."""
    space = (4 * _REACH + 1,) * operator.axes
    middle = (2 * _REACH,) * operator.axes
    found = []
    for field in range(operator.fields):
        x = torch.zeros(1, operator.fields, *space, dtype=torch.float64, device="cpu")
        x[(0, field, *middle)] = 1.0
        response = operator.apply(x)[0].numpy()
        for component, *place in np.argwhere(response):
            shift = tuple(int(at - centre) for at, centre in zip(place, middle, strict=True))
            assert max(map(abs, shift)) <= _REACH
            found.append((int(component), field, shift, float(response[(component, *place)])))
    return tuple(found)


@functools.lru_cache(maxsize=64)
def _inside(operator: LinearOperator) -> bool:
    """Whether valid entries are the stencil's, on a grid with periodic padding: those at all borders are looked at."""
    space = tuple(itertools.islice((2 * _REACH + 1, 2 * _REACH + 2, 2 * _REACH + 3), operator.axes))
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, operator.fields, *space)))
    difference = (Circular(operator).apply(x) - operator.apply(x))[0].numpy()
    return bool(np.abs(difference[operator.valid_mask(*space)]).max() < 1e-12)


def _rolled(x: Tensor, shift: tuple[int, ...]) -> Tensor:
    axes = [axis for axis, by in enumerate(shift) if by]
    return torch.roll(x, [shift[axis] for axis in axes], [1 + axis for axis in axes]) if axes else x


def _plus(total: Tensor | None, value: float, x: Tensor) -> Tensor:
    if total is None:
        return x if value == 1 else value * x
    return torch.add(total, x, alpha=value)
