"""How the numbers of the constant maps were found."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from difftv.lab.figures.style import CYCLE, SEQUENTIAL, TEXT, new_figure

WIDTH, HEIGHT = 5.0, 3.2  # inches
SHOWN = 3.0  # dB below the best: more would leave one colour for all that matters
LEAST_ROW = 6  # points that make a curve of their own

Tried = tuple[float, ...]


def lambda_search(
    curve: Sequence[Tried],
    names: Sequence[str] = ("lam",),
    relative: Sequence[bool] = (False,),
    *,
    title: str = "",
) -> Figure:
    """PSNR over the numbers that a search tried, with a mark on the best.

    Of one number, its curve. Of several, PSNR over the first for every value of the second on the coarse grid, and
    beside it all that was tried in the plane of the first two, coloured by PSNR.

    Args:
        curve: (number, ..., PSNR in dB) of everything that was tried, in any order; non-finite PSNRs are left out.
        names: names of the numbers.
        relative: for each of them, whether it is shown as a ratio to the first.
        title: above the figure.

    Raises:
        ValueError: the rows of the curve, the names and `relative` do not have one length.
    """
    if len(names) != len(relative) or any(len(row) != len(names) + 1 for row in curve):
        raise ValueError(
            f"curve must hold {len(names)} number(s) ({', '.join(names)}) and a PSNR per row, and `relative` "
            f"{len(names)} entries; got rows of {sorted({len(row) for row in curve})} and {len(relative)} entries."
        )
    points = sorted(row for row in map(tuple, curve) if math.isfinite(row[-1]))
    several = len(names) > 1
    figure = new_figure(WIDTH * (2 if several else 1), HEIGHT)
    axes = figure.subplots(1, 2 if several else 1, squeeze=False)[0]
    first = "scalar lambda (intensity units)" if not several else f"scalar {names[0]} (intensity units)"
    for panel in axes:
        panel.set_xscale("log")
        panel.set_xlabel(first)
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("PSNR (dB)")
    if several:
        axes[1].set_yscale("log")
        axes[1].yaxis.set_major_formatter("{x:g}")
        axes[1].yaxis.set_minor_formatter(NullFormatter())
        axes[1].set_ylabel(f"{names[1]} / {names[0]}" if relative[1] else f"{names[1]} (intensity units per pixel)")
    if points:
        best = max(points, key=lambda point: point[-1])
        if several:
            plane = [(row[0], row[1] / row[0] if relative[1] else row[1], row[-1]) for row in points]
            _rows(axes[0], plane, axes[1].get_ylabel().split(" (")[0])
            _plane(figure, axes[1], plane, max(plane, key=lambda point: point[-1]))
        else:
            axes[0].plot(*zip(*points, strict=True), color=CYCLE[0], marker="o", markersize=3.5, linewidth=1.5)
        axes[0].plot(best[0], best[-1], marker="*", markersize=13, color=CYCLE[4], linestyle="none")
        found = ", ".join(f"{name} = {value:.3g}" for name, value in zip(names, best, strict=False))
        text = found if several else f"lambda = {best[0]:.3g}"
        axes[0].set_title(f"best: {best[-1]:.2f} dB at {text}", fontsize=TEXT)
    if title:
        figure.suptitle(title)
    return figure


def _rows(axes: Axes, plane: Sequence[tuple[float, float, float]], name: str) -> None:
    """One curve per value of the second number with enough points, and the rest as dots."""
    rows: dict[float, list[tuple[float, float]]] = {}
    for first, second, psnr in plane:
        rows.setdefault(float(f"{second:.6g}"), []).append((first, psnr))
    curves = {second: row for second, row in sorted(rows.items()) if len(row) >= LEAST_ROW}
    for index, (second, row) in enumerate(curves.items()):
        colour = CYCLE[index % len(CYCLE)]
        axes.plot(*zip(*row, strict=True), color=colour, marker="o", markersize=3, linewidth=1.3, label=f"{second:.2g}")
    others = [point for second, row in rows.items() if second not in curves for point in row]
    if others:
        axes.plot(*zip(*others, strict=True), color="0.4", marker=".", markersize=4, linestyle="none")
    if curves:
        axes.legend(title=name, fontsize=TEXT - 2, title_fontsize=TEXT - 2, frameon=False)


def _plane(
    figure: Figure, axes: Axes, plane: Sequence[tuple[float, float, float]], best: tuple[float, float, float]
) -> None:
    first, second, psnr = (np.array(column) for column in zip(*plane, strict=True))
    dots = axes.scatter(first, second, c=psnr, cmap=SEQUENTIAL, vmin=best[2] - SHOWN, vmax=best[2], s=28)
    axes.plot(best[0], best[1], marker="*", markersize=13, color=CYCLE[4], linestyle="none")
    figure.colorbar(dots, ax=axes, label="PSNR (dB)", extend="min")
