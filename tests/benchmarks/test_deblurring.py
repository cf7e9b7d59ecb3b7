"""The deblurring benchmark on small images: methods beat the first look, and the weight is the best of its steps."""

import pytest
import torch
from skimage import data

from benchmarks import deblurring
from benchmarks.deblurring import blurred, measure, to_markdown, tuned
from difftv.linear import Convolution
from difftv.metrics import psnr
from difftv.regularizers import IsotropicTV


def images() -> torch.Tensor:
    photographs = [data.camera()[100:132, 180:212], data.moon()[100:132, 100:132]]
    return torch.stack([torch.from_numpy(one / 255).float() for one in photographs])[:, None]


def blur() -> Convolution:
    return Convolution(torch.tensor([[0.2, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.3]]))


def test_the_weight_is_better_than_its_neighbours() -> None:
    solve, A, clean = deblurring._scalar(IsotropicTV()), blur(), images()
    weight = tuned(solve, clean, A, 7.65, start=-8.0)
    y = blurred(clean, A, 7.65)
    values = [float(psnr(solve(y, A, weight * factor).denoised, clean).mean()) for factor in (2**-0.5, 1.0, 2**0.5)]
    assert max(values) == values[1]


def test_rows_and_table(monkeypatch: pytest.MonkeyPatch) -> None:
    solve = deblurring._scalar(IsotropicTV())
    monkeypatch.setattr(deblurring, "_methods", lambda: {"isotropic TV": solve})
    rows = measure(images(), images(), [blur()])
    assert [(row.method, row.sigma) for row in rows] == [
        (method, sigma) for sigma in deblurring.SIGMAS for method in ("first look", "isotropic TV")
    ]
    for look, found in zip(rows[::2], rows[1::2], strict=True):
        assert found.psnr > look.psnr
        assert found.converged
    table = to_markdown(rows)
    assert f"{rows[1].psnr:.2f}" in table
    assert "not converged" not in table
