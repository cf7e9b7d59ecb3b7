"""What the accuracy of a solve does to the gradient, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from difftv.lab.figures.style import BLACK, CYCLE, DASHES, MARKERS, TEXT, as_text, label_axes, new_figure

ROUNDING = 1e-12
"""Relative errors below it are those of the arithmetic; a logarithmic axis would show nothing else."""


@dataclass(frozen=True)
class AccuracyPoint:
    """One setting of a solver.

    Attributes:
        label: text at its mark, such as its tolerance.
        image_error: relative error of the denoised image.
        lam_error, noisy_error: relative errors of the gradients in the map and in the noisy image, > 0.
        forward, backward: seconds per image, > 0.
    """

    label: str
    image_error: float
    lam_error: float
    noisy_error: float
    forward: float
    backward: float


def gradient_accuracy(
    solvers: Mapping[str, Sequence[AccuracyPoint]], *, exact: tuple[str, float] | None = None, title: str = ""
) -> Figure:
    """The errors of the gradients, and the time of both passes, against the error of the denoised image.

    Args:
        solvers: name -> its settings, joined by a line in their order; seven at most. Settings that are exact to
            rounding are left out.
        exact: name and seconds per image, forward and backward, of the solver that the errors are taken to.
        title: above the figure.
    """
    figure = new_figure(11.0, 4.8)
    accuracy, time = figure.subplots(1, 2, sharex=True)
    if title:
        figure.suptitle(as_text(title), fontsize=TEXT + 1)
    error = "relative error of the denoised image"
    label_axes(accuracy, error, "relative error of the gradient")
    label_axes(time, error, "seconds per image")
    for axes, first, second in ((accuracy, "in the map", "in the noisy image"), (time, "forward", "backward")):
        axes.set(xscale="log", yscale="log")
        axes.set_title(f"filled: {first}, hollow: {second}", fontsize=TEXT)
    for index, (name, settings) in enumerate(solvers.items()):
        points = [point for point in settings if point.image_error > ROUNDING]
        for axes, first, second in ((accuracy, "lam_error", "noisy_error"), (time, "forward", "backward")):
            _curve(axes, index, points, first, label=as_text(name))
            _curve(axes, index, points, second, hollow=True)
        for number, point in enumerate(points):
            up = (number + index) % 2 == 0  # neighbours, which may be close together, are named on two sides
            accuracy.annotate(
                as_text(point.label),
                (
                    point.image_error,
                    max(point.lam_error, point.noisy_error) if up else min(point.lam_error, point.noisy_error),
                ),
                xytext=(-3, 6) if up else (4, -6),
                textcoords="offset points",
                ha="right" if up else "left",
                va="bottom" if up else "top",
                fontsize=TEXT - 2,
                color="0.2",
            )
    if exact is not None:
        label = f"{as_text(exact[0])}, exact (both passes)"
        time.axhline(exact[1], color=BLACK, linewidth=1.2, linestyle=DASHES[3], label=label)
    handles, labels = time.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=TEXT - 1, frameon=False)
    for axes in (accuracy, time):
        axes.margins(0.1)
    return figure


def _curve(
    axes: Axes, index: int, points: Sequence[AccuracyPoint], value: str, *, label: str = "", hollow: bool = False
) -> None:
    axes.plot(
        [point.image_error for point in points],
        [getattr(point, value) for point in points],
        color=CYCLE[index],
        marker=MARKERS[index],
        markerfacecolor="white" if hollow else CYCLE[index],
        markersize=6,
        linewidth=1.4,
        linestyle=DASHES[int(hollow)],
        label=label or None,
    )
