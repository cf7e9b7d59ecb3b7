"""What measures the images of a run: the identity (denoising), or a forward operator that is drawn for every image."""

from difftv.lab.forward.base import ForwardModel, Measured, SimulatedMeasurements, joined
from difftv.lab.forward.ct import Ct
from difftv.lab.forward.deblurring import Deblurring
from difftv.lab.forward.identity import Identity
from difftv.lab.forward.inpainting import Inpainting
from difftv.lab.forward.mri import Mri

__all__ = [
    "Ct",
    "Deblurring",
    "ForwardModel",
    "Identity",
    "Inpainting",
    "Measured",
    "Mri",
    "SimulatedMeasurements",
    "joined",
]
