"""The regularizers at equal steps: rows differ in what they say, and the table is that of the document."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import published, regularizers
from benchmarks.ablation import Measurements
from benchmarks.markdown import to_markdown
from benchmarks.regularizers import LABELS, RegularizerRow, measure, published_sets, regularizers_table
from benchmarks.stored import read
from benchmarks.study import write
from difftv.errors import DataError
from difftv.lab.data import PublishedImages, open_images
from difftv.lab.report import Run
from difftv.lab.runs.config import resolved
from difftv.models.pretrained import shipped_files
from tests.conftest import CONF, composed

ROWS = sorted(path.stem for path in (CONF / "experiment" / "regularizers").glob("*.yaml") if path.stem[0] != "_")

SAID = {
    "tvpwl": set(),
    "tv_tv2": {"regularizer", "solver", "predictor"},
    "filters_3x3": {"regularizer", "solver", "predictor"},
    "filters_5x5": {"regularizer", "solver", "predictor"},
    "network": {"method", "regularizer", "predictor"},
}
"""Row -> the groups in which it differs from tvpwl, whose predictor has floors."""


def configuration(row: str) -> dict[str, Any]:
    found = resolved(composed(f"experiment=regularizers/{row}", "data.root=images"))
    return {key: value for key, value in found.items() if key != "choices"}


def test_rows_share_everything_but_what_they_say() -> None:
    assert sorted(SAID) == ROWS == sorted(LABELS)
    reference = configuration("tvpwl")
    for row in ROWS:
        other = configuration(row)
        assert {key for key in reference if reference[key] != other[key]} == SAID[row]
        floors = ({**values["predictor"], "floor": 0, "least": 0} for values in (reference, other))
        assert next(floors) == next(floors)


def example(experiment: str, **changed: Any) -> RegularizerRow:
    values = {"weights": 56_000, "steps": 640, "sigma": 25.0, "psnr": {"a": 28.5}, "plateau_excess": {"a": -0.02}}
    return RegularizerRow(**{"experiment": experiment, "seconds": [0.5, 0.25, 1.0], **values, **changed})


def test_table_document_and_page(tmp_path: Path) -> None:
    rows = [example("network"), example("tvpwl", psnr={"a": 28.91})]
    table = regularizers_table(rows)
    assert [row[0] for row in table.rows] == [LABELS["tvpwl"], LABELS["network"]]
    assert "28.91 (-0.02)" in table.rows[0]
    assert "0.50" in table.rows[0][-1]
    write(tmp_path / "regularizers.json", "regularizers", rows, regularizers.COMMAND)
    assert read(tmp_path / "regularizers.json").tables() == to_markdown(table)
    page = "<!-- measured: regularizers -->\n<!-- /measured -->"
    assert "28.91 (-0.02)" in published.drawn(page, tmp_path)
    assert regularizers.COMMAND in published.drawn(page, tmp_path / "nothing")
    longer = regularizers_table([example("tvpwl", steps=3200), *rows])
    assert [(row[0], row[2]) for row in longer.rows] == [
        (LABELS["tvpwl"], "640"),
        (LABELS["network"], "640"),
        (LABELS["tvpwl"], "3,200"),
    ]
    with pytest.raises(ValueError, match="differ in noise level"):
        regularizers_table([*rows, example("tv_tv2", sigma=50.0)])


def test_a_run_is_measured_on_both_sets_and_a_step_of_its_training_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(4):
        columns, rows = np.meshgrid(np.arange(70), np.arange(70))
        values = 120 + 60 * np.sin(rows / (5 + index)) * np.cos(columns / 9)
        Image.fromarray(values.astype(np.uint8)).save(tmp_path / f"{index}.png")
    images = open_images(sorted(tmp_path.glob("*.png")), cache_dir=None)
    monkeypatch.setattr(regularizers, "steps", lambda stored: 640)
    run = Run("a", shipped_files()["gray-small"], {"choices.experiment": "regularizers/tvpwl"}, {})
    sets = {"both": PublishedImages(images, sigma=25.0)}
    row = measure(run, sets, Measurements(tmp_path / "kept.json"))
    assert (row.experiment, row.weights, row.steps, row.sigma) == ("tvpwl", 56_228, 640, 25.0)
    assert row.psnr["both"] > 30
    assert abs(row.plateau_excess["both"]) < 0.5
    assert len(row.seconds) == 5
    assert min(row.seconds) > 0


def test_the_sets_must_be_whole(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not 7"):
        published_sets(tmp_path, tmp_path, 25.0)
