"""A bank of filters under absolute values."""

from typing import final

from difftv.linear.filters import CosineFilters, frequencies
from difftv.regularizers.base import MapSpec, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.regularizers.choices import one_of
from difftv.regularizers.potentials import Absolute
from difftv.regularizers.term import Norm, Term

_SIZES = {3: 3, 5: 5}


@final
class FilterBank(Regularizer):
    """R(u) = sum_ij sum_ab lam_ab[i,j] |(h_ab * u)[i,j]|,   h_ab: the non-constant filters of a cosine transform.

    They are a tight frame of norm 1: first and second differences, and mixed ones, each with a weight of its own.
    `difftv.linear.filters.CosineFilters` has the filters, their scale and what they do at the border. lam_ab weighs a
    half waves along the rows and b along the columns: `lam_10` the vertical first difference, `lam_20` the vertical
    second one. Dual set: |p_ab| <= lam_ab, entry by entry.

    Args:
        size: pixels of a filter along either axis, 3 or 5: 8 or 24 filters.
        num_maps: 1 (all filters share lam) or one per filter, 8 or 24.
        bounds: (lower, upper) of the minimiser, as for every regularizer (`difftv.regularizers.bounds`).

    Raises:
        ValueError: another size or num_maps, or bounds are no bounds.

    References: Goujon, Neumayer, Bohra, Ducotterd, Unser 2023, "A neural-network-based convex regularizer for inverse
    problems", who learn the filters and not the maps.
    """

    name = "filters"

    def __init__(self, size: int = 3, num_maps: int = 1, *, bounds: Bounds | None = None) -> None:
        operator = CosineFilters(one_of("size", size, _SIZES, "3 or 5 (pixels)"))
        every = operator.components
        names = one_of(
            "num_maps",
            num_maps,
            {1: ("lam",), every: tuple(f"lam_{a}{b}" for a, b in frequencies(operator.size))},
            f"1 (shared) or {every} (one per filter of {size}x{size})",
        )
        term = Term(operator, Norm.SEPARABLE, Absolute(), lam=tuple(range(num_maps)))
        super().__init__(tuple(MapSpec(name) for name in names), (term,), bounds)
