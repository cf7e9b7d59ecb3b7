"""A search: what each trial reached, the best so far, and the same against the values that were tried."""

import math
from collections.abc import Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from difftv.lab.figures.style import CYCLE, GRAY, TEXT, as_text, label_axes, new_figure
from difftv.lab.rundir.objective import PSNR
from difftv.lab.rundir.search import Search, Trial

COLUMNS = 3
MOST_KEYS = 9
STYLES = {
    "complete": {"marker": "o", "color": CYCLE[0], "markersize": 6},
    "pruned": {"marker": "x", "color": GRAY, "markersize": 6},
}
"""Of the states that have a value."""

FLOOR = 4.0
"""Trials that are so many times further from the best than the median stand at the border: they would leave the others
no room."""


def search_progress(search: Search) -> Figure:
    """The objective of every trial and the best so far; below, against each key.

    A pruned trial is drawn at the best value that it had reached. Failed and running ones have none.

    Args:
        search: with any number of trials; the first nine keys are drawn.
    """
    shown = [trial for trial in search.trials if trial.state in STYLES and math.isfinite(trial.value)]
    keys = list(dict.fromkeys(key for trial in search.trials for key in trial.params))[:MOST_KEYS]
    rows = math.ceil(len(keys) / COLUMNS)
    figure = new_figure(9.0, 3.0 + 2.4 * rows)
    grid = figure.add_gridspec(1 + rows, COLUMNS)
    limit, sign = _limit(search, shown), search.sign

    progress = figure.add_subplot(grid[0, :])
    label_axes(progress, "trial", as_text(_label(search)))
    progress.xaxis.set_major_locator(MaxNLocator(integer=True))
    _draw(progress, [float(trial.number) for trial in shown], shown, limit, sign, named=True)
    complete = [trial for trial in shown if trial.state == "complete"]
    best = [sign * max(sign * trial.value for trial in complete[: index + 1]) for index in range(len(complete))]
    if complete:
        numbers = [*(trial.number for trial in complete), search.trials[-1].number]
        progress.step(numbers, [*best, best[-1]], where="post", color=CYCLE[4], linewidth=1.5, label="best so far")
        progress.legend(fontsize=TEXT - 1, frameon=False, loc="best")
    chosen = search.best
    if chosen is not None:
        value = f"{chosen.value:.2f} dB" if search.metric == PSNR else f"{chosen.value:.4g}"
        progress.set_title(f"best: {value} in trial {chosen.number}", fontsize=TEXT)

    for index, key in enumerate(keys):
        axes = figure.add_subplot(grid[1 + index // COLUMNS, index % COLUMNS], sharey=progress)
        label_axes(axes, as_text(key), as_text(_label(search)) if index % COLUMNS == 0 else "")
        _against(axes, key, [trial for trial in shown if key in trial.params], search, limit, sign)
    return figure


def search_front(search: Search) -> Figure:
    """The first two objectives of every complete trial, and the front: those that no other trial beats in all.

    Args:
        search: search of two objectives or more.

    Raises:
        ValueError: it has one objective.
    """
    if not search.others:
        raise ValueError(f"A front needs two objectives, the search has {search.metric} alone.")
    figure = new_figure(6.5, 4.2)
    axes = figure.subplots()
    label_axes(axes, as_text(_label(search)), as_text(search.others[0][0]))
    front = search.front
    kept = {trial.run for trial in front}
    others = [t.values[:2] for t in search.trials if t.run not in kept and len(t.values) > 1]
    if others:
        axes.plot(*zip(*others, strict=True), "o", color=GRAY, markersize=5, label="beaten by another trial")
    if front:
        points = [trial.values[:2] for trial in front]
        axes.plot(*zip(*points, strict=True), "o-", color=CYCLE[0], markersize=7, linewidth=1.2, label="front")
        for trial, (x, y) in zip(front, points, strict=True):
            axes.annotate(str(trial.number), (x, y), (5, 5), textcoords="offset points", fontsize=TEXT - 1)
        figure.legend(loc="outside lower center", ncols=2, fontsize=TEXT - 1, frameon=False)
    return figure


def _against(axes: Axes, key: str, trials: Sequence[Trial], search: Search, limit: float, sign: int) -> None:
    values = [trial.params[key] for trial in trials]
    if all(isinstance(value, int | float) for value in values):
        _draw(axes, [float(value) for value in values], trials, limit, sign)
        if key in search.log_scale and all(float(value) > 0 for value in values):
            axes.set_xscale("log")
        elif all(isinstance(value, int) for value in values):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return
    options = _in_order({str(value) for value in values})
    _draw(axes, [float(options.index(str(value))) for value in values], trials, limit, sign)
    axes.set_xticks(
        range(len(options)), [as_text(option) for option in options], rotation=20 if len(options) > 3 else 0
    )
    axes.set_xlim(-0.5, len(options) - 0.5)


def _in_order(options: set[str]) -> list[str]:
    """Numbers by their value, words by the alphabet."""
    try:
        return sorted(options, key=float)
    except ValueError:
        return sorted(options)


def _draw(
    axes: Axes, places: Sequence[float], trials: Sequence[Trial], limit: float, sign: int, *, named: bool = False
) -> None:
    for state, style in STYLES.items():
        points = [
            (x, t.value) for x, t in zip(places, trials, strict=True) if t.state == state and t.value * sign >= limit
        ]
        if points:
            axes.plot(*zip(*points, strict=True), linestyle="none", label=state if named else None, **style)  # type: ignore[arg-type]
    far = [x for x, t in zip(places, trials, strict=True) if t.value * sign < limit]
    if far:
        label = "beyond the axis" if named else None
        marker = "v" if sign > 0 else "^"
        axes.plot(far, [limit * sign] * len(far), marker, color=CYCLE[1], markersize=6, label=label, clip_on=False)


def _limit(search: Search, shown: Sequence[Trial]) -> float:
    """The worst value with a place of its own, in the direction in which more is better."""
    values = [search.sign * trial.value for trial in shown]
    if len(values) < 4:
        return -math.inf
    best, middle = max(values), median(values)
    return best - FLOOR * (best - middle) if best > middle else -math.inf


def _label(search: Search) -> str:
    return "validation PSNR in dB" if search.metric == PSNR else search.metric
