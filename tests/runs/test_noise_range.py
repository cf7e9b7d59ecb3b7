"""A run that is trained on a range of noise levels: the predictor is told the level, and so are the commands."""

import json
from pathlib import Path

import pytest
import torch

from difftv.cli.evaluate import main as evaluate
from difftv.denoiser import Denoiser
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
