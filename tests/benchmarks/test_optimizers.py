"""The table of optimizers: seeds joined, compared with the best learning rate of Adam; the document and the page."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import optimizers, published, trained
from benchmarks.ablation import Measurements
from benchmarks.markdown import to_markdown
from benchmarks.optimizers import OptimizerRow, measure, optimizers_table
from benchmarks.stored import read
from benchmarks.study import write
from difftv.lab.data import PublishedImages, open_images
from difftv.lab.report import Run
from difftv.models.pretrained import shipped_files


def example(optimizer: str, lr: float, seed: int, psnr: float, steps: int = 640) -> OptimizerRow:
    values = {"a": psnr, "b": psnr + 2}
    return OptimizerRow(seed, steps, 25.0, values, {"a": 0.8, "b": 0.9}, optimizer=optimizer, lr=lr)


def test_the_best_learning_rate_of_adam_is_the_reference(tmp_path: Path) -> None:
    rows = [
        example("adam", 1e-3, 0, 27.0),
        example("adam", 2e-3, 0, 28.0),
        example("adam", 2e-3, 1, 28.2),
        example("muon", 2e-3, 0, 28.5),
        example("muon", 2e-3, 1, 28.6),
    ]
    table = optimizers_table(rows)
    assert table.heads[-1] == "against `adam lr=0.002` [dB]"
    assert [row[0] for row in table.rows] == ["`adam lr=0.002`", "`adam lr=0.001`", "`muon lr=0.002`"]
    assert [row[-1] for row in table.rows] == ["", "-1.00", "+0.45 ± 0.07"]
    write(tmp_path / "optimizers.json", "optimizers", rows, optimizers.COMMAND)
    assert read(tmp_path / "optimizers.json").tables() == to_markdown(table)
    page = "<!-- measured: optimizers -->\n<!-- /measured -->"
    assert "+0.45 ± 0.07" in published.drawn(page, tmp_path)
    with pytest.raises(ValueError, match="differ in steps, noise level or images"):
        optimizers_table([*rows, example("muon", 2e-3, 2, 28.0, steps=1920)])
    assert optimizers_table(rows[3:]).rows[0][-1] == ""


def test_a_row_is_that_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "steps", lambda stored: 640)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    items = PublishedImages(open_images([tmp_path / "one.png"], cache_dir=None), sigma=25)
    settings = {"seed": 3, "choices.optimizer": "muon", "optimizer.lr": 0.002}
    run = Run("a", shipped_files()["gray-small"], settings, {})
    row = measure(run, items, Measurements(tmp_path / "optimizers.json"))
    assert (row.name, row.seed, row.steps) == ("muon lr=0.002", 3, 640)
    assert list(row.psnr) == ["one"]
