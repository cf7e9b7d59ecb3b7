"""The knee benchmark on generated slices: rows, the weight that is tuned, the 4-fold slice, table and document."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import knee, published
from benchmarks.knee import FOURFOLD, LOOK, SLICE, KneeRow, Method, knee_table, scalar, slices, tuned
from benchmarks.markdown import to_markdown
from benchmarks.stored import read
from benchmarks.study import write
from difftv.lab.forward import Mri
from difftv.regularizers import FilterBank, IsotropicTV
from tests.conftest import PROJECT
from tests.models.made import config, make_file


def phantom(seed: int, height: int = 48, width: int = 40) -> torch.Tensor:
    """Ellipses of several intensities, (1, 1, height, width)."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    image = np.zeros((height, width), dtype=np.float32)
    for _ in range(6):
        centre, radii = generator.uniform(0.25, 0.75, 2), generator.uniform(0.08, 0.25, 2)
        inside = ((rows / height - centre[0]) / radii[0]) ** 2 + ((columns / width - centre[1]) / radii[1]) ** 2 < 1
        image += 0.15 * inside
    return torch.from_numpy(image)[None, None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("npz")
    for kind in ("pd", "pdfs"):
        for seed, name in enumerate(("test_images/file1", f"test_images/{SLICE}", "val_images/file2")):
            clean = phantom(seed)
            _, found = Mri(2, 0.16).corrupt(clean, knee.SIGMA, operator_seed=seed, noise_seed=seed)
            assert found is not None
            path = place / kind / f"{name}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(
                path,
                measurements=found.data[0].numpy(),
                mask=found.operator.mask[0, 0].numpy(),
                clean=clean[0, 0].numpy(),
                crop=np.array([8, 4, 32, 32]),
            )
    return place


def test_the_fourfold_slice_is_one_measured_anew(folder: Path) -> None:
    (image,) = slices(folder, FOURFOLD, "test")
    assert image.name == SLICE
    columns = image.measured.operator.mask[0, 0, 0]
    assert int(columns.sum()) == 10
    (again,) = slices(folder, FOURFOLD, "test")
    assert torch.equal(image.measured.data, again.measured.data)
    assert len(list(slices(folder, "PDFS", "test"))) == 2
    with pytest.raises(FileNotFoundError, match="knee_slices writes them"):
        list(slices(folder / "pd", "PD", "test"))


def test_the_weight_is_better_than_its_neighbours(folder: Path) -> None:
    solve, images = scalar(IsotropicTV()), list(slices(folder, "PD", "val"))
    weight = tuned(solve, images, -9.0)
    values = [np.mean([knee._psnr(one, solve(one, weight * by)) for one in images]) for by in (2**-0.5, 1.0, 2**0.5)]
    assert max(values) == values[1]


def test_rows_table_and_document(folder: Path, tmp_path: Path) -> None:
    model = make_file(tmp_path / "small.safetensors", config("constant", "isotropic", initial_lam=0.004))
    ways = {LOOK: knee.methods()[LOOK], "filters, one lam": Method(scalar(FilterBank()), -9.0)}
    ways[knee.LEARNED] = knee.methods(model)[knee.LEARNED]
    rows = [knee.measure(folder, name, method, way) for method, way in ways.items() for name in knee.SETS]
    first, second = rows[:3], rows[3:6]
    for look, found in zip(first, second, strict=True):
        assert found.psnr > look.psnr
        assert (found.set, found.slices, found.not_converged) == (look.set, look.slices, 0)
        assert found.gap is not None
        assert found.gap < 1e-3
        assert look.weight is look.gap is None
    assert [row.slices for row in first] == [2, 2, 1]
    table = to_markdown(knee_table(rows))
    assert f"{second[0].psnr:.2f}" in table
    assert "40.95" in table
    assert "not converged" not in table
    assert "(1 not converged)" in to_markdown(
        knee_table([*rows[:-1], KneeRow(**{**vars(rows[-1]), "not_converged": 1})])
    )
    write(tmp_path / "knee.json", "knee", rows, knee.COMMAND)
    assert read(tmp_path / "knee.json").found["knee"].rows == rows
    text = "<!-- measured: knee -->\n<!-- /measured -->"
    assert f"{second[1].psnr:.2f}" in published.drawn(text, tmp_path)


def test_times_alone_keep_the_numbers(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "DOCUMENTS", tmp_path)
    monkeypatch.setattr(published, "redraw", lambda: None)
    given = [str(folder), "--output", str(tmp_path / "knee.json")]
    assert knee.main([*given, "--only", "isotropic TV", "--sets", "PD"]) == 0
    (before,) = read(tmp_path / "knee.json").found["knee"].rows
    assert knee.main([*given, "--seconds"]) == 0
    (after,) = read(tmp_path / "knee.json").found["knee"].rows
    assert (after.psnr, after.weight, after.gap) == (before.psnr, before.weight, before.gap)
    assert after.seconds != before.seconds
    assert torch.get_num_threads() >= 1
    with pytest.raises(SystemExit):
        knee.main([*given, "--only", "tv"])


def test_the_page_says_how_it_was_measured() -> None:
    page = (PROJECT / "docs" / "results.md").read_text(encoding="utf-8")
    assert knee.COMMAND in page
    assert "<!-- measured: knee -->" in page
