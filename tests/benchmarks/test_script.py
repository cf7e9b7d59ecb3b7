"""experiments/benchmark.py: what it prints is what it leaves on the disk; bad options end it at once."""

import json
import runpy
from timeit import Timer

import pytest
import torch

from tests.conftest import PROJECT

SCRIPT = PROJECT / "experiments" / "benchmark.py"


# cvxpylayers 1.2's own interface to diffcp turns tensors into arrays in a way that NumPy is giving up.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:cvxpylayers")
def test_tables_and_document(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Timer, "autorange", lambda timer: (1, timer.timeit(1)))
    options = ["--only", "layer", "--patch-sizes", "4", "--batch", "1", "--repeats", "2", "--threads", "1", "--output"]
    before = torch.get_num_threads()
    try:
        assert runpy.run_path(str(SCRIPT))["main"]([*options, str(tmp_path)]) == 0
    finally:
        torch.set_num_threads(before)
    shown = capsys.readouterr().out
    assert shown.startswith("### A training step, beside the bare CvxpyLayer")
    assert (tmp_path / "benchmark.md").read_text() == shown
    document = json.loads((tmp_path / "benchmark.json").read_text())
    assert document["threads"] == 1
    assert document["settings"]["repeats"] == 2
    assert document["parts"]["layer"]["rows"]
    assert document["versions"]["cvxpylayers"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark.json", "benchmark.md"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:cvxpylayers")
def test_what_is_published_is_stored_and_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Timer, "autorange", lambda timer: (1, timer.timeit(1)))
    main = runpy.run_path(str(SCRIPT))["main"]
    known = main.__wrapped__.__globals__
    drawn = []
    known.update(SPEED=tmp_path / "speed.json", SPEED_PARTS=("exact",), redraw=lambda: drawn.append(1) or ["README.md"])
    before = torch.get_num_threads()
    try:
        assert main(["--publish", "--exact-size", "4", "--batch", "1", "--output", str(tmp_path / "out")]) == 0
    finally:
        torch.set_num_threads(before)
    assert drawn == [1]
    assert capsys.readouterr().out.startswith("Changed: README.md")
    rows = json.loads((tmp_path / "speed.json").read_text())["parts"]["exact"]["rows"]
    assert {row["threads"] for row in rows} == {1}
    assert all(len(row["seconds"]["forward"]) == 3 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "layers"], "invalid choice: 'layers'"),
        (["--repeats", "0"], "--repeats must be a positive integer"),
        (["--data", "nowhere"], "no image below nowhere"),
    ],
)
def test_bad_options(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPT))["main"](arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
