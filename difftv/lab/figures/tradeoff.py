"""What fidelity costs in staircasing, for many methods at once: a line leads from every mark to its name."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from difftv.lab.figures.style import CYCLE, MARKERS, TEXT, as_text, new_figure
from difftv.lab.figures.sweeps import stairs_axes

Point = tuple[float, float]
"""PSNR in dB, plateau_excess."""


def psnr_against_stairs(groups: Mapping[str, Mapping[str, Point]], *, title: str = "") -> Figure:
    """Plateau excess over PSNR, a mark and a name per method, a colour per group.

    Right = nearer to the clean image, down to the dashed line = as few plateaus as the clean image has.

    Args:
        groups: name of a group -> name of a method -> its point; seven groups at most.
        title: above the figure.

    Raises:
        ValueError: more than seven groups.
    """
    if len(groups) > len(CYCLE):
        raise ValueError(f"At most {len(CYCLE)} groups can be told apart, got {len(groups)}. Draw several figures.")
    points = [(point, name, index) for index, methods in enumerate(groups.values()) for name, point in methods.items()]
    figure = new_figure(9.0, max(4.0, 1.2 + 0.25 * len(points)))
    axes = stairs_axes(figure, title)
    for (x, y), _, index in points:
        axes.plot(x, y, MARKERS[index], markersize=7, color=CYCLE[index], zorder=3)
    # Names in a column, in the order of the marks and as far apart, so that none covers another.
    for rank, (point, name, _) in enumerate(sorted(points, key=lambda each: each[0][1])):
        axes.annotate(
            as_text(name),
            point,
            xytext=(1.06, (rank + 0.5) / len(points)),
            textcoords="axes fraction",
            va="center",
            fontsize=TEXT - 1,
            arrowprops={"arrowstyle": "-", "color": "0.75", "linewidth": 0.7, "relpos": (0.0, 0.5)},
            annotation_clip=False,
        )
    axes.margins(0.08)
    for index, group in enumerate(groups):
        axes.plot([], [], MARKERS[index], color=CYCLE[index], label=as_text(group))
    if points:
        figure.legend(loc="outside lower center", ncols=len(groups), fontsize=TEXT - 1, frameon=False)
    return figure
