"""One forward operator of every kind, with the shape of its images."""

from collections.abc import Callable

import numpy as np
import torch

from difftv.linear import Convolution, ForwardOperator, Fourier, Mask, Matrix, from_callables, parallel_beam

HEIGHT, WIDTH = 7, 6


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def kernel(*, symmetric: bool = False) -> torch.Tensor:
    found = torch.rand(3, 5, generator=_generator(), dtype=torch.float64)
    if symmetric:
        found = found + found.flip(0)
        found = found + found.flip(1)
    return found / found.sum()


def _two_kernels() -> torch.Tensor:
    return torch.stack([kernel(), kernel(symmetric=True)])[:, None]


def _mask(*shape: int) -> torch.Tensor:
    mask = (torch.rand(shape, generator=_generator(1)) < 0.6).double()
    mask[..., 0, 0] = 1.0  # frequency 0: the mean is in the data
    return mask


def _coils() -> torch.Tensor:
    return torch.randn(1, 3, HEIGHT, WIDTH, generator=_generator(2), dtype=torch.complex128)


def _tomography() -> Matrix:
    angles = np.linspace(0, np.pi, 5, endpoint=False)
    return Matrix(parallel_beam((HEIGHT, WIDTH), angles, 9), (HEIGHT, WIDTH), (1, 5, 9))


OPERATORS: dict[str, tuple[Callable[[], ForwardOperator], int]] = {
    "mask": (lambda: Mask(_mask(HEIGHT, WIDTH)), 1),
    "mask per image": (lambda: Mask(_mask(2, 1, HEIGHT, WIDTH)), 1),
    "mask, 3 channels": (lambda: Mask(_mask(HEIGHT, WIDTH)), 3),
    "circular blur": (lambda: Convolution(kernel(), "circular"), 1),
    "symmetric blur": (lambda: Convolution(kernel(), "symmetric"), 1),
    "symmetric blur, symmetric kernel": (lambda: Convolution(kernel(symmetric=True), "symmetric"), 1),
    "valid blur": (lambda: Convolution(kernel(), "valid"), 1),
    **{
        f"{boundary} blur per image": (lambda boundary=boundary: Convolution(_two_kernels(), boundary), 1)
        for boundary in ("circular", "symmetric", "valid")
    },
    "circular blur per image, 3 channels": (lambda: Convolution(_two_kernels()), 3),
    "Fourier, real": (lambda: Fourier(_mask(HEIGHT, WIDTH)), 1),
    "Fourier, complex": (lambda: Fourier(_mask(2, 1, HEIGHT, WIDTH), channels=2), 2),
    "Fourier, coils": (lambda: Fourier(_mask(HEIGHT, WIDTH), _coils(), channels=2), 2),
    "tomography": (_tomography, 1),
    "callables": (lambda: from_callables(lambda x: x.roll(1, -1) * 2, lambda y: y.roll(-1, -1) * 2), 1),
}
"""name -> (operator, channels of its images)."""
