"""WHAT is minimised: one regularizer a file."""

from difftv.regularizers.anisotropic import AnisotropicTV
from difftv.regularizers.base import ConeForm, Regularizer
from difftv.regularizers.isotropic import IsotropicTV

__all__ = ["AnisotropicTV", "ConeForm", "IsotropicTV", "Regularizer"]
