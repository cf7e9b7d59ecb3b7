"""A run that is trained on a range of noise levels: the predictor is told the level, and so are the commands."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

from difftv.denoiser import Denoiser
from difftv.lab.cli.denoise import main as denoise
from difftv.lab.cli.evaluate import main as evaluate
from difftv.lab.cli.export import main as export
from difftv.lab.report import build_table, read_sweep, to_markdown
from difftv.models.file import read_card
from tests.runs.commands import SMALL, run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("range") / "run"
    done = run(*SMALL, "solver=taut_string", "sigma=[5,55]", f"hydra.run.dir={directory}")
    assert done.returncode == 0, done.stderr
    return directory


def test_the_stored_predictor_takes_the_noise_level(trained: Path) -> None:
    denoiser = Denoiser.load(trained)
    noisy = torch.rand(2, 1, 9, 7, generator=torch.Generator().manual_seed(0))
    assert denoiser.sigma_input
    solution = denoiser(noisy, sigma=torch.tensor([10.0, 50.0]))
    assert solution.denoised.shape == noisy.shape
    with pytest.raises(ValueError, match="give sigma, the standard deviation of the noise in 8-bit units"):
        denoiser(noisy)


def test_the_final_numbers_are_those_of_the_middle(trained: Path) -> None:
    metrics = json.loads((trained / "result.json").read_text())["metrics"]
    # Noise of sigma 30 without clipping: 20 log10(255 / 30) dB, give or take the few pixels of two small crops.
    assert metrics["noisy/psnr"] == pytest.approx(18.59, abs=1.0)


def test_the_noise_is_asked_for(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], test_data: Path
) -> None:
    arguments = [str(trained), str(test_data / "Set12" / "01.png"), "--output", str(tmp_path)]
    assert evaluate(arguments) == 2
    assert "trained for sigma 5 to 55: give the noise as --sigma LEVEL" in capsys.readouterr().err
    assert evaluate([*arguments, "--sigma", "70"]) == 0
    shown = capsys.readouterr()
    assert "--sigma 70 is not what the run was trained for (5 to 55)" in shown.err
    assert "white Gaussian noise of sigma 70 (8-bit units)" in shown.out


def test_the_run_becomes_a_model(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a user does after the training: measure, export, apply."""
    image = tmp_path / "photo.png"
    Image.fromarray(data.coins()[50:90, 60:108]).save(image)
    assert evaluate([str(trained), str(image), "--sigma", "25"]) == 0
    assert export([str(trained), "mine", "--output", str(tmp_path)]) == 0
    card = read_card(tmp_path / "mine.safetensors")
    command = "python experiments/run.py data=sample patch_size=8 trainer.epochs=2"
    assert card.training.command is not None
    assert card.training.command.startswith(command)
    assert card.training.command.endswith("solver=taut_string 'sigma=[5,55]'")
    assert "scikit-image" in card.training.images
    assert (card.training.seed, card.training.epochs) == (0, 2)
    assert card.training.versions["torch"] == version("torch")
    assert set(card.training.scalars) == {"lam"}
    capsys.readouterr()
    assert denoise(["--model", str(tmp_path / "mine.safetensors"), str(image)]) == 0
    assert "model mine: trained for sigma 5 to 55" in capsys.readouterr().out
    noisy = torch.rand(1, 1, 9, 7, generator=torch.Generator().manual_seed(0))
    run, file = Denoiser.load(trained), Denoiser.load(tmp_path / "mine.safetensors")
    assert torch.equal(run(noisy, 20).denoised, file(noisy, 20).denoised)


def test_a_stored_model_is_measured_on_the_images_of_a_run(trained: Path, tmp_path: Path) -> None:
    words = [*SMALL, "solver=taut_string", "sigma=[5,55]"]
    done = run(*words, "seed=1", f"evaluation.model={trained}", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    found, alone = (json.loads((path / "result.json").read_text())["metrics"] for path in (tmp_path / "run", trained))
    assert found["model/psnr"] == pytest.approx(alone["psnr"], abs=1e-4)
    assert found["psnr"] != found["model/psnr"]
    table = to_markdown(build_table(read_sweep(tmp_path), rows=["solver"], columns=["sigma"], metrics=["psnr"]))
    (line,) = (line for line in table.splitlines() if "stored model" in line)
    assert line.replace("*", "").split("|")[-2].strip() == f"{found['model/psnr']:.2f}"


def test_a_stored_model_that_is_not_there_is_named_before_any_work(tmp_path: Path) -> None:
    done = run(*SMALL, "solver=taut_string", "evaluation.model=nobody", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode != 0
    assert "evaluation.model: 'nobody' is neither the name of a shipped model nor a file" in done.stdout + done.stderr
