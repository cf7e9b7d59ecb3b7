from .base import ImageSource, Splits, default_cache_dir
from .cache import CleanImages, open_images
from .div2k import Div2k
from .duplicates import warn_of_repeated
from .evaluation import EvaluationItem, EvaluationItems, EvaluationPatches
from .folder import Folder
from .noisy import NoisyEvaluation, NoisyScenes, NoisyTrainingPatches, open_second
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
    "NoisyEvaluation",
    "NoisyScenes",
    "NoisyTrainingPatches",
    "Phantoms",
    "PublishedImages",
    "Sample",
    "Splits",
    "TrainingPatches",
    "default_cache_dir",
    "open_images",
    "open_second",
    "warn_of_repeated",
]
