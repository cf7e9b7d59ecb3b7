"""evaluation.scalar=sure: the scalar baseline of a run without a clean image."""

import csv
import json
from pathlib import Path

import pytest
import torch

from difftv.errors import ConfigError
from difftv.lab.baselines import numbers_by_sure, scalar_denoiser
from difftv.lab.data import EvaluationItem
from difftv.lab.models.run import read_run
from difftv.lab.report import build_table, read_sweep, to_markdown
from difftv.lab.runs.build import build
from difftv.lab.runs.plan import PlannedRun
from difftv.metrics import psnr
from difftv.noise import GaussianNoise, Noise, PoissonGaussian
from difftv.regularizers import AnisotropicTV, TVpwL
from difftv.solvers import Exact, Solver
from tests.conftest import composed
from tests.runs.commands import SMALL, run


@pytest.mark.parametrize("stabilise", [True, False], ids=["transform", "weights"])
@pytest.mark.parametrize("noise", [GaussianNoise(25), PoissonGaussian(0.03, 5)], ids=["white", "photons"])
@pytest.mark.parametrize("solver", [Exact(AnisotropicTV()), Exact(TVpwL())], ids=["anisotropic", "tvpwl"])
def test_the_chosen_constants_are_close_to_the_best_ones(solver: Solver, noise: Noise, stabilise: bool) -> None:
    from skimage.data import camera

    clean = torch.from_numpy(camera()[150:246, 150:246] / 255.0).float()[None, None]
    kind = None if isinstance(noise, GaussianNoise) else noise
    item = EvaluationItem("camera", clean, noise.corrupt(clean, seed=0), 25.0, kind=kind)
    chosen = numbers_by_sure(solver, item, stabilise=stabilise)
    assert len(chosen) == len(solver.regularizer.parameters)

    def reached(factor: float) -> float:
        denoiser = scalar_denoiser(solver, [factor * chosen[0], *chosen[1:]], stabilise)
        return float(psnr(denoiser.denoise(item.noisy, noise).denoised.detach(), clean))

    assert reached(1.0) > max(reached(factor) for factor in (0.6, 0.8, 1.25, 1.6)) - 0.1


def test_a_run_has_such_a_baseline_and_says_so(tmp_path: Path) -> None:
    words = [*SMALL, "patch_size=16", "solver=taut_string", "evaluation.scalar=sure", "trainer.epochs=1"]
    done = run(*words, "evaluation.figures=1", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
    assert metrics["oracle/psnr"] >= metrics["baseline/psnr"] > metrics["noisy/psnr"]
    with (tmp_path / "run" / "per_image.csv").open() as rows:
        chosen = [float(row["baseline/lam"]) for row in csv.DictReader(rows)]
    assert len(set(chosen)) == len(chosen)
    table = to_markdown(build_table(read_sweep(tmp_path)))
    assert "chosen for every image by Stein's risk estimate, without a clean image" in table
    assert read_run(tmp_path / "run").scalars == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluation.scalar=oracle"], "evaluation.scalar must be"),
        (["evaluation.scalar=sure", "forward=mri", "solver=admm"], "evaluation.scalar must be psnr behind"),
        (["evaluation.scalar=sure", "noise=correlated"], "evaluation.scalar must be psnr"),
    ],
)
@pytest.mark.usefixtures("jaxtyping_off")
def test_what_sure_is_wrong_for_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(PlannedRun.of(composed("data=sample", "tracker=none", *words)))
