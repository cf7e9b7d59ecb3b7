"""The figure of the study shows its numbers, and nothing that only the arithmetic made."""

import pytest

from difftv.lab.figures import AccuracyPoint, encode_figure, gradient_accuracy

LOOSE = AccuracyPoint("1e-3", 1e-3, 2e-1, 1e-1, 0.05, 0.30)
TIGHT = AccuracyPoint("1e-6", 1e-7, 4e-5, 2e-5, 0.08, 0.09)
EXACT = AccuracyPoint("1e-10", 1e-16, 1e-15, 0.0, 0.001, 0.0001)


def test_the_figure_shows_the_numbers() -> None:
    figure = gradient_accuracy({"scs": [LOOSE, TIGHT], "ta$ut": [EXACT]}, exact=("taut_string", 0.002), title="a_$b")
    accuracy, time = figure.axes
    lines = [line for line in accuracy.get_lines() if len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in lines] == [[1e-3, 1e-7]] * 2
    assert [list(line.get_ydata()) for line in lines] == [[2e-1, 4e-5], [1e-1, 2e-5]]
    drawn = [list(line.get_ydata()) for line in time.get_lines() if len(line.get_xdata())]
    assert drawn == [[0.05, 0.08], [0.30, 0.09], [0.002, 0.002]]
    assert [text.get_text() for text in accuracy.texts] == ["1e-3", "1e-6"]
    assert encode_figure(figure, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("solvers", [{}, {"scs": []}, {"scs": [TIGHT]}])
def test_little_to_show_is_no_error(solvers: dict[str, list[AccuracyPoint]]) -> None:
    assert encode_figure(gradient_accuracy(solvers), "png") != encode_figure(gradient_accuracy({"scs": [LOOSE]}), "png")
