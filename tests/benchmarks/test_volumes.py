"""The benchmark of signals and volumes at small sizes: rows, tables, document."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import published, volumes
from benchmarks.stored import read
from benchmarks.study import write
from benchmarks.volumes import ALLOWED, SolveRow, exact, phantom, random_field, steps, volumes_table, volumes_text
from difftv.errors import MissingDependencyError


def rows() -> tuple[list[SolveRow], list[str]]:
    """What is installed, at small sizes."""
    found, missing = [], []
    parts = [
        exact("phantom", phantom(8, 8, 8), (0.05, 0.3)),
        exact("signal", steps(2000), (0.05,)),
        volumes.isotropic(8),
        volumes.anisotropic(8),
        volumes.signal(2000),
    ]
    for part in parts:
        try:
            for row in part:
                found += [row]
        except MissingDependencyError as error:
            missing.append(str(error))
    return found, missing


def test_rows_tables_and_document(tmp_path: Path) -> None:
    found, missing = rows()
    solvers = [row.solver for row in found]
    assert {"`exact`", "`admm`, float32", volumes.CHAMBOLLE} <= set(solvers)
    assert (volumes.DEEPINV in solvers) != any("deepinv" in reason for reason in missing)
    for row in found:
        assert row.seconds > 0
        if row.solver == "`exact`":
            assert row.gap is not None
            assert row.gap < 1e-20
        if row.setting != "as it comes" and row.error is not None:
            assert row.error <= ALLOWED, row.solver
    path = tmp_path / "volumes.json"
    write(path, "volumes", found, volumes.COMMAND)
    assert read(path).found["volumes"].rows == found
    text = published.drawn("<!-- measured: volumes -->\n<!-- /measured -->", tmp_path)
    assert volumes_text(found) in text
    assert "lam = 0.3" in text
    assert "phantom 8^3" in text
    assert "signal of 2,000 samples" in text


def test_an_error_that_is_not_reached_is_marked() -> None:
    row = SolveRow("isotropic", "phantom", (8, 8, 8), 0.1, "ours", "", 1.0, None, 0.5e-4)
    other = SolveRow("isotropic", "phantom", (8, 8, 8), 0.1, "theirs", "n=5", 3.0, None, 2e-3)
    table = volumes_table([row, other])
    assert table.rows[1][4:] == ("3.00", "2.0e-03 (not reached)")


def test_the_random_field_has_equal_energy_in_every_octave() -> None:
    field = random_field(64, 64)[0, 0].numpy()
    assert field.std() == pytest.approx(0.25)
    spectrum = np.abs(np.fft.fft2(field - field.mean())) ** 2
    frequency = np.fft.fftfreq(64)
    radius = np.hypot(frequency[:, None], frequency[None])
    low, high = (spectrum[(radius >= 2.0**-k) & (radius < 2.0 ** (1 - k))].sum() for k in (5, 3))
    assert high / low == pytest.approx(1.0, abs=0.7)


def test_memory_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(volumes, "in_own_process", lambda function, *arguments: function(*arguments))
    assert volumes.main(["--memory", "8"]) == 0
    printed = capsys.readouterr().out
    assert "exact: " in printed
    assert "admm: " in printed
    assert "bytes per voxel" in printed
