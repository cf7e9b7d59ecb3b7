"""Every figure: drawn without a display or global state, right numbers in it, and no input that it chokes on."""

import io
import math
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from skimage import data
from skimage.restoration import denoise_tv_chambolle

from difftv.lab.figures import (
    comparison_strip,
    encode_figure,
    lam_over_edges,
    save_figure,
    solver_time,
    staircasing_scatter,
    training_bands,
    training_comparison,
    training_curves,
)
from difftv.lab.figures.comparison import _ramp_window
from difftv.lab.figures.map_picture import map_picture
from difftv.lab.figures.style import COLOURS, CYCLE, as_text
from difftv.metrics import psnr, ssim
from difftv.regularizers import BY_NAME

HISTORY = [
    {"epoch": 1, "train/loss": 0.02, "validation/psnr": 25.0, "lr": 1e-3},
    {"epoch": 2, "train/loss": math.nan, "validation/psnr": 28.5, "lr": 1e-3},
    {"epoch": 3, "train/loss": 0.01, "validation/psnr": math.inf},
    {"epoch": 4},
]


def scene(height: int, width: int) -> tuple[np.ndarray, ...]:
    """A crop of a photograph: clean, noisy, denoised twice by scalar TV, and a map."""
    clean = np.ascontiguousarray(data.camera()[100 : 100 + height, 200 : 200 + width] / 255.0)
    noisy = clean + 25 / 255 * np.random.default_rng(0).standard_normal(clean.shape)
    lam = np.linspace(0.02, 0.12, height * width).reshape(height, width)
    return clean, noisy, denoise_tv_chambolle(noisy, 0.1), denoise_tv_chambolle(noisy, 0.2), lam


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)[None, None]


def texts(figure: Figure) -> list[str]:
    found = [axes.get_title() for axes in figure.axes] + [axes.get_xlabel() for axes in figure.axes]
    return [text for text in found if text]


def pictures_in(figure: Figure) -> dict[str, np.ndarray]:
    """Title of every titled panel that shows a picture -> the picture."""
    return {axes.get_title(): np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images}


