"""The shapes and units that every public signature speaks in.

Space has one to three axes: a signal's length, an image's height and width, a volume's depth, height and width.

Tensors are written with jaxtyping, so that a shape is part of a signature; the tests check the shapes at run time,
a user's run does not pay for that.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

Image = Float[Tensor, "batch channels *space"]
"""Intensities, nominally in [0, 1]; a noisy image is not clipped and may leave that range. Gray: one channel."""

Plane = Float[Tensor, "batch 1 *space"]
"""One channel of images, by itself."""

Map = Float[Tensor, "batch maps *space"]
"""The regularization maps, one channel per name of `Regularizer.map_names`: >= 0, in the units of the image."""

Features = Float[Tensor, "batch inputs *space"]
"""What a predictor looks at: the noisy image, and the noise level at every pixel where that is an input."""

Dual = Float[Tensor, "batch components *space"]
"""One value per difference, zero past the border; of forward differences, those along the first axis come first."""

Fields = Float[Tensor, "batch fields *space"]
"""What a solver minimises over: the image u, then the auxiliary field v where a regularizer has one."""

PerImage = Float[Tensor, " batch"]
"""One number per image of a batch."""

CountPerImage = Int[Tensor, " batch"]
FlagPerImage = Bool[Tensor, " batch"]
