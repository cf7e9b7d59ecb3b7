"""One image side by side: clean, noisy, one scalar lambda, the learned map; enlarged, and as a line of intensities."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import gaussian_filter, uniform_filter

from difftv.lab.figures.style import (
    COLOURS,
    SEQUENTIAL,
    TEXT,
    Picture,
    as_text,
    colour_scale,
    label_axes,
    luma_and_colour,
    named_maps,
    new_figure,
    remove_ticks,
)
from difftv.metrics import map_groups, psnr, ssim
from difftv.metrics.masks import RAMP

WIDTH = 11.0  # inches, for six panels
EDGE = 16 / 255  # slope per pixel
TEXTURE = 4 / 255  # detail of this size hides them
LEAST_RANGE, LEAST_SHARE = 2e-3, 0.04  # of the colours of a map: intensity, and share of its largest value
LEAST_CONTRAST = 0.25  # of an enlarged window: stretched further, the noise is all one sees
NOISY = "noisy"
Window = tuple[slice, slice]


def comparison_strip(
    clean: Picture | None,
    noisy: Picture,
    denoised: Picture,
    baseline: Picture | None,
    lam: Picture,
    *,
    names: Sequence[str] = ("lam",),
    title: str = "",
    baseline_numbers: Mapping[str, float] | None = None,
    given: str = NOISY,
) -> Figure:
    """What the learned map gains, on one image.

    RGB pictures are shown in colour; the window is chosen, and the line is drawn, on their luma.

    First row: the pictures, all with the gray scale [0, 1], PSNR and SSIM below each; the maps, each with a colour
    scale of its own; the absolute error of the denoised image. Second row: the marked window, enlarged, stretched to
    the range of the clean window, the same for all pictures. Below: the intensities along the marked line, pixel by
    pixel, where staircasing shows as plateaus. The window is chosen on the clean image alone, where it has ramps.

    Args:
        clean: (1, 1 or 3, height, width) or (height, width), intensities in [0, 1]; likewise the next three. None: its
            panel, the error and the scores are left out, and the window is chosen on the denoised image.
        noisy: image that the denoiser was given.
        denoised: output of the denoiser.
        baseline: denoised with constant maps; None leaves that panel out.
        lam: the maps, (1, maps, height, width) or (height, width).
        names: names of its channels, `Regularizer.map_names`. Each is a panel, but of directions of one map (lam_v,
            lam_h) the mean is shown.
        title: above the figure.
        baseline_numbers: constants of the baseline, by name, for the label of its panel.
        given: label of the panel of `noisy`: "first look" behind a forward operator.

    Raises:
        ValueError: a picture is not a single image, the sizes differ, or a map has no name.
    """
    panels = {} if clean is None else {"clean": (clean, "clean")}
    panels[given] = (noisy, "noisy")
    if baseline is not None:
        panels["scalar lambda"] = (baseline, "baseline")
    panels["learned map"] = (denoised, "denoised")
    both = {label: luma_and_colour(picture, name) for label, (picture, name) in panels.items()}
    pictures, shown = ({label: pair[index] for label, pair in both.items()} for index in (0, 1))
    kinds = {picture.ndim for picture in shown.values()}
    if len(kinds) > 1:
        raise ValueError("Every picture must be one gray image, or every one RGB.")
    channels = list(named_maps(lam, names).values())
    sizes = {name: picture.shape for name, picture in (*pictures.items(), ("lam", channels[0]))}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"All pictures must have one size, got {sizes}. Crop them to the same pixels.")
    extra = {
        name if len(group) == 1 else f"{name}, mean of {len(group)}": np.mean(
            [channels[index] for index in group], axis=0
        )
        for name, group in map_groups(names).items()
    }
    if clean is not None:
        error = np.abs(shown["learned map"] - shown["clean"])
        extra["error"] = error if error.ndim == 2 else error.mean(axis=2)
    reference = pictures["learned map" if clean is None else "clean"]

    height, width = reference.shape
    panel = WIDTH / (len(pictures) + len(extra))
    tall = panel * min(max(height / width, 0.4), 2.5)
    figure = new_figure(WIDTH, 2 * tall + 3.4)
    grid = figure.add_gridspec(3, len(pictures) + len(extra), height_ratios=[tall, tall, 2.0])
    if title:
        figure.suptitle(as_text(title), fontsize=TEXT + 2)
    window = _ramp_window(reference)
    low, high = _range(reference[window], trim=2.0, least=LEAST_CONTRAST)
    inwards = max(-low, 0.0) - max(high - 1.0, 0.0)  # widened, but not beyond black and white
    low, high = low + inwards, high + inwards
    for column, (name, picture) in enumerate(shown.items()):
        axes, inset = (figure.add_subplot(grid[row, column]) for row in (0, 1))
        _show(axes, picture, 0.0, 1.0)
        _show(inset, picture[window], low, high, interpolation="nearest")
        label = _scalar_label(baseline_numbers or {}) if name == "scalar lambda" else name
        axes.set_title(label, fontsize=TEXT)
        if clean is not None:
            axes.set_xlabel("PSNR / SSIM" if name == "clean" else _scores(picture, shown["clean"]), fontsize=TEXT - 1)
        if name == next(iter(shown)):
            inset.set_xlabel(f"gray {low:.2f} to {high:.2f}", fontsize=TEXT - 1)
        _mark_window(axes, window)
        _mark_line(inset, window)
    for column, (name, values) in enumerate(extra.items(), start=len(pictures)):
        axes, inset = (figure.add_subplot(grid[row, column]) for row in (0, 1))
        # A map that hardly varies is shown so, whatever its size: gam is a hundredth of lam.
        bottom, top = _range(values, least=min(LEAST_RANGE, max(LEAST_SHARE * _largest(values), 1e-9)))
        image = axes.imshow(values, cmap=SEQUENTIAL, vmin=0.0 if name == "error" else bottom, vmax=top)
        inset.imshow(values[window], cmap=SEQUENTIAL, clim=image.get_clim(), interpolation="nearest")
        axes.set_title("|learned - clean|" if name == "error" else name, fontsize=TEXT)
        _mark_window(axes, window)
        colour_scale(axes, image)
        remove_ticks(inset)
    _profile(figure.add_subplot(grid[2, :]), pictures, window, given)
    return figure


def _profile(axes: Axes, pictures: Mapping[str, np.ndarray], window: Window, given: str) -> None:
    rows, columns = window
    middle = (rows.start + rows.stop) // 2
    lines = {name: picture[middle, columns] for name, picture in pictures.items()}
    places = np.arange(columns.start, columns.stop)
    axes.plot(places, lines[given], ".", color=COLOURS["noisy"], markersize=4, label=given)
    # from thick to thin, so that lines which agree are all seen
    for name, thickness in (("scalar lambda", 3.6), ("learned map", 1.8), ("clean", 1.0)):
        if name in lines:
            axes.step(places, lines[name], where="mid", color=COLOURS[name], linewidth=thickness, label=name)
    # the noise would squeeze what the figure is about
    shown = np.concatenate([line for name, line in lines.items() if name != given])
    bottom, top = _range(shown, least=LEAST_CONTRAST / 2)
    margin = 0.15 * (top - bottom)
    axes.set_ylim(bottom - margin, top + margin)
    axes.set_xlim(columns.start - 0.5, columns.stop - 0.5)
    label_axes(axes, f"column, along row {middle}", "intensity")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter("{x:.2f}")
    axes.legend(fontsize=TEXT - 1, ncols=4, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)


def _scalar_label(numbers: Mapping[str, float]) -> str:
    """`scalar lambda 0.07`, or `lam 0.07` over `gam 0.004`: the name of the panel, and what is constant there."""
    if len(numbers) > 1:
        # One below the other: beside many maps a panel is narrow.
        return "\n".join(["scalar", *(f"{name} {value:.2g}" for name, value in numbers.items())])
    return " ".join(["scalar lambda", *(f"{value:.3g}" for value in numbers.values())])


def _scores(picture: np.ndarray, clean: np.ndarray) -> str:
    planes = [array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0) for array in (picture, clean)]
    pair = [torch.from_numpy(np.ascontiguousarray(array))[None] for array in planes]
    return f"{float(psnr(*pair)):.2f} dB / {float(ssim(*pair)):.3f}"


def _show(axes: Axes, picture: np.ndarray, low: float, high: float, interpolation: str | None = None) -> None:
    """The picture with [low, high] from black to white, in every colour."""
    if picture.ndim == 3:  # which matplotlib neither scales nor clips
        picture = np.clip((picture - low) / (high - low), 0.0, 1.0)
    axes.imshow(picture, cmap="gray", vmin=low, vmax=high, interpolation=interpolation)


def _ramp_window(clean: np.ndarray) -> Window:
    """The window with most ramps and least texture; a quarter of the image, but 24 to 96 pixels where it has them."""
    height, width = (min(length, max(24, min(length // 4, 96))) for length in clean.shape)
    smooth = gaussian_filter(clean, 2.0)
    slope = np.hypot(*(np.diff(smooth, axis=axis, prepend=smooth.take([0], axis=axis)) for axis in (0, 1)))
    texture = np.sqrt(gaussian_filter((clean - smooth) ** 2, 2.0))
    ramp = np.minimum(slope / RAMP[1], 1.0) * (slope > RAMP[0]) * np.exp(-((texture / TEXTURE) ** 2))
    edges = uniform_filter((slope > EDGE).astype(float), (height, width))
    score = uniform_filter(ramp, (height, width)) * np.exp(-5.0 * edges)  # an edge takes the gray scale for itself
    # the filter's output belongs to the centre of its window
    inside = score[
        height // 2 : clean.shape[0] - height + height // 2 + 1, width // 2 : clean.shape[1] - width + width // 2 + 1
    ]
    top, left = (int(index) for index in np.unravel_index(int(np.argmax(inside)), inside.shape))
    return slice(top, top + height), slice(left, left + width)


def _range(values: np.ndarray, trim: float = 0.0, least: float = LEAST_RANGE) -> tuple[float, float]:
    """Smallest and largest finite value, without `trim` percent at either end, widened to at least `least`."""
    finite = values[np.isfinite(values)]
    low, high = (float(value) for value in np.percentile(finite, [trim, 100 - trim])) if finite.size else (0.0, 1.0)
    missing = max(least - (high - low), 0.0)
    return low - missing / 2, high + missing / 2


def _mark_window(axes: Axes, window: Window) -> None:
    remove_ticks(axes)
    rows, columns = window
    corner = (columns.start - 0.5, rows.start - 0.5)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    # white on black is seen on every gray
    for colour, thickness in (("black", 2.4), ("white", 1.0)):
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=thickness))


def _mark_line(axes: Axes, window: Window) -> None:
    remove_ticks(axes)
    rows, columns = window
    middle = (rows.start + rows.stop) // 2 - rows.start
    last = columns.stop - columns.start - 1
    for ends in ((-0.5, 0.06 * last), (0.94 * last, last + 0.5)):
        axes.plot(ends, (middle, middle), color="black", linewidth=2.4)
        axes.plot(ends, (middle, middle), color="white", linewidth=1.0)
    axes.set_xlim(-0.5, last + 0.5)


def _largest(values: np.ndarray) -> float:
    """The largest finite value, 0 where there is none."""
    return float(np.max(values, initial=0.0, where=np.isfinite(values)))
