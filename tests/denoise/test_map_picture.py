import itertools

import numpy as np
import pytest

from difftv.figures.map_picture import map_picture


def test_every_map_is_one_panel_in_its_own_scale() -> None:
    first = np.linspace(0.01, 0.2, 12).reshape(1, 2, 2, 3)
    figure = map_picture({"luma": first, "chroma": 10 * first[0, 0]}, title="$a_b$.png")
    assert [axes.get_title() for axes in figure.axes] == [
        "lam, luma, vertical differences",
        "lam, luma, horizontal differences",
        "lam, chroma",
    ]
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    for panel, expected in zip(shown, (*first[0], 10 * first[0, 0]), strict=True):
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
    figure = map_picture({"luma": lam, "red-blue": lam, "green-magenta": lam})
    figure.draw_without_rendering()
    titles = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    assert len(titles) == 6
    assert not any(one.overlaps(other) for one, other in itertools.combinations(titles, 2))
