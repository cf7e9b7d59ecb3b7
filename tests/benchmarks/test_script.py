"""experiments/benchmark.py: what it prints is what it leaves on the disk; bad options end it at once."""

import json
import runpy
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

SCRIPT = PROJECT / "experiments" / "benchmark.py"


def benchmark(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=120)


def test_tables_and_document(tmp_path):
    done = benchmark(
        "--only", "layer", "--patch-sizes", "4", "--batch", "1", "--repeats", "2", "--threads", "1",
        "--output", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("### A training step, beside the bare CvxpyLayer")
    assert (tmp_path / "benchmark.md").read_text() == done.stdout
    document = json.loads((tmp_path / "benchmark.json").read_text())
    assert document["threads"] == 1
    assert document["settings"]["repeats"] == 2
    assert document["parts"]["layer"]["rows"]
    assert document["versions"]["cvxpylayers"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark.json", "benchmark.md"]


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
