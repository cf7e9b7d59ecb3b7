"""How a run learned, epoch by epoch."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from difftv.lab.figures.style import CYCLE, DASHES, MARKERS, TEXT, as_text, label_axes, new_figure

History = Sequence[Mapping[str, float]]
"""One mapping per epoch: `epoch`, `train/loss`, `validation/psnr`, ..., as in metrics.jsonl."""

WIDTH, HEIGHT = 9.0, 3.2  # inches
MOST_LABELLED = len(CYCLE)  # as many curves as there are colours; more share one gray

LOSS, TRAINING_PSNR, PSNR = "train/loss", "train/psnr", "validation/psnr"
VALIDATION_LOSS = "validation/loss"  # in place of the PSNR, without clean images
SCORE = "validation/score"  # what chose the best epoch, where that is not the PSNR alone


def training_curves(history: History, *, title: str = "") -> Figure:
    """Training loss and validation PSNR (without clean images validation loss) of one run; a mark on the best epoch.

    Args:
        history: one mapping per epoch; names other than `epoch`, `train/loss`, `validation/psnr` and `validation/score`
            are ignored. Values that are missing, NaN or infinite leave a gap.
        title: above the figure.
    """
    figure, axes, reached = _panels(title, [history])
    for panel, (name, colour) in zip(axes, ((LOSS, CYCLE[1]), (reached, CYCLE[0])), strict=True):
        epochs, values = _curve(history, name)
        panel.plot(epochs, values, color=colour, marker="o", markersize=3.5, linewidth=1.5)
    sign = 1 if reached == PSNR else -1
    scores = _points(history, SCORE) or [(epoch, sign * value) for epoch, value in _points(history, reached)]
    chosen = max(scores, key=lambda point: point[1], default=(None, 0.0))[0]
    best = next((point for point in _points(history, reached) if point[0] == chosen), None)
    if best is not None:
        axes[1].plot(*best, marker="*", markersize=13, color=CYCLE[4], linestyle="none")
        value = f"{best[1]:.2f} dB" if reached == PSNR else f"{best[1]:.3g}"
        axes[1].set_title(f"best: {value} in epoch {best[0]:.0f}", fontsize=TEXT)
    return figure


def training_comparison(histories: Mapping[str, History], *, title: str = "") -> Figure:
    """Training loss and validation PSNR of several runs on common axes.

    Args:
        histories: name of a run -> its history. Beyond seven runs the curves are drawn alike and not named.
        title: above the figure.
    """
    return training_bands({name: [history] for name, history in histories.items()}, title=title)


def training_bands(groups: Mapping[str, Sequence[History]], *, title: str = "", several_losses: bool = False) -> Figure:
    """As `training_comparison`, of settings that were trained with several seeds.

    The curve is the mean over the seeds and the band one sample standard deviation on either side, in the epochs of
    which every seed has a finite value.

    Args:
        groups: name of a setting -> a history per seed. Beyond seven settings the curves are drawn alike, not named,
            and without bands.
        title: above the figure.
        several_losses: whether they minimised different losses, whose values say nothing beside each other: the left
            panel then has the PSNR on the training patches.
    """
    left = TRAINING_PSNR if several_losses else LOSS
    figure, axes, reached = _panels(title, [history for seeds in groups.values() for history in seeds], left)
    named = len(groups) <= MOST_LABELLED
    for index, (run, seeds) in enumerate(groups.items()):
        for panel, name in zip(axes, (left, reached), strict=True):
            epochs, values, spread = _band(seeds, name)
            if named:
                look = {
                    "label": as_text(run),
                    "color": CYCLE[index],
                    "linestyle": DASHES[index],
                    "marker": MARKERS[index],
                }
                panel.plot(epochs, values, markersize=3.5, linewidth=1.5, **look)  # type: ignore[arg-type]
                if spread:
                    low, high = ([v + sign * s for v, s in zip(values, spread, strict=True)] for sign in (-1, 1))
                    panel.fill_between(epochs, low, high, color=CYCLE[index], alpha=0.2, linewidth=0)
            else:
                panel.plot(epochs, values, color="0.35", linewidth=1.0, alpha=0.6, marker=".", markersize=3)
    if named and groups:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=1, fontsize=TEXT - 1, frameon=False)
        figure.set_figheight(HEIGHT + 0.22 * len(groups))
    return figure


def _panels(title: str, histories: Sequence[History], left: str = LOSS) -> tuple[Figure, tuple[Axes, Axes], str]:
    """Figure and axes, and what the right ones show: the PSNR, or the validation loss where no run has a PSNR."""
    known = {name for name in (PSNR, VALIDATION_LOSS) if any(_points(history, name) for history in histories)}
    reached = VALIDATION_LOSS if known == {VALIDATION_LOSS} else PSNR
    figure = new_figure(WIDTH, HEIGHT)
    loss, psnr = figure.subplots(1, 2)
    if title:
        figure.suptitle(as_text(title), fontsize=TEXT + 1)
    label_axes(loss, "epoch", "training loss" if left == LOSS else "training PSNR in dB")
    label_axes(psnr, "epoch", "validation PSNR in dB" if reached == PSNR else "validation loss")
    # A loss in dB is negative, and the drawn curve of a mean squared error spans decades.
    if left == LOSS and all(value > 0 for history in histories for _, value in _points(history, LOSS)):
        loss.set_yscale("log")
    for axes in (loss, psnr):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, (loss, psnr), reached


def _band(seeds: Sequence[History], name: str) -> tuple[list[float], list[float], list[float]]:
    """Epochs, means and standard deviations over the seeds; one seed has its own curve, gaps included, and no band."""
    if len(seeds) == 1:
        return *_curve(seeds[0], name), []
    curves = [dict(_points(history, name)) for history in seeds]
    epochs = sorted({*curves[0]}.intersection(*curves[1:]))
    values = [[curve[epoch] for curve in curves] for epoch in epochs]
    return epochs, [fmean(each) for each in values], [stdev(each) for each in values]


def _curve(history: History, name: str) -> tuple[list[float], list[float]]:
    rows = [(row.get("epoch", math.nan), row.get(name, math.nan)) for row in history]
    return [epoch for epoch, _ in rows], [value if math.isfinite(value) else math.nan for _, value in rows]


def _points(history: History, name: str) -> list[tuple[float, float]]:
    return [(epoch, value) for epoch, value in zip(*_curve(history, name), strict=True) if math.isfinite(epoch + value)]
