"""The table of losses: seeds joined, differences of runs of one seed, the document and the page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import losses, published, trained
from benchmarks.ablation import Measurements
from benchmarks.losses import (
    LossGradientRow,
    LossRow,
    gradients,
    loss_gradients_table,
    losses_table,
    measure,
    training_patches,
)
from benchmarks.markdown import to_markdown
from benchmarks.stored import read
from benchmarks.study import write
from difftv.lab.data import PublishedImages, open_images
from difftv.lab.losses import Mse, Noise2Noise
from difftv.lab.models.reading import read_gray_model
from difftv.lab.report import Run
from difftv.models.pretrained import shipped_files


def example(loss: str, seed: int, psnr: float, **changed: Any) -> LossRow:
    values = {"steps": 640, "sigma": 25.0, "psnr": {"a": psnr, "b": psnr + 2}, "ssim": {"a": 0.8, "b": 0.9}}
    return LossRow(**{"loss": loss, "seed": seed, **values, **changed})


def test_differences_are_those_of_runs_of_one_seed(tmp_path: Path) -> None:
    rows = [
        example("noise2noise", 0, 27.9),
        example("noise2noise", 1, 28.5),
        example("mse", 0, 28.0),
        example("mse", 1, 28.4),
        example("mse", 2, 20.0),
        example("sure", 3, 27.0),
    ]
    table = losses_table(rows)
    mse, noise2noise, sure = table.rows
    assert (mse[0], mse[1], mse[-1]) == ("`mse`", "3", "")
    assert noise2noise == ("`noise2noise`", "2", "29.20 ± 0.42", "0.8500 ± 0.0000", "+0.00 ± 0.14")
    assert sure == ("`sure`", "1", "28.00", "0.8500", "")  # no `mse` of its seed
    write(tmp_path / "losses.json", "losses", rows, losses.COMMAND)
    assert read(tmp_path / "losses.json").tables() == to_markdown(table)
    page = "<!-- measured: losses -->\n<!-- /measured -->"
    assert "+0.00 ± 0.14" in published.drawn(page, tmp_path)
    assert losses.COMMAND in published.drawn(page, tmp_path / "nothing")
    with pytest.raises(ValueError, match="differ in steps, noise level or images"):
        losses_table([*rows, example("mse", 4, 28.0, steps=1920)])


def test_the_error_of_a_gradient_is_relative_and_the_least_comes_first(tmp_path: Path) -> None:
    rows = [LossGradientRow("sure", 2, [5.0, 3.0]), LossGradientRow("noise2noise", 1, [0.5, 0.5])]
    table = loss_gradients_table(rows)
    assert table.rows == [("`noise2noise`", "1", "0.5"), ("`sure`", "2", "4.1")]
    write(tmp_path / "losses.json", "loss_gradients", rows, losses.COMMAND)
    assert "4.1" in published.drawn("<!-- measured: loss_gradients -->\n<!-- /measured -->", tmp_path)


def test_gradients_of_a_model_are_measured_on_its_training_batches(tmp_path: Path) -> None:
    columns, rows = np.meshgrid(np.arange(48), np.arange(48))
    for index in range(4):
        values = 120 + 60 * np.sin(rows / (5 + index)) * np.cos(columns / 9)
        Image.fromarray(values.astype(np.uint8)).save(tmp_path / f"{index}.png")
    config = {"data": {"root": str(tmp_path), "validation_fraction": 0.25}, "trainer": {"batch_size": 2}}
    stored = read_gray_model(shipped_files()["gray-small"])
    stored = replace(stored, config={**stored.config, **config, "patch_size": 32, "sigma": 25.0, "seed": 0})
    patches = training_patches(stored)
    found = gradients(stored, patches, {"none": Mse(), "noise2noise": Noise2Noise()})
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(found, patches.num_batches(2))
    assert max(found["none"]) < 1e-6
    assert min(found["noise2noise"]) > 0.01


def test_a_run_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "steps", lambda stored: 640)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    items = PublishedImages(open_images([tmp_path / "one.png"], cache_dir=None), sigma=25)
    settings = {
        "seed": 3,
        "choices.loss": "recorrupted",
        "loss._target_": "difftv.lab.losses.Recorrupted",
        "loss.alpha": 0.5,
    }
    run = Run("a", shipped_files()["gray-small"], settings, {})
    row = measure(run, items, Measurements(tmp_path / "losses.json"))
    assert (row.loss, row.seed) == ("recorrupted alpha=0.5", 3)
    assert list(row.psnr) == ["one"]
    assert 15 < row.psnr["one"] < 30
    assert measure(run, items, Measurements(tmp_path / "losses.json")) == row
