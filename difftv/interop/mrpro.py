"""The linear operators of mrpro as forward operators: complex tensors (.., coils, z, y, x) behind real images.

solution = Admm(IsotropicTV(channels=2))(y, lam, operator=operator(fourier @ sensitivities))
"""

from typing import Any, final

import torch
from torch import Tensor, nn

from difftv.errors import MissingDependencyError
from difftv.extras import require
from difftv.linear.forward import ForwardOperator, as_operator
from difftv.types import Image

require("mrpro", "mrpro", by="difftv.interop.mrpro")
try:
    from mrpro.operators import LinearOperator
except (ImportError, RuntimeError) as error:  # as a rule a torchvision of another build than torch
    raise MissingDependencyError(f"mrpro is installed but cannot be imported: {error}") from error


def operator(op: LinearOperator, channels: int = 2) -> ForwardOperator:
    """A linear operator of mrpro in front of images (batch, channels, height, width).

    It is given complex images (batch, 1 coil, 1 slice, height, width); measurements are what it gives, one entry per
    image along the first axis: k-space data (batch, coils, k2, k1, k0) of a `FourierOp @ SensitivityOp`. Its scale
    and its shifts are its own. Parameters that it holds are trained.

    mrpro's `total_variation_denoising` and its PDHG minimise ||A u - y||^2 + R, without 1/2: weights there are twice
    the weights here for the same image.

    Args:
        op: the operator; products (`@`) and sums are operators too.
        channels: 2 = real and imaginary part of complex images; 1 = real images.

    Raises:
        TypeError: `op` is none of its linear operators.
        ValueError: another number of channels.
    """
    if not isinstance(op, LinearOperator):
        raise TypeError(
            f"op must be a mrpro.operators.LinearOperator, got {type(op).__module__}.{type(op).__qualname__}."
        )
    if channels not in (1, 2):
        raise ValueError(f"channels must be 1 (real images) or 2 (real and imaginary part), got {channels!r}.")
    return as_operator(_RealImages(op, channels))


@final
class _RealImages(nn.Module):
    """The operator between real images and its own data, with the names that `as_operator` looks for."""

    def __init__(self, op: Any, channels: int) -> None:
        super().__init__()
        self.op = op
        self.channels = channels

    def A(self, image: Image) -> Tensor:
        if image.ndim != 4 or image.shape[1] != self.channels:
            raise ValueError(
                f"images must have shape (batch, {self.channels}, height, width), got {tuple(image.shape)}."
            )
        imaginary = torch.zeros_like(image[:, :1]) if self.channels == 1 else image[:, 1:]
        (data,) = self.op(torch.complex(image[:, :1], imaginary)[:, :, None])
        if data.ndim < 2 or data.shape[0] != image.shape[0]:
            raise ValueError(
                f"{type(self.op).__name__} must give one entry per image along the first axis, {image.shape[0]}; got "
                f"{tuple(data.shape)}. Operators that put an axis in front do not do."
            )
        return data

    def A_adjoint(self, data: Tensor) -> Image:
        (values,) = self.op.adjoint(data)
        if values.ndim != 5 or values.shape[1:3] != (1, 1):
            raise ValueError(
                f"the adjoint of {type(self.op).__name__} must give images (batch, 1 coil, 1 slice, height, width), "
                f"got {tuple(values.shape)}. Several coils are joined by a SensitivityOp."
            )
        values = values[:, 0]
        if self.channels == 1:
            return values.real if values.is_complex() else values
        return torch.cat([values.real, values.imag], dim=1)
