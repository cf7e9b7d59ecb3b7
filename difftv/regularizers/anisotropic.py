"""Anisotropic total variation."""

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
class AnisotropicTV(Regularizer):
    """R_lam(u) = sum_ij lam_v[i,j] |D_v u|[i,j] + lam_h[i,j] |D_h u|[i,j].

    Dual set: |p_v| <= lam_v, |p_h| <= lam_h, entry by entry.

    Args:
        num_maps: 1 (both directions share the map, lam_v = lam_h) or 2 (channel 0 weighs the vertical differences,
            channel 1 the horizontal ones).

    Raises:
        ValueError: num_maps is neither 1 nor 2.
    """

    name = "anisotropic"
    cone_entries = 3

    def __init__(self, num_maps: int = 1) -> None:
        if isinstance(num_maps, bool) or num_maps not in (1, 2):
            raise ValueError(
                f"regularizer=anisotropic takes num_maps=1 (shared) or 2 (one map per direction), got {num_maps!r}."
            )
        self.num_maps = num_maps

    def value(self, u: Image, lam: Map) -> PerImage:
        return (lam * gradient(u).abs()).sum(dim=(1, 2, 3))

    def analysis(self, u: Image) -> Dual:
        return gradient(u)

    def adjoint(self, p: Dual) -> Image:
        return -divergence(p)

    def project(self, p: Dual, lam: Map) -> Dual:
        return torch.minimum(torch.maximum(p, -lam), lam)

    def cone_form(self, u: "cvxpy.Variable", lam: "Sequence[cvxpy.Parameter]") -> ConeForm:
        import cvxpy as cp

        height, width = u.shape
        terms, constraints = [], []
        for weight, difference, kept in (
            (lam[0], u[1:, :] - u[:-1, :] if height > 1 else None, (slice(0, height - 1), slice(None))),
            (lam[-1], u[:, 1:] - u[:, :-1] if width > 1 else None, (slice(None), slice(0, width - 1))),
        ):
            if difference is None:
                # A layer's parameters must all stand in its problem.
                terms.append(0 * cp.sum(weight))
                continue
            # |d| <= t spelt out (it is what cp.abs becomes), so that the multipliers can be asked for by name.
            bound = cp.Variable(difference.shape)
            terms.append(cp.sum(cp.multiply(weight[kept], bound)))
            constraints += [difference <= bound, -difference <= bound]
        return ConeForm(
            expression=cp.sum(terms),
            constraints=constraints,
            dual_variables=[constraint.dual_variables[0] for constraint in constraints],
        )

    def dual_from_cone(self, multipliers: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
        p = np.zeros((2, *shape))
        pairs = list(zip(multipliers[::2], multipliers[1::2], strict=True))
        for channel, size in enumerate(shape):
            if size > 1:
                above, below = pairs.pop(0)
                p[channel, : above.shape[0], : above.shape[1]] = above - below
        return p
