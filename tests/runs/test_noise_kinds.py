"""Runs with noise that is not white: training, tables, evaluation, cards and the command line know it."""

import json
from pathlib import Path

import pytest
import torch

from difftv.denoiser import Denoiser
from difftv.errors import ConfigError
from difftv.lab.cli.evaluate import main as evaluate
from difftv.lab.cli.export import main as export
from difftv.lab.data import EvaluationPatches, Sample, TrainingPatches, open_images
from difftv.lab.models.run import read_run
from difftv.lab.report import build_table, read_sweep, to_markdown
from difftv.lab.runs.build import build
from difftv.lab.runs.plan import PlannedRun
from difftv.models.file import read_card
from difftv.noise import NoiseRange, PoissonGaussian
from tests.conftest import composed
from tests.runs.commands import SMALL, run

RANGE = [*SMALL, "noise=poisson_gaussian", "noise.gain=[0.01,0.05]", "sigma=[0,10]", "solver=admm", "solver.tol=1e-3",
         "evaluation.oracle=false"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a sweep, one for each way."""
    sweep = tmp_path_factory.mktemp("ways")
    for way in ("true", "false"):
        done = run(*RANGE, f"method.stabilise={way}", f"hydra.run.dir={sweep / way}")
        assert done.returncode == 0, done.stderr
    return sweep


def test_the_table_says_which_noise_and_tells_the_ways_apart(trained: Path) -> None:
    table = to_markdown(build_table(read_sweep(trained)))
    assert "noise poisson_gaussian (gain [0.01, 0.05])" in table
    assert "method.stabilise" in table
    metrics = [json.loads((trained / way / "result.json").read_text())["metrics"] for way in ("true", "false")]
    assert metrics[0]["noisy/psnr"] == metrics[1]["noisy/psnr"]
    assert metrics[0]["psnr"] != metrics[1]["psnr"]
    assert metrics[0]["baseline/psnr"] != metrics[1]["baseline/psnr"]
    assert all(each["baseline/psnr"] > each["noisy/psnr"] for each in metrics)


def test_a_stored_run_keeps_its_way_and_its_noise(trained: Path) -> None:
    for way in (True, False):
        stored = read_run(trained / str(way).lower())
        assert (stored.stabilise, stored.sigma, stored.sigma_range) == (way, None, None)
        assert str(stored.noise) == "Poisson-Gaussian noise, gain 0.01 to 0.05, sigma 0 to 10"
        denoiser = stored.denoiser()
        assert isinstance(denoiser, Denoiser)
        assert (denoiser.stabilise, denoiser.sigma_input) == (way, True)


def test_the_run_is_measured_and_becomes_a_model(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], test_data: Path
) -> None:
    place, image = trained / "false", str(test_data / "Set12" / "01.png")
    assert evaluate([str(place), image, "--no-search"]) == 2
    assert "give the noise as --noise GAIN,SIGMA" in capsys.readouterr().err
    assert evaluate([str(place), image, "--noise", "0.02,5", "--name", "one"]) == 0
    shown = capsys.readouterr().out
    assert "Poisson-Gaussian noise, gain 0.02, sigma 5 (sigma in 8-bit units), not clipped" in shown
    content = json.loads((place / "evaluation-one.json").read_text())
    assert content["noise"] == {"name": "poisson_gaussian", "gain": 0.02, "black_level": 0.0}
    assert content["sigma"] == 5
    assert export([str(place), "mine", "--output", str(tmp_path)]) == 0
    card = read_card(tmp_path / "mine.safetensors")
    assert "Poisson-Gaussian noise, gain 0.01 to 0.05, sigma 0 to 10" in str(card)
    assert "dB at Poisson-Gaussian noise, gain 0.02, sigma 5" in str(card)
    assert "gain 0.01 to 0.05" in (tmp_path / "mine.md").read_text()
    run_, file = Denoiser.load(place), Denoiser.load(tmp_path / "mine.safetensors")
    assert (file.stabilise, file.sigma_input) == (False, True)
    noisy = torch.rand(1, 1, 9, 7, generator=torch.Generator().manual_seed(0))
    noise = PoissonGaussian(0.02, 5)
    assert torch.equal(run_.denoise(noisy, noise).denoised, file.denoise(noisy, noise).denoised)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["noise=poisson", "sigma=5"], "sigma must be 0, got 5: Poisson noise has no Gaussian part"),
        (["noise=poisson_gaussian", "noise.gain=0"], "noise.gain must be a positive finite number"),
        (["noise=poisson_gaussian", "noise.gain=[0.05,0.01]"], "noise.gain must be one number or a range"),
        (["noise=poisson_gaussian", "sigma=-1"], "sigma must be a finite number >= 0"),
        (["noise=poisson_gaussian", "++noise.gian=1"], "Did you mean noise.gain?"),
        (["sigma=0"], "sigma must be a positive number in 8-bit units"),
        (["noise=poisson", "forward=mri", "solver=admm"], "noise must be gaussian behind a forward operator"),
        (["noise=poisson", "method=network"], "noise must be gaussian with method=network"),
        (["noise=correlated", "loss=sure"], "loss=sure is wrong for correlated Gaussian noise"),
        (["noise=poisson", "loss=recorrupted"], "loss=recorrupted is wrong for Poisson noise"),
        (["loss=recorrupted", "loss.alpha=0"], "loss.alpha must be a positive finite number"),
        (["loss=noise2noise", "data.clip_noise=true"], "data.clip_noise gives the noise a mean that is not 0"),
        (["loss=recorrupted", "forward=inpainting", "solver=admm"], "loss=Recorrupted is for denoising"),
        (["method.stabilise=2"], "method.stabilise must be true or false"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("jaxtyping_off")
def test_what_no_run_could_use_is_named_by_its_key(words: list[str], message: str) -> None:
    def start() -> None:
        planned = PlannedRun.of(composed("data=sample", "tracker=none", *words))
        planned.check()
        build(planned)

    with pytest.raises(ConfigError) as refused:
        start()
    assert message in str(refused.value)


@pytest.mark.parametrize("kind", ["poisson", "correlated"])
def test_every_other_kind_runs(kind: str, tmp_path: Path) -> None:
    words = [*SMALL, f"noise={kind}", "solver=taut_string", "trainer.epochs=1", "evaluation.oracle=false"]
    done = run(*words, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
    assert metrics["baseline/psnr"] > metrics["noisy/psnr"]


def test_patches_draw_gain_and_sigma_each_and_say_them() -> None:
    images = open_images(Sample().files().train[:3], cache_dir=None)
    noise = NoiseRange.of([0, 10], PoissonGaussian, {"gain": [0.01, 0.05]})
    patches = TrainingPatches(images, patch_size=8, sigma=noise, seed=0, crops_per_image=8)
    (batch, *_) = patches.batches(0, 8)
    assert isinstance(batch.kind, PoissonGaussian)
    assert batch.noise is batch.kind
    assert len(set(batch.kind.gain.tolist())) == len(set(batch.kind.sigma.tolist())) == 8
    torch.testing.assert_close(batch.sigma, 255 * batch.kind.std_per_image(batch.clean))
    (again, *_) = patches.batches(0, 8)
    assert torch.equal(again.noisy, batch.noisy)
    white = TrainingPatches(images, patch_size=8, sigma=25, seed=0, crops_per_image=8)
    (plain, *_) = white.batches(0, 8)
    assert torch.equal(plain.clean, batch.clean)
    items = EvaluationPatches(images, patch_size=8, sigma=noise.middle)
    assert items[0].kind == noise.middle
