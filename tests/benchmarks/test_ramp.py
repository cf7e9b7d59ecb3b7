"""The ramp with a disk: constants are tuned, the grid's ends are told, the figure shows the lines."""

import runpy
import subprocess
import sys

import pytest
import torch

from benchmarks.ramp import Candidate, measure_ramp, ramp_problem, ramp_table
from difftv.lab.figures import encode_figure, line_profiles
from difftv.regularizers import TGV, IsotropicTV, TVpwL
from tests.conftest import PROJECT

SCRIPT = PROJECT / "experiments" / "ramp.py"


def last(candidate: Candidate):
    *_, row = measure_ramp(candidate, *ramp_problem())
    return row


def test_slopes_that_are_free_leave_no_stairs() -> None:
    flat = last(Candidate("tv", IsotropicTV(), ((0.1,),)))
    sloped = last(Candidate("tvpwl", TVpwL(), ((0.1,), (4e-3,))))
    assert sloped.psnr > flat.psnr + 0.5
    assert abs(sloped.plateau_excess) < 0.05 < 0.5 < flat.plateau_excess


def test_the_best_of_the_grid_is_found_and_its_ends_are_told() -> None:
    candidate = Candidate("tvpwl", TVpwL(), ((0.02, 0.1, 0.4), (1e-3, 4e-3)))
    row = last(candidate)
    assert row.constants == {"lam": 0.1, "gam": 4e-3}
    assert (row.at_end, row.solves, row.not_converged) == (("gam",), 6, 0)
    text = ramp_table([row], 20.1).rows[0]
    assert text[1] == "lam 0.1, gam 0.004 (end)"


def test_ratios_weigh_the_second_map() -> None:
    batches = list(Candidate("tgv", TGV(), ((0.1, 0.2), (2.0, 4.0)), ratios=True).constants())
    assert batches == [[(0.1, 0.2), (0.1, 0.4)], [(0.2, 0.4), (0.2, 0.8)]]


def test_the_figure_shows_the_line_of_every_picture() -> None:
    clean, noisy = (picture.numpy()[0, 0] for picture in ramp_problem())
    figure = line_profiles(clean, noisy, {"a_$": clean + 0.1, "b": clean - 0.1}, row=7)
    *pictures, first, second = [axes for part in figure.subfigs for axes in part.axes]
    assert [axes.get_title() for axes in pictures] == ["clean", "noisy", r"a_\$", "b"]
    for axes, shift in ((first, 0.1), (second, -0.1)):
        lines = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
        assert (lines["clean"] == clean[7]).all()
        assert (lines["noisy"] == noisy[7]).all()
        assert (lines["denoised"] == clean[7] + shift).all()
        low, high = axes.get_ylim()
        assert low < min(line.min() for name, line in lines.items() if name != "noisy")
        assert high > max(line.max() for name, line in lines.items() if name != "noisy")
    assert encode_figure(figure, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("denoised", "row", "message"),
    [
        ({}, 0, "one to five pictures, got 0"),
        ({"a": torch.zeros(1, 1, 4, 5)}, 0, "must have one size"),
        ({"a": torch.zeros(1, 1, 4, 4)}, 4, "row must be between 0 and 3, got 4"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_refused(denoised, row, message) -> None:
    picture = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match=message):
        line_profiles(picture, picture, denoised, row=row)


def test_the_script_prints_what_it_writes(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--only", "isotropic", "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| isotropic " in done.stdout
    assert (tmp_path / "ramp.md").read_text() == done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ramp.md", "ramp.png"]


def test_an_unknown_regularizer_is_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        runpy.run_path(str(SCRIPT))["main"](["--only", "tv"])
    assert "invalid choice: 'tv'" in capsys.readouterr().err
