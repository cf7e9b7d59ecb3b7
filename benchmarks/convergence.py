"""The curves that benchopt has measured: how far the objective is above the best one found, against seconds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from difftv.errors import DataError
from difftv.extras import require
from difftv.lab.figures.style import CYCLE, DASHES, MARKERS, TEXT, as_text, label_axes, new_figure

ROUNDING = 1e-14
"""Relative excesses below it are those of the arithmetic, and are drawn there."""

COLUMNS = ("dataset_name", "objective_name", "solver_name", "stop_val", "time", "objective_value")


@dataclass(frozen=True)
class CurvePoint:
    """A solver that was stopped after some iterations.

    Attributes:
        seconds: median over the repetitions.
        excess: (objective - best) / best, the largest of the repetitions; best: over all solvers of the problem.
    """

    seconds: float
    excess: float


Curves = Mapping[tuple[str, str], Mapping[str, Sequence[CurvePoint]]]
"""Data set and objective -> solver -> points in the order of the iterations."""


def read_curves(path: Path) -> Curves:
    """The curves in a file that `benchopt run` has written, without their common start.

    Where no two results agree on the best objective, it is the reference for the others and itself no point of a curve.

    Raises:
        DataError: it is none, or holds no finite objective.
        MissingDependencyError: pandas, which benchopt brings, is not installed.
    """
    require("benchopt", "pandas", by=f"Reading {path.name}")
    import pandas

    try:
        table = pandas.read_parquet(path)
    except (OSError, ValueError, ImportError) as error:
        raise DataError(f"{path} cannot be read as a result of benchopt: {error}") from error
    if missing := [name for name in COLUMNS if name not in table]:
        raise DataError(f"{path} is no result of benchopt: it lacks {', '.join(missing)}.")
    table = table[table.objective_value.notna()]
    found: dict[tuple[str, str], dict[str, list[CurvePoint]]] = {}
    for (dataset, objective), problem in table.groupby(["dataset_name", "objective_name"]):
        best = problem.objective_value.min()
        lone = int((problem.objective_value <= best * (1 + ROUNDING)).sum()) == 1
        for solver, rows in problem.groupby("solver_name"):
            each = [group for stop, group in rows.groupby("stop_val", sort=True) if stop > 0]
            points = [
                CurvePoint(float(group.time.median()), float(group.objective_value.max() / best - 1)) for group in each
            ]
            if lone:
                points = [point for point in points if point.excess > 0]
            found.setdefault((str(dataset), str(objective)), {})[str(solver)] = points
    if not found:
        raise DataError(f"{path} holds no objective value: every solver was skipped or failed.")
    return found


def _titles(problems: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
    """What all problems have in common, and what each is told apart by: `Photograph[side=128]` is two words."""
    words = [[word for part in problem for word in re.split(r"[\[\],]", part) if word] for problem in problems]
    common = [word for word in words[0] if all(word in each for each in words)]
    return ", ".join(common), [", ".join(word for word in each if word not in common) for each in words]


def convergence_figure(curves: Curves) -> Figure:
    """A panel per problem, both axes logarithmic; a solver has one colour in all of them."""
    figure = new_figure(5.5 * len(curves), 4.6)
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    names = sorted({solver for problem in curves.values() for solver in problem})
    for axes in panels:
        label_axes(axes, "seconds", "(objective - best) / best" if axes is panels[0] else "")
    common, titles = _titles(list(curves))
    figure.suptitle(as_text(common), fontsize=TEXT)
    for axes, solvers, title in zip(panels, curves.values(), titles, strict=True):
        axes.set(xscale="log", yscale="log")
        axes.set_title(as_text(title), fontsize=TEXT)
        for solver, points in solvers.items():
            style = names.index(solver) % len(CYCLE)
            axes.plot(
                [point.seconds for point in points],
                [max(point.excess, ROUNDING) for point in points],
                color=CYCLE[style],
                linestyle=DASHES[style],
                marker=MARKERS[style],
                markersize=4,
                label=as_text(solver),
            )
        axes.legend(fontsize=TEXT - 1, frameon=False)
    return figure
