"""Stored runs of any regularizer: images of another size, and the scalars that they are compared with."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from difftv.denoiser import Denoiser
from difftv.lab.rundir.checkpoint import CheckpointStore
from difftv.predictors import Constant
from difftv.regularizers import TGV, IsotropicTV, Regularizer, TVpwL
from difftv.solvers import Clarabel
from tests.conftest import PROJECT


def make_run(directory: Path, regularizer: Regularizer, tuned: dict[str, float]) -> Path:
    config = {
        "predictor": {"name": "constant", "initial_lam": 0.05},
        "regularizer": {"name": regularizer.name},
        "solver": {"name": "clarabel"},
        "sigma": 20,
    }
    weights = Constant(regularizer.num_maps).state_dict()
    CheckpointStore(directory, "0", config).save({"training": {"best_weights": weights, "best_epoch": 1}})
    metrics = {f"baseline/{name}": value for name, value in tuned.items()}
    (directory / "result.json").write_text(json.dumps({"format": 1, "metrics": metrics}))
    return directory


@pytest.mark.parametrize("regularizer", [IsotropicTV(), TGV()], ids=lambda it: it.name)
def test_a_loaded_run_denoises_an_image_of_another_size(regularizer: Regularizer, tmp_path: Path) -> None:
    denoiser = Denoiser.load(make_run(tmp_path, regularizer, {}))
    noisy = torch.rand(1, 1, 9, 13, generator=torch.Generator().manual_seed(0))
    solution = denoiser(noisy)
    expected = Clarabel(regularizer)(noisy, solution.lam).denoised
    assert bool(solution.converged.all())
    torch.testing.assert_close(solution.denoised, expected, rtol=0, atol=5e-4)


@pytest.mark.parametrize(
    ("tuned", "stands"), [({"lam": 0.05, "gam": 0.1}, True), ({"lam": 0.05}, False)], ids=["both", "one of before"]
)
def test_published_numbers_of_a_run_with_two_maps(tuned: dict[str, float], stands: bool, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", TVpwL(), tuned)
    pixels = (60 + 9 * np.indices((9, 11)).sum(0)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "slope.png")
    main = runpy.run_path(str(PROJECT / "experiments" / "evaluate.py"))["main"]
    assert main([str(run), str(tmp_path / "slope.png"), "--device", "cpu"]) == 0
    found = json.loads((run / "evaluation-images.json").read_text())
    names = {"set_oracle/lam", "set_oracle/gam"} | ({"tuned/lam", "tuned/gam"} if stands else set())
    assert set(found["lam"]) == names
    assert found["metrics"]["set_oracle/psnr"] > found["metrics"]["noisy/psnr"]
    assert ("lam = 0.05, gam = 0.1" in (run / "evaluation-images.md").read_text()) == stands
