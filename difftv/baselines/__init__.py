"""What the learned map is compared with."""

from difftv.baselines.scalar import GridSearch, search_per_image, search_per_set

__all__ = ["GridSearch", "search_per_image", "search_per_set"]
