"""WHAT is minimised: one regularizer a file."""

from difftv.regularizers.anisotropic import AnisotropicTV
from difftv.regularizers.base import ConeForm, Regularizer
from difftv.regularizers.isotropic import IsotropicTV

BY_NAME: dict[str, type[Regularizer]] = {"anisotropic": AnisotropicTV, "isotropic": IsotropicTV}
"""By the name on the command line, which stored models use as well."""

__all__ = ["BY_NAME", "AnisotropicTV", "ConeForm", "IsotropicTV", "Regularizer"]
