"""Figures of images, of training, and of whole sweeps. Each function returns a matplotlib Figure of its own.

Matplotlib is imported when the first of them is asked for: training does not wait for it.
"""

from typing import TYPE_CHECKING

from difftv.lazy import lazily

if TYPE_CHECKING:
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

__getattr__ = lazily(
    __name__,
    {
        **dict.fromkeys(["AccuracyPoint", "gradient_accuracy"], "accuracy"),
        "comparison_strip": "comparison",
        **dict.fromkeys(["encode_figure", "save_figure"], "style"),
        "lam_over_edges": "lam_map",
        "lambda_search": "search",
        **dict.fromkeys(["solver_time", "staircasing_scatter"], "sweeps"),
        **dict.fromkeys(["training_comparison", "training_curves"], "training"),
    },
)
