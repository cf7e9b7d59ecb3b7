"""The figure of a search shows every trial that has a value, and the best so far; its file is read as untrusted."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from difftv.lab.figures import encode_figure, search_progress
from difftv.lab.rundir.search import Search, Trial, read_search, write_search


def trial(number: int, state: str, value: float, lr: float = 1e-3, loss: str = "m$e", depth: int = 3) -> Trial:
    return Trial(number, state, value, {"optimizer.lr": lr, "loss": loss, "depth": depth}, f"run-{number}", 2)


TRIALS = (
    trial(0, "complete", 28.0, lr=1e-4),
    trial(1, "pruned", 27.0, lr=1e-2, loss="_x"),
    trial(2, "failed", math.nan),
    trial(3, "complete", 27.5),
    trial(4, "complete", 29.0),
    trial(5, "running", math.nan),
    trial(6, "complete", 3.0),
)
SEARCH = Search("validation/psnr", "maximize", TRIALS, ("optimizer.lr",))


def test_the_figure_shows_every_value_and_the_best_so_far() -> None:
    progress, lr, loss, depth = search_progress(SEARCH).axes
    lines = {line.get_label(): line for line in progress.get_lines()}
    assert list(lines["complete"].get_xdata()) == [0, 3, 4]
    assert list(lines["complete"].get_ydata()) == [28.0, 27.5, 29.0]
    assert list(lines["pruned"].get_ydata()) == [27.0]
    assert list(lines["beyond the axis"].get_xdata()) == [6]
    best = lines["best so far"]
    assert np.asarray(best.get_xdata()).tolist() == [0, 3, 4, 6, 6]
    assert np.asarray(best.get_ydata()).tolist() == [28.0, 28.0, 29.0, 29.0, 29.0]
    assert "29.00 dB in trial 4" in progress.get_title()
    assert lr.get_xscale() == "log"
    assert sorted(lr.get_lines()[1].get_xdata()) == [1e-2]
    assert [label.get_text() for label in loss.get_xticklabels()] == [" _x", r"m\$e"]
    assert depth.get_xlabel() == "depth"


def test_less_is_better_where_the_search_says_so() -> None:
    search = Search("validation/edge/gmsd", "minimize", (trial(0, "complete", 0.2), trial(1, "complete", 0.1)))
    assert search.best == search.trials[1]
    best = next(line for line in search_progress(search).axes[0].get_lines() if line.get_label() == "best so far")
    assert list(best.get_ydata()) == [0.2, 0.1, 0.1]


@pytest.mark.parametrize("trials", [(), TRIALS[2:3], TRIALS[5:6], (Trial(0, "complete", math.inf, {}, ""),)])
def test_little_to_show_is_no_error(trials: tuple[Trial, ...]) -> None:
    picture = encode_figure(search_progress(Search("validation/psnr", "maximize", trials)), "png")
    assert picture.startswith(b"\x89PNG")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_search(tmp_path, SEARCH)
    assert repr(read_search(tmp_path)) == repr(SEARCH)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 2}', '{"format": 1, "trials": 3}', json.dumps({"format": 1, "metric": "m",
     "direction": "d", "log_scale": [], "trials": [{"number": "x"}]}),
     *(json.dumps({"format": 1, "metric": "m", "direction": "d", "log_scale": [], "trials": [
        {"number": 1, "state": "complete", "value": 1, "run": "", "epochs": 1, "params": params}]})
       for params in ([], {"a": 10**400}, {"a": math.inf}, {"a": math.nan}))],
)  # fmt: skip
def test_a_file_of_something_else_is_no_search(content: str, tmp_path: Path) -> None:
    assert read_search(tmp_path) is None
    (tmp_path / "search.json").write_text(content)
    assert read_search(tmp_path) is None
