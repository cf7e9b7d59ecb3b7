"""Total variation over all eight neighbours of a pixel."""

from typing import final

from difftv.linear.differences import DiagonalDifferences, ForwardDifferences
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import one_of
from difftv.regularizers.potentials import Absolute
from difftv.regularizers.term import Norm, Term

DIAGONAL = 0.5**0.5
"""One over the distance of diagonal neighbours."""

_LAYOUTS: dict[int, tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...], float]] = {
    1: (("lam",), (0,), (0,), DIAGONAL),
    2: (("lam_axial", "lam_diagonal"), (0,), (1,), 1.0),
    4: (("lam_v", "lam_h", "lam_down", "lam_up"), (0, 1), (2, 3), 1.0),
}
"""num_maps -> names, channels of the forward differences, channels of the diagonals, factor of the diagonals."""


@final
class EightNeighbourTV(Regularizer):
    """R(u) = sum_ij lam_v |D_v u| + lam_h |D_h u| + lam_down |u[i+1,j+1] - u[i,j]| + lam_up |u[i+1,j] - u[i,j+1]|.

    Closer to rotation invariance than `anisotropic`, whose level lines prefer the axes. The maps of the diagonals are
    read at the upper left pixel (i, j) of the cell. Dual set: |p| <= lam, entry by entry.

    Args:
        num_maps: 1 (all share lam, the diagonals with weight lam / sqrt(2)), 2 (lam_axial, lam_diagonal) or
            4 (lam_v, lam_h, lam_down, lam_up: one per direction).
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).

    Raises:
        ValueError: another num_maps, or bounds are no bounds.
    """

    name = "eight_neighbour"

    def __init__(self, num_maps: int = 1, *, bounds: Bounds | None = None) -> None:
        names, axial, diagonal, factor = one_of(
            "num_maps", num_maps, _LAYOUTS, "1 (shared), 2 (axial, diagonal) or 4 (one per direction)"
        )
        forward = Term(ForwardDifferences(), Norm.SEPARABLE, Absolute(), lam=axial)
        across = Term(DiagonalDifferences(), Norm.SEPARABLE, Absolute(), lam=diagonal, factor=factor)
        maps = (
            MapSpec(name, ratio=DIAGONAL if index in diagonal and num_maps > 1 else 1.0)
            for index, name in enumerate(names)
        )
        super().__init__(tuple(maps), (forward, across), bounds)