def assert_renders(figure: Figure) -> None:
    """Matplotlib draws it, to a picture of the figure's size."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=30)
    with Image.open(file) as picture:
        width, height = figure.get_size_inches() * 30
        assert picture.size == pytest.approx((width, height), abs=1)


def test_strip_shows_the_numbers_of_the_metrics() -> None:
    clean, noisy, denoised, baseline, lam = scene(64, 64)
    figure = comparison_strip(clean, noisy, denoised, baseline, lam, title="camera", baseline_numbers={"lam": 0.0735})
    shown = texts(figure)
    for picture in (noisy, denoised, baseline):
        pair = tensor(picture), tensor(clean)
        assert f"{float(psnr(*pair)):.2f} dB / {float(ssim(*pair)):.3f}" in shown
    assert {"clean", "noisy", "scalar lambda 0.0735", "learned map", "lam"} <= set(shown)
    assert figure.get_suptitle() == "camera"


def test_strip_has_one_gray_scale_in_every_panel() -> None:
    figure = comparison_strip(*scene(64, 48))
    grays = [image.get_clim() for axes in figure.axes for image in axes.images if image.get_cmap().name == "gray"]
    assert grays[::2] == [(0.0, 1.0)] * 4
    assert len(set(grays[1::2])) == 1


def test_strip_takes_tensors_and_arrays_alike() -> None:
    pictures = scene(32, 40)
    from_arrays = encode_figure(comparison_strip(*pictures), "png")
    from_tensors = encode_figure(comparison_strip(*(tensor(p).requires_grad_() for p in pictures)), "png")
    assert from_arrays == from_tensors


@pytest.mark.parametrize("size", [(16, 16), (5, 7), (1, 9), (20, 200), (200, 20)])
def test_strip_of_any_size(size: tuple[int, int]) -> None:
    clean, noisy, denoised, baseline, lam = scene(*size)
    two_maps = torch.from_numpy(np.stack([lam, 2 * lam]))[None]
    strip = comparison_strip(clean, noisy, denoised, baseline, two_maps, names=("lam_v", "lam_h"))
    np.testing.assert_allclose(pictures_in(strip)["lam, mean of 2"], 1.5 * lam)
    figure = comparison_strip(clean, noisy, denoised, None, lam)
    drawn = pictures_in(figure)
    for name, picture in (("clean", clean), ("noisy", noisy), ("learned map", denoised), ("lam", lam)):
        np.testing.assert_array_equal(drawn[name], picture)
    np.testing.assert_array_equal(drawn["|learned - clean|"], np.abs(denoised - clean))
    assert_renders(figure)


@pytest.mark.parametrize("name", BY_NAME)
def test_maps_are_drawn_by_their_names(name: str) -> None:
    clean, noisy, denoised, baseline, lam = scene(24, 32)
    regularizer = BY_NAME[name]()
    names = regularizer.map_names
    channels = [lam * 0.02**index for index in range(len(names))]
    stacked = np.stack(channels)[None]
    auxiliary = torch.ones(1, 2, 24, 32) if regularizer.auxiliary else None
    strip = comparison_strip(clean, noisy, denoised, baseline, stacked, names=names)
    edges = lam_over_edges(stacked, clean, names=names, auxiliary=auxiliary)
    shown, over_edges = pictures_in(strip), pictures_in(edges)
    for one, channel in zip(names, channels, strict=True):
        np.testing.assert_array_equal(shown[one], channel)
        panel = f"{one}, with the clean edges" if auxiliary is None else one
        np.testing.assert_array_equal(over_edges[panel], channel)
    assert ("|v|" in over_edges) == bool(regularizer.auxiliary)
    # Maps of other units never share an axis; the last panel's is the plot's.
    plots = {axes.get_ylabel(): axes for axes in edges.axes if axes.get_ylabel()}
    assert list(plots) == list(names)
    for one, channel in zip(names, channels, strict=True):
        assert np.asarray(plots[one].lines[0].get_ydata()).max() <= plots[one].get_ylim()[1] <= 1.5 * channel.max()
    for figure in (strip, edges):
        assert_renders(figure)


def test_maps_without_their_names_are_refused() -> None:
    clean, noisy, denoised, baseline, lam = scene(16, 16)
    two = np.stack([lam, lam])[None]
    for draw in (
        lambda: comparison_strip(clean, noisy, denoised, baseline, two),
        lambda: lam_over_edges(two, clean),
        lambda: map_picture({"gray": two}),
    ):
        with pytest.raises(ValueError, match=r"2 channel\(s\), but 1 name\(s\) were given.*map_names"):
            draw()


def test_a_small_map_is_not_drawn_flat() -> None:
    """gam is a hundredth of lam: its variation is shown on a scale of its own, and that of a constant map is not."""
    clean, noisy, denoised, baseline, lam = scene(24, 24)
    gam = 1e-3 * (1 + lam / lam.max())
    strip = comparison_strip(clean, noisy, denoised, baseline, np.stack([lam, gam])[None], names=("lam", "gam"))
    (drawn,) = [axes.images[0] for axes in strip.axes if axes.get_title() == "gam"]
    assert drawn.get_clim() == (gam.min(), gam.max())
    constant = comparison_strip(clean, noisy, denoised, baseline, np.full((24, 24), 1e-3) + 1e-9 * lam)
    (drawn,) = [axes.images[0] for axes in constant.axes if axes.get_title() == "lam"]
    low, high = drawn.get_clim()
    assert high - low > 1e-5


@pytest.mark.parametrize("value", [0.0, 0.5, math.nan])
def test_strip_of_degenerate_pictures(value: float) -> None:
    flat = np.full((24, 24), value)
    clean = np.full((24, 24), 0.5)
    figure = comparison_strip(clean, flat, flat, flat, np.full((24, 24), 0.05))
    score = {0.0: "6.02 dB", 0.5: "inf dB"}.get(value, "nan dB")
    assert [text.startswith(score) for text in texts(figure) if " dB / " in text] == [True] * 3
    np.testing.assert_array_equal(pictures_in(figure)["learned map"], flat)
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert math.isfinite(low)
        assert math.isfinite(high)
        assert low != high
    assert_renders(figure)


def test_strip_refuses_what_does_not_fit() -> None:
    clean, noisy, denoised, baseline, lam = scene(16, 16)
    with pytest.raises(ValueError, match="one size"):
        comparison_strip(clean, noisy[:8], denoised, baseline, lam)
    with pytest.raises(ValueError, match="Pick one image"):
        comparison_strip(torch.zeros(2, 1, 16, 16), noisy, denoised, baseline, lam)
    with pytest.raises(ValueError, match="one gray image"):
        comparison_strip(torch.zeros(1, 3, 16, 16), noisy, denoised, baseline, lam)


def test_window_lies_on_the_ramp_not_on_the_texture_or_the_edge() -> None:
    clean = np.full((120, 120), 0.2)
    clean[:60] += 0.2 * np.random.default_rng(0).standard_normal((60, 120))
    clean[60:, 60:] = 0.3 + 1.5 / 255 * np.arange(60)
    rows, columns = _ramp_window(clean)
    assert rows.start >= 55
    assert columns.start >= 55


def test_profile_shows_every_pixel_of_the_window() -> None:
    clean, noisy, denoised, baseline, lam = scene(64, 64)
    figure = comparison_strip(clean, noisy, denoised, baseline, lam)
    (profile,) = (axes for axes in figure.axes if axes.get_ylabel() == "intensity")
    rows, columns = _ramp_window(clean)
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in profile.lines}
    np.testing.assert_array_equal(lines["learned map"], denoised[(rows.start + rows.stop) // 2, columns])
    assert set(lines) == {"clean", "noisy", "scalar lambda", "learned map"}


def test_training_curves_mark_the_best_epoch() -> None:
    figure = training_curves(HISTORY, title="run")
    assert "best: 28.50 dB in epoch 2" in texts(figure)
    loss = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(loss, [0.02, math.nan, 0.01, math.nan])


@pytest.mark.parametrize(("shift", "scale"), [(0.0, "log"), (-40.0, "linear")])
def test_a_loss_in_decibel_is_drawn_although_it_is_negative(shift: float, scale: str) -> None:
    values = [0.02 + shift, 0.01 + shift]
    figure = training_curves([{"epoch": epoch, "train/loss": value} for epoch, value in enumerate(values, 1)])
    assert figure.axes[0].get_yscale() == scale
    low, high = figure.axes[0].get_ylim()
    assert all(low <= value <= high for value in values)


def test_seeds_are_one_curve_with_a_band_of_one_standard_deviation() -> None:
    seeds = [[{"epoch": e, "train/loss": 0.1 * e, "validation/psnr": 20.0 + e + s} for e in (1, 2)] for s in (0, 2)]
    seeds[1].append({"epoch": 3, "train/loss": 1.0, "validation/psnr": 99.0})  # further than the other seed: no mean
    figure = training_bands({"setting": seeds})
    curve, band = figure.axes[1].lines[0], figure.axes[1].collections[0]
    assert curve.get_ydata() == pytest.approx([22.0, 23.0])
    edges = band.get_paths()[0].get_extents()
    assert (edges.ymin, edges.ymax) == pytest.approx((22.0 - math.sqrt(2), 23.0 + math.sqrt(2)))
    assert not training_bands({"setting": seeds[:1]}).axes[1].collections
    assert_renders(figure)


def test_different_losses_share_no_axis() -> None:
    row = {"epoch": 1, "train/loss": -28.0, "train/psnr": 28.0, "validation/psnr": 29.0}
    groups = {"loss=mse": [[{**row, "train/loss": 0.002}]], "loss=psnr": [[row]]}
    left = training_bands(groups, several_losses=True).axes[0]
    assert left.get_ylabel() == "training PSNR in dB"
    assert [list(line.get_ydata()) for line in left.lines] == [[28.0], [28.0]]
    assert training_bands(groups).axes[0].get_ylabel() == "training loss"


def test_a_band_of_solver_times_leads_from_the_least_to_the_greatest() -> None:
    rows = [
        {"solver": "scs", "patch_size": size, "solver/forward_seconds": seconds * size, "solver/backward_seconds": 1.0}
        for size in (32, 64)
        for seconds in (0.01, 0.03)
    ]
    forward = solver_time(rows).axes[0]
    assert forward.lines[0].get_ydata() == pytest.approx([0.64, 1.28])
    edges = forward.collections[0].get_paths()[0].get_extents()
    assert (edges.ymin, edges.ymax) == pytest.approx((0.32, 1.92))


@pytest.mark.parametrize("number", [0, 1, 7, 8])
def test_training_comparison_of_any_number_of_runs(number: int) -> None:
    figure = training_comparison({f"run {index}": HISTORY for index in range(number)})
    assert len(figure.axes[0].lines) == number
    named = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert named == ([f"run {index}" for index in range(number)] if 0 < number <= 7 else [])
    for line in figure.axes[0].lines:
        np.testing.assert_array_equal(line.get_ydata(), [0.02, math.nan, 0.01, math.nan])
    assert_renders(figure)


def test_lam_over_edges_falls_where_the_map_relaxes_at_edges() -> None:
    clean = np.zeros((48, 48))
    clean[:, 24:] = 0.8
    clean += 0.01 * np.random.default_rng(0).standard_normal(clean.shape)
    lam = np.full((48, 48), 0.1)
    lam[:, 21:27] = 0.02
    figure = lam_over_edges(tensor(lam), tensor(clean))
    (line,) = figure.axes[2].lines
    values = np.asarray(line.get_ydata())
    assert values[0] == pytest.approx(0.1)
    assert values[-1] == pytest.approx(0.02)


@pytest.mark.parametrize("size", [(1, 1), (1, 12), (6, 5), (16, 16), (200, 20)])
def test_lam_over_edges_of_any_size(size: tuple[int, int]) -> None:
    clean, _, _, _, lam = scene(*size)
    for channels, names in ((lam[None], ("lam",)), (np.stack([lam, 2 * lam]), ("lam_v", "lam_h"))):
        figure = lam_over_edges(channels[None], clean, names=names)
        shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
        for picture, expected in zip(shown, [clean, *channels], strict=True):
            np.testing.assert_array_equal(picture, expected)
        assert_renders(figure)
    with pytest.raises(ValueError, match="one size"):
        lam_over_edges(np.zeros((3, 4)), clean)


def test_scatter_ties_each_run_to_its_scalar_lambda() -> None:
    complete = {"psnr": 29.0, "stair/plateau_excess": 0.1, "baseline/psnr": 28.0, "baseline/stair/plateau_excess": 0.3}
    runs = {"a": complete, "b": {"psnr": 30.0, "stair/plateau_excess": 0.2}, "c": {"psnr": math.nan}, "d": {}}
    figure = staircasing_scatter(runs)
    points = [tuple(map(float, np.concatenate(line.get_data()))) for line in figure.axes[0].lines]
    assert (28.0, 29.0, 0.3, 0.1) in points
    assert (30.0, 0.2) in points
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["a", "b", "hollow: scalar lambda"]
    many = staircasing_scatter({str(index): complete for index in range(20)})
    assert [text.get_text() for text in many.legends[0].get_texts()] == ["learned map", "hollow: scalar lambda"]
    assert_renders(staircasing_scatter({}))


def test_solver_time_averages_runs_of_one_solver_and_size() -> None:
    rows: list[dict[str, float | str]] = [
        {"solver": "scs", "patch_size": 32, "solver/forward_seconds": 0.1, "solver/backward_seconds": 0.4},
        {"solver": "scs", "patch_size": 32, "solver/forward_seconds": 0.3, "solver/backward_seconds": math.nan},
        {"solver": "scs", "patch_size": 64, "solver/forward_seconds": 1.0},
        {"solver": "taut_string", "patch_size": 64, "solver/forward_seconds": 0.01, "solver/backward_seconds": 0.0},
    ]
    forward, backward = solver_time(rows).axes
    lines = {line.get_label(): line.get_data() for line in forward.lines}
    np.testing.assert_allclose(lines["scs"], ([32, 64], [0.2, 1.0]))
    np.testing.assert_allclose(lines["taut_string"], ([64], [0.01]))
    np.testing.assert_allclose(backward.lines[0].get_data(), ([32], [0.4]))
    assert_renders(solver_time([]))


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("a$b$", r"a\$b\$"),
        ("_hidden", " _hidden"),
        ("中\nß", "??ß"),
        ("é λ Ж", "é λ Ж"),
        ("x" * 300, "x" * 35 + "..." + "x" * 32),
    ],
)
def test_names_from_outside_are_drawn_as_they_read(name: str, drawn: str) -> None:
    assert as_text(name) == drawn


def test_every_figure_takes_any_name() -> None:
    name = "_$\\nonsense{$ 中文\n" + "x" * 300
    point = {"psnr": 29.0, "stair/plateau_excess": 0.1}
    comparison = training_comparison({name: HISTORY}, title=name)
    assert len(comparison.legends[0].get_texts()) == 1
    clean, noisy, denoised, baseline, lam = scene(16, 16)
    for figure in (
        comparison,
        training_curves(HISTORY, title=name),
        staircasing_scatter({name: point}, title=name),
        solver_time([{"solver": name, "patch_size": 8, "solver/forward_seconds": 1.0}], title=name),
        comparison_strip(clean, noisy, denoised, baseline, lam, title=name),
        lam_over_edges(lam, clean, title=name),
    ):
        assert as_text(name) in (figure.get_suptitle(), *texts(figure))
        assert_renders(figure)


def test_methods_stay_apart_in_gray() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = to_rgb(colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    drawn_as_lines = [lightness(COLOURS[name]) for name in ("clean", "learned map", "scalar lambda")]
    assert np.diff(sorted(drawn_as_lines)).min() > 0.2
    assert len(set(CYCLE)) == 7


FIGURES: dict[str, Callable[[], Figure]] = {
    "comparison_strip": lambda: comparison_strip(*scene(32, 32)),
    "lam_over_edges": lambda: lam_over_edges(scene(32, 32)[4], scene(32, 32)[0]),
    "training_curves": lambda: training_curves(HISTORY),
    "staircasing_scatter": lambda: staircasing_scatter({"a": {"psnr": 1.0, "stair/plateau_excess": 0.1}}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_figure_gives_the_same_file(name: str, tmp_path: Path) -> None:
    for number in (1, 2):
        save_figure(FIGURES[name](), tmp_path / f"{number}.png")
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "2.png"]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_touch_no_global_state(name: str) -> None:
    before = dict(matplotlib.rcParams)
    figure = FIGURES[name]()
    assert isinstance(figure.canvas, FigureCanvasBase)
    encode_figure(figure, "png")
    assert pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    figure = training_curves(HISTORY)
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OSError, match="taken"):
        save_figure(figure, tmp_path / "taken.png")
    with pytest.raises(ValueError, match="nonsense"):
        save_figure(figure, tmp_path / "figure.nonsense")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]
    for kind in ("pdf", "svg"):
        save_figure(figure, tmp_path / f"figure.{kind}")
        assert (tmp_path / f"figure.{kind}").stat().st_size > 1000


def test_titles_do_not_touch_beside_many_maps() -> None:
    picture = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    figure = comparison_strip(
        picture, picture, picture, picture, picture.expand(-1, 4, -1, -1),
        names=("lam_v", "lam_h", "gam_v", "gam_h"), baseline_numbers={"lam": 0.0872, "gam": 0.000841},
    )  # fmt: skip
    figure.canvas.draw()
    titles = [axes.title for axes in figure.axes if axes.get_title()]
    assert any("gam 0.00084" in title.get_text() for title in titles)
    boxes = [title.get_window_extent() for title in titles]
    assert len(boxes) >= 7
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
