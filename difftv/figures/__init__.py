"""Figures of images, of training, and of whole sweeps. Each function returns a matplotlib Figure of its own."""

from difftv.figures.comparison import comparison_strip
from difftv.figures.style import save_figure

__all__ = ["comparison_strip", "save_figure"]
