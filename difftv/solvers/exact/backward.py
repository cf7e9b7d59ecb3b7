"""The gradient of minimisers whose components and signs are known, equations 3 and 4 of `exact/solver.py`."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from difftv.solvers._threads import map_images


@runtime_checkable
class Solved(Protocol):
    """What the gradient of one signal, image or volume needs, see `merge_split.gradient`."""

    label: NDArray[np.uint32]
    sign: NDArray[np.int8]


def pulled_back(grad: Tensor, answers: Sequence[Solved], num_maps: int) -> tuple[Tensor, Tensor]:
    """dL/dy and dL/dlam.

    Args:
        grad: (batch, 1, *space), dL/du, CPU float64.
        answers: one per image.
        num_maps: channels of lam: one for all directions, or one each, the first axis first.
    """
    from difftv.solvers.exact.merge_split.gradient import gradient

    grad = grad.contiguous()
    grad_y = torch.empty_like(grad)
    grad_lam = grad.new_zeros(grad.shape[0], grad.ndim - 2, *grad.shape[2:])

    def of_image(index: int) -> None:
        found = answers[index]
        gradient(grad[index, 0].numpy(), found.sign, found.label, grad_y[index, 0].numpy(), grad_lam[index].numpy())

    map_images(of_image, len(grad))
    # They come with the last axis first.
    return grad_y, grad_lam.sum(dim=1, keepdim=True) if num_maps == 1 else grad_lam.flip(1)
