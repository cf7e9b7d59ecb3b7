"""How the scalar lambda was found."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from difftv.figures.style import CYCLE, TEXT, new_figure

WIDTH, HEIGHT = 5.0, 3.2  # inches


def lambda_search(curve: Sequence[tuple[float, float]], *, title: str = "") -> Figure:
    """PSNR over the scalar lambdas that a grid search tried, with a mark on the best.

    Args:
        curve: (lambda, PSNR in dB) of every value that was tried, in any order; non-finite PSNRs are left out.
        title: above the figure.
    """
    points = sorted((lam, psnr) for lam, psnr in curve if abs(psnr) < float("inf"))
    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlabel("scalar lambda (intensity units)")
    axes.set_ylabel("PSNR (dB)")
    axes.grid(alpha=0.3)
    if points:
        axes.plot(*zip(*points, strict=True), color=CYCLE[0], marker="o", markersize=3.5, linewidth=1.5)
        best = max(points, key=lambda point: point[1])
        axes.plot(*best, marker="*", markersize=13, color=CYCLE[4], linestyle="none")
        axes.set_title(f"best: {best[1]:.2f} dB at lambda = {best[0]:.3g}", fontsize=TEXT)
    if title:
        figure.suptitle(title)
    return figure
