import itertools

import numpy as np
import pytest

from difftv.lab.figures.map_picture import map_picture


def test_every_map_is_one_panel_in_its_own_scale() -> None:
    first = np.linspace(0.01, 0.2, 12).reshape(1, 2, 2, 3)
    figure = map_picture({"luma": first, "chroma": 10 * first}, names=("lam", "gam"), title="$a_b$.png")
    titles = ["lam, luma", "lam, chroma", "gam, luma", "gam, chroma"]
    assert [axes.get_title() for axes in figure.axes] == titles
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    for panel, expected in zip(shown, (first[0, 0], 10 * first[0, 0], first[0, 1], 10 * first[0, 1]), strict=True):
        np.testing.assert_array_equal(panel, expected)
    limits = [axes.images[0].get_clim() for axes in figure.axes]
    assert limits == [(panel.min(), panel.max()) for panel in shown]
    assert figure.get_suptitle() == r"\$a_b\$.png"
    figure.draw_without_rendering()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1)])
def test_extreme_shapes_give_a_figure_of_sane_size(shape: tuple[int, int]) -> None:
    figure = map_picture({"gray": np.full(shape, 0.1)})
    figure.draw_without_rendering()
    assert 1 < figure.get_figheight() < 30


def test_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one map"):
        map_picture({})


def test_titles_do_not_run_into_each_other() -> None:
    lam = np.random.default_rng(0).random((1, 2, 40, 60))
    figure = map_picture({"luma": lam, "red-blue": lam, "green-magenta": lam}, names=("lam_v", "lam_h"))
    figure.draw_without_rendering()
    titles = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    assert len(titles) == 6
    assert not any(one.overlaps(other) for one, other in itertools.combinations(titles, 2))


@pytest.mark.parametrize(
    "names", [("lam",), ("lam1", "lam2"), ("lam_v", "lam_h", "lam_down", "lam_up"), tuple("abcde")]
)
def test_the_maps_of_a_gray_image_are_named_and_every_scale_is_inside(names: tuple[str, ...]) -> None:
    lam = np.random.default_rng(0).random((1, len(names), 30, 30))
    figure = map_picture({"gray": lam}, names=names)
    figure.draw_without_rendering()
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == [f"{name}, gray" for name in names]
    for scale in (child for axes in figure.axes for child in axes.child_axes):
        for label in scale.get_xticklabels():
            assert label.get_window_extent().y0 >= 0
