"""What measures the images of a run: the identity (denoising), or a forward operator that is drawn for every image."""

from collections.abc import Mapping
from typing import Any

from difftv.errors import ConfigError
from difftv.lab.forward.base import ForwardModel, Measured, SimulatedMeasurements, joined
from difftv.lab.forward.ct import Ct
from difftv.lab.forward.deblurring import Deblurring
from difftv.lab.forward.identity import Identity
from difftv.lab.forward.inpainting import Inpainting
from difftv.lab.forward.mri import Mri

BY_NAME: Mapping[str, type[ForwardModel]] = {
    kind.__name__.lower(): kind for kind in (Ct, Deblurring, Identity, Inpainting, Mri)
}
"""Word on the command line and in a model's card -> class."""


def forward_model(node: Mapping[str, Any]) -> ForwardModel:
    """The forward model that the card of a model describes.

    Args:
        node: `name` and arguments; untrusted.

    Raises:
        ConfigError: the name is none of `BY_NAME`, or an argument does not fit.
    """
    name = str(node.get("name"))
    if name not in BY_NAME:
        raise ConfigError(f"forward is {name!r}, expected one of {', '.join(BY_NAME)}. Another version made the model.")
    try:
        return BY_NAME[name](**{key: value for key, value in node.items() if key != "name"})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"forward: {error}") from error


__all__ = [
    "BY_NAME",
    "Ct",
    "Deblurring",
    "ForwardModel",
    "Identity",
    "Inpainting",
    "Measured",
    "Mri",
    "SimulatedMeasurements",
    "forward_model",
    "joined",
]
