"""Missing pixels as a forward operator."""

from typing import final

import torch
from torch import Tensor

from difftv.linear.forward import ForwardOperator
from difftv.linear.stored import keep, per_image
from difftv.types import Image


@final
class Mask(ForwardOperator):
    """A u = mask u, pixel by pixel: inpainting; measurements have the shape of the images.

    Args:
        mask: (*space), one to three axes, or (batch or 1, channels or 1, *space) of images and volumes; 1 or True =
            measured, 0 = missing.

    Raises:
        ValueError: another number of dimensions, or a value that is not finite.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        keep(self, "mask", mask if mask.is_floating_point() else mask.to(torch.float32), (1, 2, 3, 4, 5))

    def _apply_to(self, image: Image) -> Tensor:
        return self.mask.to(image) * image

    def adjoint(self, data: Tensor) -> Image:
        return self.mask.to(data) * data

    def select(self, index: Tensor, batch: int) -> ForwardOperator:
        return self if self.mask.ndim < 4 or len(self.mask) == 1 else Mask(per_image(self.mask, index))
