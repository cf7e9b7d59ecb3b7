"""Pictures of one scene in a row, and under each the intensities along one of its lines, where stairs are seen."""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from difftv.lab.figures.style import BLUE, COLOURS, TEXT, Picture, as_text, label_axes, new_figure, plane, remove_ticks
from difftv.metrics import plateau_excess, psnr

WIDTH = 11.0  # inches


def line_profiles(clean: Picture, noisy: Picture, denoised: Mapping[str, Picture], *, row: int) -> Figure:
    """What several methods make of one image, as pictures and along one row of pixels.

    First row: clean, noisy and every denoised image, all with the gray scale [0, 1], PSNR and plateau_excess below.
    Second row: the line that is marked in the pictures, for each method over the clean and the noisy one; the axes
    are the same.

    Args:
        clean: (1, 1, height, width) or (height, width), intensities in [0, 1]; likewise the others.
        noisy: image that the methods were given.
        denoised: by the name of the method, in the order from left to right; one to five.
        row: the line, 0 = top.

    Raises:
        ValueError: a picture is not a single gray image, the sizes differ, there is no method or more than five, or
            row is not one of the image.
    """
    pictures = {"clean": plane(clean, "clean"), "noisy": plane(noisy, "noisy")}
    if not 1 <= len(denoised) <= 5:
        raise ValueError(f"denoised must hold one to five pictures, got {len(denoised)}. Draw several figures.")
    methods = {name: plane(picture, name) for name, picture in denoised.items()}
    sizes = {name: picture.shape for name, picture in (*pictures.items(), *methods.items())}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"All pictures must have one size, got {sizes}. Crop them to the same pixels.")
    height, width = pictures["clean"].shape
    if not 0 <= row < height:
        raise ValueError(f"row must be between 0 and {height - 1}, got {row}.")
    panels = [*pictures.items(), *methods.items()]
    panel = WIDTH / len(panels)
    tall = panel * min(max(height / width, 0.4), 2.5)
    figure = new_figure(WIDTH, tall + 3.6)
    above, below = np.ravel(np.asarray(figure.subfigures(2, 1, height_ratios=[tall + 0.6, 3.0])))
    for axes, (name, picture) in zip(above.subplots(1, len(panels)), panels, strict=True):
        axes.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0)
        axes.set_title(as_text(name), fontsize=TEXT)
        axes.set_xlabel(
            "PSNR / plateau excess" if name == "clean" else _scores(picture, pictures["clean"]), fontsize=TEXT - 1
        )
        remove_ticks(axes)
        _mark(axes, row, width)
    plots = below.subplots(1, len(methods), sharex=True, sharey=True, squeeze=False)[0]
    for index, (axes, (name, picture)) in enumerate(zip(plots, methods.items(), strict=True)):
        _profile(axes, pictures, picture, row)
        label_axes(axes, f"column, along row {row}", "intensity" if index == 0 else "")
        axes.set_title(as_text(name), fontsize=TEXT)
    # the noise would squeeze what the figure is about
    lines = [pictures["clean"][row], *(picture[row] for picture in methods.values())]
    low, high = float(np.min(lines)), float(np.max(lines))
    margin = max(0.06 * (high - low), 1e-3)
    plots[0].set_ylim(low - margin, high + margin)
    plots[0].set_xlim(-0.5, width - 0.5)
    below.legend(
        *plots[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=TEXT - 1, frameon=False
    )
    return figure


def _profile(axes: Axes, pictures: Mapping[str, np.ndarray], picture: np.ndarray, row: int) -> None:
    clean, noisy, line = pictures["clean"][row], pictures["noisy"][row], picture[row]
    places = np.arange(len(clean))
    axes.plot(places, noisy, ".", color=COLOURS["noisy"], markersize=3, label="noisy")
    axes.step(places, line, where="mid", color=BLUE, linewidth=2.2, label="denoised")
    axes.step(places, clean, where="mid", color=COLOURS["clean"], linewidth=0.9, label="clean")


def _scores(picture: np.ndarray, clean: np.ndarray) -> str:
    pair = [torch.from_numpy(np.ascontiguousarray(array))[None, None] for array in (picture, clean)]
    return f"{float(psnr(*pair)):.2f} dB / {float(plateau_excess(*pair)):.2f}"


def _mark(axes: Axes, row: int, width: int) -> None:
    """Two short strokes at the ends of the line, seen on black and on white."""
    for ends in ((-0.5, 0.08 * width), (0.92 * width - 1, width - 0.5)):
        axes.plot(ends, (row, row), color="black", linewidth=2.4)
        axes.plot(ends, (row, row), color="white", linewidth=1.0)
    axes.set_xlim(-0.5, width - 0.5)
