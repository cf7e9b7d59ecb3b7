"""Isotropic total variation."""

from typing import final

from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.differences import ForwardDifferences
from difftv.regularizers.potentials import Absolute
from difftv.regularizers.term import Norm, Term


@final
class IsotropicTV(Regularizer):
    """R_lam(u) = sum_ij lam[i,j] sqrt((D_v u)[i,j]^2 + (D_h u)[i,j]^2)   (Rudin, Osher, Fatemi 1992, weighted).

    Dual set: |(p_v, p_h)[i,j]|_2 <= lam[i,j] at every pixel. Border pixels keep the one difference they have.
    """

    name = "isotropic"

    def __init__(self) -> None:
        super().__init__((MapSpec("lam"),), (Term(ForwardDifferences(), Norm.EUCLIDEAN, Absolute()),))
