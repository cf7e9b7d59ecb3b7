"""Models on volumes, measured on a small one: joined slices beat single ones; the table is drawn from a document."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import learned_volumes, published
from benchmarks.learned_volumes import learned_volumes_table, measure, methods
from benchmarks.markdown import to_markdown
from benchmarks.stored import read
from benchmarks.study import write
from difftv.lab.data.phantoms import phantom
from difftv.models.pretrained import shipped_file


def test_methods_are_measured_stored_and_drawn(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", phantom((4, 4), (8, 20, 20)))
    found = measure(methods([]), [tmp_path / "one.npy"], [25.0])
    psnr = {row.method: row.psnr for row in found}
    noisy, scalar, single, joined = psnr.values()
    assert noisy == pytest.approx(20.2, abs=0.2)
    assert scalar > noisy + 3
    assert joined > single > noisy + 3
    assert all(0 < row.ssim < 1 and row.converged for row in found)
    table = to_markdown(learned_volumes_table(found))
    assert f"{joined:.2f}" in table
    assert "56,228" in table
    path = tmp_path / "learned-volumes.json"
    write(path, learned_volumes.PART, found, learned_volumes.COMMAND)
    assert read(path).found[learned_volumes.PART].rows == found
    text = published.drawn("<!-- measured: learned_volumes -->\n<!-- /measured -->", tmp_path)
    assert f"{single:.2f}" in text


def test_models_of_images_are_not_models_of_volumes() -> None:
    with pytest.raises(ValueError, match="is no model of volumes"):
        methods([shipped_file("gray-small")])


@pytest.mark.skipif(not (published.DOCUMENTS / "learned-volumes.json").exists(), reason="not measured yet")
def test_the_stored_rows_are_complete() -> None:
    rows = read(published.DOCUMENTS / "learned-volumes.json").found[learned_volumes.PART].rows
    cases = {(row.sigma, row.volume) for row in rows}
    for method in {row.method for row in rows}:
        assert {(row.sigma, row.volume) for row in rows if row.method == method} == cases
