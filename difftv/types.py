"""The shapes and units that every public signature speaks in.

Tensors are written with jaxtyping, so that a shape is part of a signature; the tests check the shapes at run time,
a user's run does not pay for that.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

Image = Float[Tensor, "batch 1 height width"]
"""Intensities, nominally in [0, 1]; a noisy image is not clipped and may leave that range."""

Map = Float[Tensor, "batch maps height width"]
"""The regularization map `lam`: >= 0, in the units of the image, larger = smoother."""

Dual = Float[Tensor, "batch directions height width"]
"""One value per forward difference: channel 0 vertical, channel 1 horizontal, zero past the border."""

PerImage = Float[Tensor, " batch"]
"""One number per image of a batch."""

CountPerImage = Int[Tensor, " batch"]
FlagPerImage = Bool[Tensor, " batch"]
