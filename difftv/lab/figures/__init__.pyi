from .accuracy import AccuracyPoint, gradient_accuracy
from .comparison import comparison_strip
from .lam_map import lam_over_edges
from .profiles import line_profiles
from .search import lambda_search
from .slices import orthogonal_slices
from .style import encode_figure, save_figure
from .sweeps import solver_time, staircasing_scatter
from .tradeoff import psnr_against_stairs
from .training import training_bands, training_comparison, training_curves
from .trials import search_front, search_progress

__all__ = [
    "AccuracyPoint",
    "comparison_strip",
    "encode_figure",
    "gradient_accuracy",
    "lam_over_edges",
    "lambda_search",
    "line_profiles",
    "orthogonal_slices",
    "psnr_against_stairs",
    "save_figure",
    "search_front",
    "search_progress",
    "solver_time",
    "staircasing_scatter",
    "training_bands",
    "training_comparison",
    "training_curves",
]
