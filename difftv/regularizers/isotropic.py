"""Isotropic total variation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import numpy as np
import torch

from difftv.operators import divergence, gradient
from difftv.regularizers.base import ConeForm, Regularizer
from difftv.types import Dual, Image, Map, PerImage

if TYPE_CHECKING:
    import cvxpy


@final
class IsotropicTV(Regularizer):
    """R_lam(u) = sum_ij lam[i,j] sqrt((D_v u)[i,j]^2 + (D_h u)[i,j]^2)   (Rudin, Osher, Fatemi 1992, weighted).

    Dual set: |(p_v, p_h)[i,j]|_2 <= lam[i,j] at every pixel. Border pixels keep the one difference they have.
    """

    name = "isotropic"
    num_maps = 1
    cone_entries = 5

    def value(self, u: Image, lam: Map) -> PerImage:
        return (lam * torch.linalg.vector_norm(gradient(u), dim=1, keepdim=True)).sum(dim=(1, 2, 3))

    def analysis(self, u: Image) -> Dual:
        return gradient(u)

    def adjoint(self, p: Dual) -> Image:
        return -divergence(p)

    def project(self, p: Dual, lam: Map) -> Dual:
        length = torch.linalg.vector_norm(p, dim=1, keepdim=True)
        return torch.where(length > lam, p * (lam / length.clamp_min(torch.finfo(p.dtype).tiny)), p)

    def cone_form(self, u: "cvxpy.Variable", lam: "Sequence[cvxpy.Parameter]") -> ConeForm:
        import cvxpy as cp

        height, width = u.shape
        pixels = cp.vec(u, order="F")
        vertical, horizontal = _difference_matrices(height, width)
        bound = cp.Variable(height * width)
        cone = cp.SOC(bound, cp.vstack([vertical @ pixels, horizontal @ pixels]), axis=0)
        return ConeForm(
            expression=cp.sum(cp.multiply(cp.vec(lam[0], order="F"), bound)),
            constraints=[cone],
            dual_variables=list(cone.dual_variables),
        )

    def dual_from_cone(self, multipliers: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
        # The multipliers of the n cones lie one after the other, (t_k, v_k, h_k) each; cvxpylayers cuts that vector
        # into n "t" and 2n "x" entries without undoing the interleaving, so it is put together again here.
        raw = np.concatenate([np.asarray(part).ravel(order="F") for part in multipliers]).reshape(-1, 3)
        return -raw[:, 1:].T.reshape((2, *shape), order="F")


def _difference_matrices(height: int, width: int):
    """Sparse D_v and D_h for a column-major vector of pixels, zero rows at the border."""
    import scipy.sparse as sp

    def one_axis(size: int):
        matrix = sp.diags_array([-np.ones(size), np.ones(size - 1)], offsets=[0, 1], format="lil")
        matrix[size - 1, size - 1] = 0.0
        return matrix.tocsr()

    return sp.kron(sp.eye_array(width), one_axis(height), "csr"), sp.kron(one_axis(width), sp.eye_array(height), "csr")
