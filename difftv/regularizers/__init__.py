"""WHAT is minimised: one regularizer a file."""

from difftv.regularizers.anisotropic import AnisotropicTV
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.eight_neighbour import EightNeighbourTV
from difftv.regularizers.filters import FilterBank
from difftv.regularizers.huber import HuberTV
from difftv.regularizers.isotropic import IsotropicTV
from difftv.regularizers.term import Norm, Term
from difftv.regularizers.tgv import TGV
from difftv.regularizers.tv_tv2 import TVTV2
from difftv.regularizers.tvpwl import TVpwL

BY_NAME: dict[str, type[Regularizer]] = {
    kind.name: kind for kind in (AnisotropicTV, IsotropicTV, HuberTV, TVpwL, EightNeighbourTV, TVTV2, TGV, FilterBank)
}
"""By the name on the command line, which stored models use as well."""

__all__ = [
    "BY_NAME",
    "TGV",
    "TVTV2",
    "AnisotropicTV",
    "EightNeighbourTV",
    "FilterBank",
    "HuberTV",
    "IsotropicTV",
    "MapSpec",
    "Norm",
    "Regularizer",
    "TVpwL",
    "Term",
]
