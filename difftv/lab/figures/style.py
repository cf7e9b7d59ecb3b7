"""What the figures share: colours, a canvas without global state, and how pictures become arrays."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from torch import Tensor

from difftv.files import write_atomically
from difftv.metrics.contract import LUMA

Picture = Tensor | np.ndarray
"""One image: a tensor (1, 1, height, width) or an array (height, width). Of a volume, a tensor of five dimensions, the
slice in the middle of its depth is drawn."""

# Okabe and Ito 2008: told apart with every kind of colour vision. One method has one colour in every figure; the four
# also differ in lightness, so that a gray print keeps them apart.
BLACK, GRAY, ORANGE, BLUE = "#000000", "#999999", "#E69F00", "#0072B2"
COLOURS = {"clean": BLACK, "noisy": GRAY, "scalar lambda": ORANGE, "learned map": BLUE}
CYCLE = (BLUE, ORANGE, "#009E73", "#CC79A7", "#D55E00", "#56B4E9", BLACK)
MARKERS = "osD^vP*"
DASHES: Sequence[str | tuple[int, tuple[int, ...]]] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1, 1, 1, 1, 1)),
    (0, (8, 2)),
    (0, (1, 1)),
)
SEQUENTIAL = "viridis"  # even in lightness, also for colour-blind readers and in gray

TEXT = 10  # points at a width of about 11 inches: still 6 points when a paper shrinks the figure to 6.5 inches
DPI = 150
LONGEST_TEXT = 70  # characters that fit under the narrowest figure


def new_figure(width: float, height: float) -> Figure:
    """A white figure of that size in inches, drawn by Agg whatever the display, known to no global state."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def encode_figure(figure: Figure, kind: str) -> bytes:
    """The figure as a file of that kind (png, pdf, svg); the same figure gives the same bytes."""
    picture = io.BytesIO()
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    figure.savefig(picture, format=kind, metadata=metadata.get(kind))
    return picture.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the suffix (.png, .pdf, .svg), in one step: never half a file.

    Raises:
        OSError: the file could not be written; nothing has changed then.
        ValueError: matplotlib cannot write such a file.
    """
    write_atomically(path, encode_figure(figure, path.suffix.removeprefix(".")))


def plane(picture: Picture, name: str) -> np.ndarray:
    """(height, width) float64 of one image.

    Raises:
        ValueError: it is not one gray image.
    """
    array = maps(picture, name)
    if len(array) != 1:
        raise ValueError(f"{name} must be one gray image, got {len(array)} channels. Show one channel at a time.")
    return array[0]


def luma_and_colour(picture: Picture, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The luma of one gray or RGB image, (height, width), and the image as it is shown, (height, width[, 3]).

    Raises:
        ValueError: it is not one gray or RGB image.
    """
    array = maps(picture, name)
    if len(array) == 1:
        return array[0], array[0]
    if len(array) != 3:
        raise ValueError(f"{name} must be one gray or RGB image, got {len(array)} channels.")
    return np.tensordot(np.array(LUMA), array, axes=1), np.moveaxis(array, 0, -1)


def maps(picture: Picture, name: str) -> np.ndarray:
    """(maps, height, width) float64 of a map with one or more channels; of a volume the slice in the middle.

    Raises:
        ValueError: it is not a single image.
    """
    array = picture.detach().cpu().double().numpy() if isinstance(picture, Tensor) else np.asarray(picture, float)
    shape = array.shape
    if array.ndim == 5 and shape[0] == 1:
        array = array[:, :, shape[2] // 2]
    if array.ndim == 4 and shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(
            f"{name} must be (1, channels, height, width) or (height, width), got {shape}. "
            "Pick one image of a batch with batch[k : k + 1]."
        )
    return array


def named_maps(picture: Picture, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Name of every channel of a map -> (height, width) float64.

    Raises:
        ValueError: it is not a single image, or has another number of channels than names.
    """
    channels = maps(picture, "lam")
    if len(channels) != len(names):
        raise ValueError(
            f"lam has {len(channels)} channel(s), but {len(names)} name(s) were given: {', '.join(names)}. "
            "Give the map_names of the regularizer that the maps belong to."
        )
    return dict(zip(names, channels, strict=True))


def as_text(name: str) -> str:
    """A name that comes from outside, drawn as it reads and never longer than a figure is wide.

    To matplotlib a dollar starts a formula and a leading underscore hides a label; its font ends after Cyrillic.
    """
    cut = name if len(name) <= LONGEST_TEXT else f"{name[: LONGEST_TEXT // 2]}...{name[3 - LONGEST_TEXT // 2 :]}"
    known = "".join(c if c.isprintable() and c <= "\N{CYRILLIC SMALL LETTER EL WITH DESCENDER}" else "?" for c in cut)
    return (" " * known.startswith("_") + known).replace("$", r"\$")


def remove_ticks(axes: Axes) -> None:
    """No ticks: the axes of a picture count pixels, which say nothing."""
    axes.set_xticks([])
    axes.set_yticks([])


def label_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Axes of a plot: two spines, a faint grid, text that survives shrinking."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(x_label, fontsize=TEXT)
    axes.set_ylabel(y_label, fontsize=TEXT)
    axes.tick_params(labelsize=TEXT - 1)
    axes.ticklabel_format(useOffset=False)  # +2.682e1 above an axis is easily overlooked


def colour_scale(axes: Axes, image: ScalarMappable) -> None:
    """A colour bar under a picture, marked at both ends; the picture keeps its size, beside others in a row."""
    place = axes.inset_axes((0.0, -0.1, 1.0, 0.05))
    bar = cast(Figure, axes.figure).colorbar(image, cax=place, orientation="horizontal")
    low, high = image.get_clim()
    digits = next((n for n in range(2, 5) if f"{low:.{n}g}" != f"{high:.{n}g}"), 2)
    bar.set_ticks([low, high], labels=[f"{low:.{digits}g}", f"{high:.{digits}g}"])
    bar.ax.tick_params(labelsize=TEXT - 2, length=2)
    first, last = bar.ax.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
