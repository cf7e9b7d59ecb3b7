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


def test_a_model_is_told_the_level_and_its_maps_have_a_factor() -> None:
    from difftv.models.pretrained import shipped_file
    from difftv.reconstructor import Reconstructor

    clean, A = images(), blur()
    y = blurred(clean, A, 2.55)
    method = deblurring.methods(shipped_file("gray-small"))[deblurring.LEARNED]
    assert method.start is None
    found = method.at(2.55)(y, A, 1.0)
    model = Reconstructor.pretrained("gray-small")
    maps = model.maps(y, A, sigma=model.level(y, A, 2.55))
    torch.testing.assert_close(found.lam, maps)
    torch.testing.assert_close(method.at(2.55)(y, A, 2.0).lam, 2 * maps)
    assert float(psnr(found.denoised, clean).mean()) > float(psnr(y, clean).mean())


@pytest.mark.skipif(not (published.DOCUMENTS / "deblurring.json").exists(), reason="not measured yet")
def test_what_is_published_has_converged() -> None:
    found = json.loads((published.DOCUMENTS / "deblurring.json").read_text())["parts"]["deblurring"]["rows"]
    assert found
    assert all(row["converged"] for row in found)
