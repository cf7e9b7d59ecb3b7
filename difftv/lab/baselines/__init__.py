"""What the learned map is compared with."""

from difftv.lab.baselines.cheaper import images_at_a_time, loosened
from difftv.lab.baselines.nonlocal_means import nonlocal_means
from difftv.lab.baselines.outcome import GridSearch
from difftv.lab.baselines.scalar import ScalarDenoiser, scalar_denoiser, search_per_image, search_per_set
from difftv.lab.baselines.sure import numbers_by_sure

__all__ = [
    "GridSearch",
    "ScalarDenoiser",
    "images_at_a_time",
    "loosened",
    "nonlocal_means",
    "numbers_by_sure",
    "scalar_denoiser",
    "search_per_image",
    "search_per_set",
]
