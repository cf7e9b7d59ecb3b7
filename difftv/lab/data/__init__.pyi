from .base import ImageSource, Splits, default_cache_dir
from .cache import CleanImages, open_images
from .div2k import Div2k
from .duplicates import warn_of_repeated
from .evaluation import EvaluationItem, EvaluationItems, EvaluationPatches
from .folder import Folder
from .patches import Batch, TrainingPatches
from .phantoms import Phantoms
from .published import PublishedImages
from .sample import Sample

__all__ = [
    "Batch",
    "CleanImages",
    "Div2k",
    "EvaluationItem",
    "EvaluationItems",
    "EvaluationPatches",
    "Folder",
    "ImageSource",
    "Phantoms",
    "PublishedImages",
    "Sample",
    "Splits",
    "TrainingPatches",
    "default_cache_dir",
    "open_images",
    "warn_of_repeated",
]
