"""The deblurring benchmark on small images: methods beat the first look, and the weight is the best of its steps."""

import json
from pathlib import Path

import pytest
import torch
from skimage import data

from benchmarks import deblurring, published
from benchmarks.deblurring import LOOK, Method, blurred, deblurring_table, measure, scalar, tuned
from benchmarks.markdown import to_markdown
from benchmarks.stored import read
from benchmarks.study import write
from difftv.linear import Convolution
from difftv.metrics import psnr
from difftv.regularizers import IsotropicTV


def images() -> torch.Tensor:
    photographs = [data.camera()[100:132, 180:212], data.moon()[100:132, 100:132]]
    return torch.stack([torch.from_numpy(one / 255).float() for one in photographs])[:, None]


def blur() -> Convolution:
    return Convolution(torch.tensor([[0.2, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.3]]))


def rows() -> list[deblurring.DeblurringRow]:
    solve = scalar(IsotropicTV())
    some = {LOOK: deblurring.methods()[LOOK], "isotropic TV": Method(lambda sigma: solve, lambda sigma: -8.0)}
    return measure(images(), images(), {1: blur()}, some)


def test_the_weight_is_better_than_its_neighbours() -> None:
    solve, A, clean = scalar(IsotropicTV()), blur(), images()
    weight = tuned(solve, clean, A, 7.65, start=-8.0)
    y = blurred(clean, A, 7.65)
    values = [float(psnr(solve(y, A, weight * factor).denoised, clean).mean()) for factor in (2**-0.5, 1.0, 2**0.5)]
    assert max(values) == values[1]


def test_rows_table_and_document(tmp_path: Path) -> None:
    found = rows()
    assert [(row.method, row.sigma) for row in found] == [
        (method, sigma) for sigma in deblurring.SIGMAS for method in (LOOK, "isotropic TV")
    ]
    for look, solved in zip(found[::2], found[1::2], strict=True):
        assert solved.psnr > look.psnr
        assert solved.converged
        assert solved.gap is not None
        assert solved.gap < 1e-2
    table = to_markdown(deblurring_table(found))
    assert f"{found[1].psnr:.2f}" in table
    assert "33.75" in table
    assert "not converged" not in table
    path = tmp_path / "deblurring.json"
    write(path, "deblurring", found, deblurring.COMMAND)
    stored = read(path)
    assert stored.found["deblurring"].rows == found
    assert stored.tables() == table
    assert deblurring.COMMAND in stored.where()
    text = published.drawn("<!-- measured: deblurring -->\n<!-- /measured -->", tmp_path)
    assert f"{found[1].psnr:.2f}" in text


def test_a_run_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from difftv.models.pretrained import shipped_files

    with pytest.raises(ValueError, match="zip"):
        deblurring.methods([shipped_files()["gray-small"]])
    # A model that is told the noise level was not trained for one: its predictor says so.
    both = [shipped_files()["gray-small"]] * 2
    with pytest.raises(ValueError, match="sigma"):
        deblurring.methods(both)[deblurring.LEARNED].at(2.55)(images(), blur(), 1.0)


@pytest.mark.skipif(not (published.DOCUMENTS / "deblurring.json").exists(), reason="not measured yet")
def test_what_is_published_has_converged() -> None:
    found = json.loads((published.DOCUMENTS / "deblurring.json").read_text())["parts"]["deblurring"]["rows"]
    assert found
    assert all(row["converged"] for row in found)
