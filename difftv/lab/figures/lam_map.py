"""Whether the maps do what they are for: less smoothing where the image has an edge."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter
from torch import Tensor

from difftv.lab.figures.style import (
    CYCLE,
    GRAY,
    MARKERS,
    SEQUENTIAL,
    TEXT,
    Picture,
    as_text,
    colour_scale,
    label_axes,
    luma_and_colour,
    named_maps,
    new_figure,
    plane,
    remove_ticks,
)
from difftv.metrics import field_length, map_groups

WIDTH = 11.0  # inches
PLOT = 1.6  # width of the plots, in panels
PLOT_HEIGHT = 2.2  # inches
EDGE_SHARE = 10.0  # per cent of the pixels that count as edges, as in the diagnostics
BINS = 12
LEAST_SLOPE = 0.25 / 255  # below, a slope is rounding of the 8-bit file


def lam_over_edges(
    lam: Picture,
    clean: Picture,
    *,
    names: Sequence[str] = ("lam",),
    auxiliary: Tensor | None = None,
    title: str = "",
    of: str = "clean",
) -> Figure:
    """The maps with the clean image's edges drawn over them, and each against the slope of the clean image.

    Edges are the 10 % of pixels with the steepest |grad(G_1 * clean)|, G_1 a Gaussian of one pixel. The plots on the
    right give the median of a map, and its middle half, among the pixels of each slope: falling = it is smaller at
    edges. Directions of one map (lam_v, lam_h) share a plot; other maps, whose scales differ, have one each.

    Args:
        lam: (1, maps, height, width) or (height, width), >= 0; every map is one panel.
        clean: (1, 1 or 3, height, width) or (height, width), intensities in [0, 1]; of RGB, the edges of the luma.
        names: names of the channels of lam, `Regularizer.map_names`.
        auxiliary: the field v, (1, 2, height, width), of a regularizer that has one: |v| is one more panel.
        title: above the figure.
        of: word for `clean` in the labels, where it is another image: "denoised".

    Raises:
        ValueError: a picture is not a single image, the sizes differ, or a map has no name.
    """
    channels, (image, _) = named_maps(lam, names), luma_and_colour(clean, "clean")
    shape = next(iter(channels.values())).shape
    if shape != image.shape:
        raise ValueError(f"lam and clean must have one size, got {shape} and {image.shape}.")
    panels = dict(channels)
    if auxiliary is not None:
        panels["|v|"] = plane(field_length(auxiliary), "auxiliary")
    slope = _slope(image)
    plots = [[names[index] for index in group] for group in map_groups(names).values()]
    panel = WIDTH / (1 + len(panels) + PLOT)
    tall = panel * min(max(image.shape[0] / image.shape[1], 0.5), 2.0)
    figure = new_figure(WIDTH, max(tall + 0.9, 3.0, PLOT_HEIGHT * len(plots)))
    grid = figure.add_gridspec(len(plots), len(panels) + 2, width_ratios=[*[1.0] * (1 + len(panels)), PLOT])
    if title:
        figure.suptitle(as_text(title), fontsize=TEXT + 1)
    picture = figure.add_subplot(grid[:, 0])
    picture.imshow(image, cmap="gray", vmin=0.0, vmax=1.0)
    picture.set_title(of, fontsize=TEXT)
    remove_ticks(picture)
    for column, (name, values) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(grid[:, column])
        drawn = axes.imshow(values, cmap=SEQUENTIAL)
        _contours(axes, slope)
        # Narrow panels have no room for more than the name.
        axes.set_title(f"{name}, with the {of} edges" if len(panels) <= 2 else name, fontsize=TEXT)
        remove_ticks(axes)
        colour_scale(axes, drawn)
    for row, group in enumerate(plots):
        axes = figure.add_subplot(grid[row, len(panels) + 1])
        _by_slope(axes, slope, {name: channels[name] for name in group})
        if row + 1 == len(plots):
            label = f"slope of the {of} image, gray levels per pixel"
            axes.set_xlabel(label if len(panels) <= 2 else f"{of} slope, gray levels", fontsize=TEXT)
    return figure


def _slope(image: np.ndarray) -> np.ndarray:
    smooth = gaussian_filter(image, 1.0)
    differences = [np.diff(smooth, axis=axis, append=smooth.take([-1], axis=axis)) for axis in (0, 1)]
    return np.hypot(*differences)


def _contours(axes: Axes, slope: np.ndarray) -> None:
    level = float(np.percentile(slope, 100 - EDGE_SHARE))
    if min(slope.shape) > 1 and slope.min() < level < slope.max():
        axes.contour(slope, levels=[level], colors="white", linewidths=0.5)


def _by_slope(axes: Axes, slope: np.ndarray, channels: Mapping[str, np.ndarray]) -> None:
    label_axes(axes, "", next(iter(map_groups(list(channels)))))
    slopes = np.maximum(slope.ravel(), LEAST_SLOPE) * 255
    borders = np.unique(np.quantile(slopes, np.linspace(0, 1, BINS + 1)))
    bins = np.clip(np.searchsorted(borders, slopes, side="right") - 1, 0, max(len(borders) - 2, 0))
    present = np.unique(bins)
    centres = [float(np.median(slopes[bins == index])) for index in present]
    colours = (CYCLE[0], GRAY, *CYCLE[1:])
    for (name, channel), colour, marker in zip(channels.items(), colours, MARKERS, strict=False):
        quartiles = np.array([np.percentile(channel.ravel()[bins == index], [25, 50, 75]) for index in present])
        axes.fill_between(centres, quartiles[:, 0], quartiles[:, 2], color=colour, alpha=0.25, linewidth=0)
        axes.plot(centres, quartiles[:, 1], color=colour, marker=marker, markersize=4, label=f"{name}, median")
    axes.set_xscale("log")
    largest = max(float(np.nanmax(line.get_ydata())) for line in axes.lines)
    axes.set_ylim(0.0, max(axes.get_ylim()[1], 1.08 * largest))  # a constant map would lie on the frame
    axes.legend(fontsize=TEXT - 1, frameon=False)
