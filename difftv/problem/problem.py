"""What is minimised, as one object: the data term, the regularizer, and the maps that weigh it.

u*(y; maps) = argmin_u  1/2 ||W^(1/2) (A u - y)||^2  +  min_v sum_t sum_i phi_t(|(K_t (u, v))_i|; maps_t,i)
"""

from dataclasses import dataclass
from typing import final

from difftv.problem.data_term import DataTerm
from difftv.regularizers.base import Regularizer
from difftv.types import Map


@final
@dataclass(frozen=True)
class Problem:
    """A batch of problems, one for every image.

    Attributes:
        data: the data term: y, weights of the data, bounds, forward operator.
        regularizer: the regularizer; its bounds are those of `data`, in whatever units that is.
        maps: the maps, (batch, num_maps, *space), >= 0, in the units of `data`.
    """

    data: DataTerm
    regularizer: Regularizer
    maps: Map
