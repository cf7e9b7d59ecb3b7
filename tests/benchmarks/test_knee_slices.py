"""The converter of knee slices: what it writes is what was measured, and the crop is found in the storage."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.knee_slices import converted, main
from difftv.lab.data.measured import read_measured


def slices(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(1, 1, 20, 14, generator=generator)
    columns = torch.rand(14, generator=generator) < 0.6
    columns[0] = True
    y = columns * torch.fft.fft2(clean, norm="ortho")
    (folder / "a1").mkdir(parents=True)
    torch.save(y, folder / "a1" / "y.pt")
    torch.save(clean[..., 5:15, 3:11], folder / "a1" / "x_crop.pt")
    return clean, y


def test_a_slice_is_read_back_as_it_was_measured(tmp_path: Path) -> None:
    clean, y = slices(tmp_path / "pd")
    assert main([str(tmp_path / "pd"), str(tmp_path / "npz")]) == 0
    found = read_measured(tmp_path / "npz" / "a1.npz")
    assert torch.equal(found.measured.data, y)
    torch.testing.assert_close(found.measured.operator.apply(clean), y)
    assert found.clean is not None
    assert torch.equal(found.clean, clean[..., 5:15, 3:11])
    assert torch.equal(found.scored(clean), found.clean)


def test_a_part_without_its_slice_is_the_centre() -> None:
    clean = torch.rand(20, 14)
    y = torch.fft.fft2(clean, norm="ortho")
    entries = converted(y, clean[5:15, 3:11].clone())
    assert entries["crop"].tolist() == [5, 3, 10, 8]
    np.testing.assert_array_equal(entries["clean"], clean[5:15, 3:11].numpy())


def test_what_is_no_slice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path / "npz")]) == 2
    assert "no slice in" in capsys.readouterr().err
    with pytest.raises(ValueError, match="y must be complex with one coil"):
        converted(torch.zeros(4, 4), torch.zeros(4, 4))
