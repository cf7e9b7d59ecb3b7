"""What a forward operator holds: parameters that are trained, or buffers."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def keep(module: nn.Module, name: str, value: Tensor, dimensions: Sequence[int] = (2, 4)) -> None:
    """The tensor as a parameter where it is one, else as a buffer.

    Raises:
        TypeError: no tensor.
        ValueError: another number of dimensions, or a value that is not finite.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__module__}.{type(value).__qualname__}.")
    if value.ndim not in dimensions:
        shapes = ", ".join(map(str, dimensions))
        raise ValueError(
            f"{name} must have {shapes} dimensions: those of space, with batch and channels in front from four on; "
            f"got shape {tuple(value.shape)}."
        )
    if not bool(torch.isfinite(value.detach()).all()):
        raise ValueError(f"{name} holds NaN or infinity.")
    if isinstance(value, nn.Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def per_image(value: Tensor, index: Tensor) -> Tensor:
    """Those of some of the images, where there is one of every image."""
    return value if value.ndim < 4 or len(value) == 1 else value.detach().index_select(0, index)
