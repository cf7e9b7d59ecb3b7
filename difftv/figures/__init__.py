"""Figures of images, of training, and of whole sweeps. Each function returns a matplotlib Figure of its own."""

from difftv.figures.accuracy import AccuracyPoint, gradient_accuracy
from difftv.figures.comparison import comparison_strip
from difftv.figures.lam_map import lam_over_edges
from difftv.figures.search import lambda_search
from difftv.figures.style import encode_figure, save_figure
from difftv.figures.sweeps import solver_time, staircasing_scatter
from difftv.figures.training import training_comparison, training_curves

__all__ = [
    "AccuracyPoint",
    "comparison_strip",
    "encode_figure",
    "gradient_accuracy",
    "lam_over_edges",
    "lambda_search",
    "save_figure",
    "solver_time",
    "staircasing_scatter",
    "training_comparison",
    "training_curves",
]
