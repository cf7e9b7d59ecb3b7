"""Figures of a whole sweep: what fidelity costs in staircasing, and what a solver costs in time."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from difftv.lab.figures.style import BLACK, COLOURS, CYCLE, DASHES, MARKERS, TEXT, as_text, label_axes, new_figure

Metrics = Mapping[str, float]
"""The metrics of one run, as in result.json."""

STAIRS = "stair/plateau_excess"
FORWARD, BACKWARD = "solver/forward_seconds", "solver/backward_seconds"


def stairs_axes(figure: Figure, title: str) -> Axes:
    """Plateau excess over PSNR, with a dashed line at the plateaus of the clean image."""
    axes = figure.subplots()
    label_axes(axes, "PSNR in dB", "plateau excess, share of smooth pixels")
    axes.axhline(0.0, color=BLACK, linewidth=0.8, linestyle="--")
    if title:
        axes.set_title(as_text(title), fontsize=TEXT + 1)
    return axes


def staircasing_scatter(
    runs: Mapping[str, Metrics], *, spread: Mapping[str, Metrics] | None = None, title: str = ""
) -> Figure:
    """Staircasing against PSNR: every run as a mark, tied to its own scalar lambda.

    Right = nearer to the clean image, down to the dashed line = as few plateaus as the clean image has.

    Args:
        runs: name -> metrics; runs without finite `psnr` and `stair/plateau_excess` are left out.
        spread: name -> standard deviation of the metrics over the seeds, where there are several: a bar on either side.
        title: above the figure.
    """
    figure = new_figure(6.5, 4.2)
    axes = stairs_axes(figure, title)
    shown = {name: point for name, metrics in runs.items() if (point := _point(metrics, "")) is not None}
    named = len(shown) <= len(CYCLE)
    for index, (name, point) in enumerate(shown.items()):
        scalar = _point(runs[name], "baseline/")
        marker, colour = (MARKERS[index], CYCLE[index]) if named else ("o", COLOURS["learned map"])
        if scalar is not None:
            axes.plot(*zip(scalar, point, strict=True), color="0.7", linewidth=0.9, zorder=1)
            axes.plot(*scalar, marker=marker, markersize=7, markerfacecolor="white", markeredgecolor=colour, zorder=2)
        label = as_text(name) if named else ("learned map" if index == 0 else None)
        axes.plot(*point, marker=marker, markersize=7, color=colour, linestyle="none", label=label, zorder=3)
        bars = _point((spread or {}).get(name, {}), "")
        if bars is not None:
            axes.errorbar(*point, xerr=bars[0], yerr=bars[1], color=colour, linewidth=1.2, capsize=2, zorder=2)
    if any(_point(metrics, "baseline/") for metrics in runs.values()):
        axes.plot([], [], "o", markerfacecolor="white", markeredgecolor=BLACK, label="hollow: scalar lambda")
    if shown:
        figure.legend(loc="outside lower center", fontsize=TEXT - 1, frameon=False)
        figure.set_figheight(4.2 + 0.2 * (len(shown) if named else 1))
    return figure


def solver_time(rows: Sequence[Mapping[str, float | str]], *, title: str = "") -> Figure:
    """Seconds per image of the forward and the backward pass against the side of the patch, a pair of lines per solver.

    Args:
        rows: `solver`, `patch_size` (pixels) and the two times of each run; times of one solver and size are averaged,
            and a band leads from the least to the greatest of them. Rows in which a time is missing, zero or not finite
            do not show it.
        title: above the figure.
    """
    figure = new_figure(9.0, 3.6)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    if title:
        figure.suptitle(as_text(title), fontsize=TEXT + 1)
    solvers = sorted({str(row["solver"]) for row in rows})
    sizes = sorted({float(row["patch_size"]) for row in rows})
    for axes, label in zip(panels, ("seconds per image", ""), strict=True):
        label_axes(axes, "side of the patch in pixels", label)
    panels[0].set(xscale="log", yscale="log")  # the other panel shares both
    for axes, name, pass_name in zip(panels, (FORWARD, BACKWARD), ("forward", "backward"), strict=True):
        axes.set_title(pass_name, fontsize=TEXT)
        for index, solver in enumerate(solvers):
            found = {size: times for size in sizes if (times := _times(rows, solver, size, name))}
            means = [(size, math.fsum(times) / len(times)) for size, times in found.items()]
            look = index % len(CYCLE)
            axes.plot(
                [size for size, _ in means],
                [seconds for _, seconds in means],
                color=CYCLE[look],
                linestyle=DASHES[look],
                marker=MARKERS[look],
                markersize=6,
                label=as_text(solver),
            )
            if any(len(times) > 1 for times in found.values()):
                low, high = (list(map(end, found.values())) for end in (min, max))
                axes.fill_between([*found], low, high, color=CYCLE[look], alpha=0.2, linewidth=0)
        axes.set_xticks(sizes, labels=[f"{size:g}" for size in sizes])
        axes.xaxis.set_minor_formatter(NullFormatter())
    if solvers:
        panels[0].legend(fontsize=TEXT - 1, frameon=False)
    return figure


def _point(metrics: Metrics, prefix: str) -> tuple[float, float] | None:
    point = metrics.get(f"{prefix}psnr", math.nan), metrics.get(f"{prefix}{STAIRS}", math.nan)
    return point if all(map(math.isfinite, point)) else None


def _times(rows: Sequence[Mapping[str, float | str]], solver: str, size: float, name: str) -> list[float]:
    times = [float(row.get(name, math.nan)) for row in rows if (row["solver"], row["patch_size"]) == (solver, size)]
    return [seconds for seconds in times if 0 < seconds < math.inf]
