"""Clean images, and the noisy patches made of them."""

from typing import TYPE_CHECKING

from difftv.lazy import lazily

if TYPE_CHECKING:
    from difftv.data.base import ImageSource, Splits, default_cache_dir
    from difftv.data.cache import CleanImages, open_images
    from difftv.data.div2k import Div2k
    from difftv.data.evaluation import EvaluationItem, EvaluationItems, EvaluationPatches
    from difftv.data.folder import Folder
    from difftv.data.patches import Batch, TrainingPatches
    from difftv.data.published import PublishedImages
    from difftv.data.sample import Sample

__all__ = [
    "Batch",
    "CleanImages",
    "Div2k",
    "EvaluationItem",
    "EvaluationItems",
    "EvaluationPatches",
    "Folder",
    "ImageSource",
    "PublishedImages",
    "Sample",
    "Splits",
    "TrainingPatches",
    "default_cache_dir",
    "open_images",
]

__getattr__ = lazily(
    __name__,
    {
        **dict.fromkeys(["ImageSource", "Splits", "default_cache_dir"], "base"),
        **dict.fromkeys(["CleanImages", "open_images"], "cache"),
        **dict.fromkeys(["EvaluationItem", "EvaluationItems", "EvaluationPatches"], "evaluation"),
        **dict.fromkeys(["Batch", "TrainingPatches"], "patches"),
        "Div2k": "div2k",
        "Folder": "folder",
        "PublishedImages": "published",
        "Sample": "sample",
    },
)
