"""Whether the map does what it is for: less smoothing where the image has an edge."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from difftv.figures.style import (
    BLUE,
    GRAY,
    SEQUENTIAL,
    TEXT,
    Picture,
    as_text,
    bare,
    colour_scale,
    maps,
    new_figure,
    plain,
    plane,
)

WIDTH = 11.0  # inches
EDGE_SHARE = 10.0  # per cent of the pixels that count as edges, as in the diagnostics
BINS = 12
LEAST_SLOPE = 0.25 / 255  # below, a slope is rounding of the 8-bit file


def lam_over_edges(lam: Picture, clean: Picture, *, title: str = "") -> Figure:
    """The map with the clean image's edges drawn over it, and lam against the slope of the clean image.

    Edges are the 10 % of pixels with the steepest |grad(G_1 * clean)|, G_1 a Gaussian of one pixel. The plot on the
    right gives the median of lam, and its middle half, among the pixels of each slope: falling = it relaxes at edges.

    Args:
        lam: (1, maps, height, width) or (height, width), > 0; of several maps each is one panel.
        clean: (1, 1, height, width) or (height, width), intensities in [0, 1].
        title: above the figure.

    Raises:
        ValueError: a picture is not a single image, or the sizes differ.
    """
    channels, image = maps(lam, "lam"), plane(clean, "clean")
    if channels.shape[1:] != image.shape:
        raise ValueError(f"lam and clean must have one size, got {channels.shape[1:]} and {image.shape}.")
    slope = _slope(image)
    panels = 1 + len(channels)
    panel = WIDTH / (panels + 1.6)
    tall = panel * min(max(image.shape[0] / image.shape[1], 0.5), 2.0)
    figure = new_figure(WIDTH, max(tall + 0.9, 3.0))
    grid = figure.add_gridspec(1, panels + 1, width_ratios=[*[1.0] * panels, 1.6])
    if title:
        figure.suptitle(as_text(title), fontsize=TEXT + 1)
    picture = figure.add_subplot(grid[0, 0])
    picture.imshow(image, cmap="gray", vmin=0.0, vmax=1.0)
    picture.set_title("clean", fontsize=TEXT)
    bare(picture)
    names = ["lam"] if len(channels) == 1 else [f"lam {index + 1}" for index in range(len(channels))]
    for column, (name, channel) in enumerate(zip(names, channels, strict=True), start=1):
        axes = figure.add_subplot(grid[0, column])
        drawn = axes.imshow(channel, cmap=SEQUENTIAL)
        _contours(axes, slope)
        axes.set_title(f"{name}, with the clean edges", fontsize=TEXT)
        bare(axes)
        colour_scale(axes, drawn)
    _by_slope(figure.add_subplot(grid[0, panels]), slope, channels, names)
    return figure


def _slope(image: np.ndarray) -> np.ndarray:
    smooth = gaussian_filter(image, 1.0)
    differences = [np.diff(smooth, axis=axis, append=smooth.take([-1], axis=axis)) for axis in (0, 1)]
    return np.hypot(*differences)


def _contours(axes: Axes, slope: np.ndarray) -> None:
    level = float(np.percentile(slope, 100 - EDGE_SHARE))
    if min(slope.shape) > 1 and slope.min() < level < slope.max():
        axes.contour(slope, levels=[level], colors="white", linewidths=0.5)


def _by_slope(axes: Axes, slope: np.ndarray, channels: np.ndarray, names: list[str]) -> None:
    plain(axes, "slope of the clean image, gray levels per pixel", "lam")
    slopes = np.maximum(slope.ravel(), LEAST_SLOPE) * 255
    borders = np.unique(np.quantile(slopes, np.linspace(0, 1, BINS + 1)))
    bins = np.clip(np.searchsorted(borders, slopes, side="right") - 1, 0, max(len(borders) - 2, 0))
    present = np.unique(bins)
    centres = [float(np.median(slopes[bins == index])) for index in present]
    for channel, name, colour, marker in zip(channels, names, (BLUE, GRAY), "os", strict=False):
        quartiles = np.array([np.percentile(channel.ravel()[bins == index], [25, 50, 75]) for index in present])
        axes.fill_between(centres, quartiles[:, 0], quartiles[:, 2], color=colour, alpha=0.25, linewidth=0)
        axes.plot(centres, quartiles[:, 1], color=colour, marker=marker, markersize=4, label=f"{name}, median")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0.0)
    axes.legend(fontsize=TEXT - 1, frameon=False)
