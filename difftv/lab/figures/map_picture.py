"""The maps alone, as a picture of their own."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from difftv.lab.figures.style import (
    SEQUENTIAL,
    TEXT,
    Picture,
    as_text,
    colour_scale,
    named_maps,
    new_figure,
    remove_ticks,
)

WIDTH = 11.0  # inches
COLOUR_SCALE = 1.1  # height of a panel with the scale below it, in heights of the picture
MOST_IN_A_ROW = 3  # where a title such as "lam_v, green-magenta" still fits


def map_picture(lam: Mapping[str, Picture], *, names: Sequence[str] = ("lam",), title: str = "") -> Figure:
    """One panel with its own colour scale for every map; yellow = large.

    Several channels of an image (luma and chroma) stand side by side, their maps one below the other.

    Args:
        lam: name of a channel of the image -> (1, maps, height, width) or (height, width); all of one size.
        names: names of the maps, `Regularizer.map_names`; every channel of the image has one of each.
        title: above the figure.

    Raises:
        ValueError: no map, one that is not of a single image, or one without a name.
    """
    if not lam:
        raise ValueError("lam must hold at least one map.")
    panels = [
        (f"{name}, {channel}", values)
        for channel, picture in lam.items()
        for name, values in named_maps(picture, names).items()
    ]
    height, width = panels[0][1].shape
    rows = len(names) if len(lam) > 1 else -(-len(names) // MOST_IN_A_ROW)
    columns = -(-len(panels) // rows)
    tall = WIDTH / columns * min(max(height / width, 0.2), 2.0)
    figure = new_figure(WIDTH, rows * (tall * COLOUR_SCALE + 1.0) + 0.3)
    if title:
        figure.suptitle(as_text(title), fontsize=TEXT + 1)
    grid = figure.subplots(rows, columns, squeeze=False)
    places = list((grid.T if len(lam) > 1 else grid).flat)
    for axes in places[len(panels) :]:
        axes.remove()
    for axes, (name, values) in zip(places, panels, strict=False):
        drawn = axes.imshow(values, cmap=SEQUENTIAL)
        axes.set_title(name, fontsize=TEXT)
        remove_ticks(axes)
        colour_scale(axes, drawn)
    return figure
