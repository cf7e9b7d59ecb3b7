"""Volumes as three orthogonal slices through their middle."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from difftv.lab.figures.style import TEXT, as_text, new_figure, remove_ticks
from difftv.space import AXES, Spacing, checked_spacing

WIDTH = 9.0  # inches
_MOST = 3.0  # height of a slice over its width in the figure


def orthogonal_slices(volumes: Mapping[str, np.ndarray], *, spacing: Spacing | None = None, title: str = "") -> Figure:
    """One row per volume, one column per axis that the slice is orthogonal to, all on the gray scale of the first.

    Args:
        volumes: name -> (depth, height, width), all of one shape.
        spacing: distance of voxels along the three axes, which slices are drawn in proportion to; None: 1.
        title: above the figure.

    Raises:
        ValueError: no volume, or volumes of different shapes or not of three axes.
    """
    shapes = {values.shape for values in volumes.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        raise ValueError(f"volumes must have one shape (depth, height, width), got {sorted(shapes)}.")
    lengths = checked_spacing(spacing, 3)
    first = next(iter(volumes.values()))
    low, high = np.quantile(first, [0.005, 0.995])
    figure = new_figure(WIDTH, 3.0 * len(volumes) + 0.3)
    if title:
        figure.suptitle(as_text(title), fontsize=TEXT + 1)
    grid = figure.subplots(len(volumes), 3, squeeze=False)
    for row, (name, values) in zip(grid, volumes.items(), strict=True):
        for axis, axes in enumerate(row):
            rows, columns = (lengths[other] for other in range(3) if other != axis)
            picture = np.take(values, values.shape[axis] // 2, axis=axis)
            aspect = min(rows / columns, _MOST * picture.shape[1] / picture.shape[0])
            axes.imshow(picture, cmap="gray", vmin=low, vmax=high, aspect=aspect)
            axes.set_title(f"{name}, middle of the {AXES[3][axis]}", fontsize=TEXT)
            remove_ticks(axes)
    return figure
