"""Clean images, and the noisy patches made of them."""

from difftv.data.base import ImageSource, Splits
from difftv.data.cache import CleanImages, default_cache_dir, open_images
from difftv.data.div2k import Div2k
from difftv.data.evaluation import EvaluationItem, EvaluationPatches
from difftv.data.folder import Folder
from difftv.data.patches import Batch, TrainingPatches
from difftv.data.sample import Sample

__all__ = [
    "Batch",
    "CleanImages",
    "Div2k",
    "EvaluationItem",
    "EvaluationPatches",
    "Folder",
    "ImageSource",
    "Sample",
    "Splits",
    "TrainingPatches",
    "default_cache_dir",
    "open_images",
]
