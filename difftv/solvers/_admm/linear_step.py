"""What the iteration asks of its linear step, x = (A^T W A + sum_t rho_t K_t^T K_t)^-1 b."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class LinearStep(Protocol):
    """The linear step for a batch of images, one file for every way of doing it."""

    channels: int
    """Channels of the images."""
    fields: int
    """Channels of x: those of the image and of the auxiliary field."""

    def step(self, b: Tensor, start: Tensor) -> Tensor:
        """x, (batch, fields, *space); `start` is the x before, from which an inexact step goes on."""

    def select(self, index: Tensor) -> "LinearStep":
        """The same for some of the images."""
