"""experiments/noisy_pairs.py: pairs by their names, kinds, numbers as PSNR is defined, a document of numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from experiments.noisy_pairs import main, table
from tests.conftest import PROJECT


def write(place: Path, names: list[str], ending: str = "") -> None:
    place.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    for index, name in enumerate(names):
        clean = data.camera()[100 + index : 170 + index, 200:280]
        noisy = clean + 20 * generator.standard_normal(clean.shape)
        Image.fromarray(clean).save(place / f"{name}{'_mean' if ending else ''}.png")
        other = place if ending else place.parent / "raw"
        other.mkdir(exist_ok=True)
        Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8)).save(other / f"{name}{ending}.png")


def test_kinds_and_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "gt", ["cells_1", "cells_2", "fish_1"])
    output = tmp_path / "found.json"
    words = [str(tmp_path / "raw"), str(tmp_path / "gt"), "--model", "gray-small", "--output", str(output)]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = json.loads(output.read_text())["files"]
    assert [row["kind"] for row in rows] == ["cells", "cells", "fish"]
    for row in rows:
        pair = [np.asarray(Image.open(tmp_path / part / row["file"]), float) / 255 for part in ("raw", "gt")]
        assert row["noisy"] == pytest.approx(-10 * np.log10(np.square(pair[0] - pair[1]).mean()), abs=1e-3)
        assert row["denoised"] > row["noisy"] + 3
    mean = np.mean([row["denoised"] for row in rows[:2]])
    assert next(line for line in lines if line.startswith("| cells")).endswith(f"| {mean:.2f} |")
    assert "| mean of all | 3 |" in lines[-1]


def test_endings_and_what_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "both"
    write(place, ["camera_1"], ending="_real")
    words = [str(place), str(place), "--model", "gray-small"]
    assert main([*words, "--noisy-ending", "_real", "--clean-ending", "_mean"]) == 0
    assert "| camera | 1 |" in capsys.readouterr().out
    assert main([*words, "--noisy-ending", "_real"]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main([*words, "--noisy-ending", "_none"]) == 2
    assert "no image whose name ends in _none" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["fluorescence", "camera"])
def test_the_page_shows_the_stored_numbers(name: str) -> None:
    rows = json.loads((PROJECT / "docs" / "measurements" / "pairs" / f"{name}.json").read_text())["files"]
    assert table(rows) in (PROJECT / "docs" / "results.md").read_text()
