"""The map alone, as a picture of its own."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from difftv.figures.style import SEQUENTIAL, TEXT, Picture, as_text, bare, colour_scale, maps, new_figure

WIDTH = 11.0  # inches


def map_picture(lam: Mapping[str, Picture], *, title: str = "") -> Figure:
    """One panel with its own colour scale for every map; yellow = large = smoother.

    Args:
        lam: name -> (1, maps, height, width) or (height, width); all of one size.
        title: above the figure.

    Raises:
        ValueError: no map, or one that is not of a single image.
    """
    panels = [
        (name if len(channels) == 1 else f"{name}, {direction} differences", channel)
        for name, channels in ((name, maps(picture, "lam")) for name, picture in lam.items())
        for direction, channel in zip(("vertical", "horizontal"), channels, strict=False)
    ]
    if not panels:
        raise ValueError("lam must hold at least one map.")
    height, width = panels[0][1].shape
    # Several maps with two directions each: one below the other, where their titles fit.
    rows = 2 if len(panels) == 2 * len(lam) > 2 else 1
    columns = len(panels) // rows
    figure = new_figure(WIDTH, rows * (WIDTH / columns * min(max(height / width, 0.2), 2.0) + 0.6) + 0.3)
    if title:
        figure.suptitle(as_text(title), fontsize=TEXT + 1)
    places = figure.subplots(rows, columns, squeeze=False).T.flat
    for axes, (name, channel) in zip(places, panels, strict=True):
        drawn = axes.imshow(channel, cmap=SEQUENTIAL)
        axes.set_title(f"lam, {name}", fontsize=TEXT)
        bare(axes)
        colour_scale(axes, drawn)
    return figure
