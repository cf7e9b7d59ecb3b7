"""method=network: a network that predicts the image trains, resumes, is evaluated and tabulated like a map."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow

from difftv import AnisotropicTV, Denoiser, IsotropicTV, NetworkDenoiser, Predictor, TautString, UNet
from difftv.errors import ConfigError
from difftv.lab.cli.denoise import main as denoise
from difftv.lab.cli.evaluate import main as evaluate
from difftv.lab.cli.export import main as export
from difftv.lab.cli.table import main as table
from difftv.lab.data import TrainingPatches, open_images
from difftv.lab.data.sample import Sample
from difftv.lab.losses import Psnr
from difftv.lab.models.reading import read_model
from difftv.noise import GaussianNoise
from difftv.solvers import Admm
from tests.runs.commands import SMALL, killed, run
from tests.runs.faults import killed_at
from tests.runs.outcomes import outcome

WORDS = [
    *SMALL,
    "solver=taut_string",
    "evaluation.oracle=false",
    "predictor=unet",
    "predictor.width=2",
    "sigma=[15,50]",
]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("methods")
    for method in ("maps", "network"):
        done = run(*WORDS, f"method={method}", "evaluation.figures=1", f"hydra.run.dir={directory / method}")
        assert done.returncode == 0, done.stdout + done.stderr
    return directory


def test_it_resumes_with_the_same_bits(sweep: Path, tmp_path: Path) -> None:
    words = [*WORDS, "method=network", f"hydra.run.dir={tmp_path}"]
    assert killed(run(*words, prelude=killed_at("difftv.step", 5)))
    done = run(*words)
    assert "continuing after epoch 1, step 1" in done.stdout
    (metrics, weights, history, per_image), expected = outcome(tmp_path), outcome(sweep / "network")
    assert json.dumps([metrics, history]) == json.dumps([expected[0], expected[2]])
    assert per_image == expected[3]
    assert all(torch.equal(weights[name], value) for name, value in expected[1].items())


def test_it_measures_the_image_and_no_maps(sweep: Path) -> None:
    maps, network = (json.loads((sweep / name / "result.json").read_text())["metrics"] for name in ("maps", "network"))
    for name in ("psnr", "ssim", "validation/psnr", "baseline/psnr", "baseline/lam", "noisy/psnr"):
        assert math.isfinite(network[name]), name
    assert network["psnr"] != maps["psnr"]
    assert network["baseline/psnr"] == maps["baseline/psnr"]
    assert network["solver/not_converged"] == 0
    assert network["solver/gap"] is None  # nothing is certified
    assert network["solver/worst_gap"] is None
    assert maps["solver/gap"] >= 0
    assert "lam/zero_gradient_share" in maps
    assert not [name for name in network if name.startswith("lam/")]
    rows = [json.loads(line) for line in (sweep / "network" / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    assert not [name for name in rows[0] if "lam" in name]


def test_a_table_names_it(sweep: Path) -> None:
    assert table([str(sweep), "--rows", "method", "--reference", "maps"]) == 0
    lines = (sweep / "table.md").read_text().splitlines()
    psnr = {
        name: json.loads((sweep / name / "result.json").read_text())["metrics"]["psnr"] for name in ("maps", "network")
    }
    for method, words in (("maps", "learned map"), ("network", "network, no map")):
        (line,) = (line for line in lines if re.match(rf"\|[^|]*\| {words} +\|", line))
        assert f"{psnr[method]:.2f}" in line
    assert any("network, no map minus maps" in line for line in lines)


def test_its_run_is_loaded_as_what_it_is(sweep: Path) -> None:
    denoiser = NetworkDenoiser.load(sweep / "network")
    kept = read_model(sweep / "network").weights
    assert all(torch.equal(value, kept[name]) for name, value in denoiser.predictor.state_dict().items())
    noisy = torch.rand(2, 1, 20, 20)
    solution = denoiser.denoise(noisy, 25.0)
    raw = denoiser.predictor.network(torch.cat([noisy, torch.full_like(noisy, 25 / 255)], dim=1))
    assert torch.equal(solution.denoised, noisy - raw)
    assert solution.lam.shape == (2, 0, 20, 20)
    assert solution.gap.isnan().all()
    with pytest.raises(ConfigError, match=r"predicts the image and no maps: load it with NetworkDenoiser\.load"):
        Denoiser.load(sweep / "network")
    with pytest.raises(ConfigError, match=r"predicts maps: load it with Denoiser\.load"):
        NetworkDenoiser.load(sweep / "maps")


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "images" / "one.png"
    path.parent.mkdir()
    image = torch.rand(1, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    large = torch.nn.functional.interpolate(image, (40, 32), mode="bilinear")[0, 0]
    Pillow.fromarray((255 * large).byte().numpy()).save(path)
    return path


def test_commands_evaluate_it_and_refuse_what_needs_maps(
    sweep: Path, photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        evaluate([str(sweep / "network"), str(photograph), "--sigma", "25", "--output", str(tmp_path / "found")]) == 0
    )
    shown = capsys.readouterr().out
    assert "network, no map" in shown
    assert "learned map" not in shown
    model, image = str(sweep / "network"), str(photograph)
    for command, words, message in (
        (denoise, ["--ensemble"], "predicts the image"),
        (denoise, [], "predicts the image and no maps"),
        (evaluate, ["--ensemble"], "--ensemble averages maps"),
    ):
        assert command([model, image, *words, "--output", str(tmp_path / "out")]) != 0
        assert message in capsys.readouterr().err
    assert export([model, "mine", "--output", str(tmp_path), "--without-numbers"]) != 0
    assert "there are no model files of that" in capsys.readouterr().err


@pytest.mark.parametrize(("method", "start"), [("network", "maps"), ("maps", "network")])
def test_weights_of_the_other_method_mean_something_else(method: str, start: str, sweep: Path, tmp_path: Path) -> None:
    done = run(*WORDS, f"method={method}", f"trainer.start={sweep / start}", f"hydra.run.dir={tmp_path}")
    assert done.returncode != 0
    assert "trainer.start" in done.stdout + done.stderr
    assert "Denoiser, the run has method=difftv." in done.stdout + done.stderr


def test_it_starts_at_the_noisy_image_and_learns() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        denoiser = NetworkDenoiser(UNet(width=4, sigma_input=True), TautString(AnisotropicTV()))
    images = open_images(Sample().files().train[:2], None)
    patches = TrainingPatches(images, patch_size=16, sigma=25.0, seed=0, crops_per_image=4)
    (batch,) = patches.batches(0, 8)
    before = denoiser.denoise(batch.noisy, batch.sigma).denoised
    assert float((before - batch.noisy).detach().abs().max()) < 0.1
    optimizer = torch.optim.Adam(denoiser.predictor.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        Psnr()(denoiser.denoise(batch.noisy, batch.sigma).denoised, batch.clean).backward()
        optimizer.step()
    after = denoiser.denoise(batch.noisy, batch.sigma).denoised
    assert (after - batch.clean).square().mean() < 0.5 * (before - batch.clean).square().mean()


def test_colour_images() -> None:
    arguments = NetworkDenoiser.predictor_arguments({"width": 2}, IsotropicTV(channels=3), sigma_input=True)
    denoiser = NetworkDenoiser(UNet(**arguments), Admm(IsotropicTV(channels=3)))
    assert denoiser.denoise(torch.rand(2, 3, 9, 7), torch.tensor([5.0, 50.0])).denoised.shape == (2, 3, 9, 7)


def test_another_number_of_outputs_is_refused() -> None:
    with pytest.raises(ValueError, match=r"UNet has 2 output\(s\) for images of 1 channel"):
        NetworkDenoiser(UNet(num_maps=2), TautString(AnisotropicTV()))
    denoiser, noisy = NetworkDenoiser(UNet(), TautString(AnisotropicTV())), torch.rand(1, 1, 5, 5)
    with pytest.raises(ValueError, match="data_weight must be None"):
        denoiser.denoise(noisy, 25.0, torch.ones_like(noisy))


OWN = '''
import torch, sys, types
from difftv import NetworkDenoiser
module = sys.modules["own_method"] = types.ModuleType("own_method")
class Half(NetworkDenoiser):
    """Half of the noise that the network finds."""
    def denoise(self, noisy, noise, data_weight=None):
        import dataclasses
        found = super().denoise(noisy, noise, data_weight)
        return dataclasses.replace(found, denoised=(found.denoised + noisy) / 2)
module.Half = Half
'''


def test_a_method_of_the_users_own(tmp_path: Path) -> None:
    done = run(*WORDS, "method._target_=own_method.Half", f"hydra.run.dir={tmp_path}", prelude=OWN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert math.isfinite(json.loads((tmp_path / "result.json").read_text())["metrics"]["psnr"])
    with pytest.raises(ConfigError, match=r"names 'own_method.Half' as its method"):
        Denoiser.load(tmp_path)


def test_the_predictor_is_any_network() -> None:
    denoiser = NetworkDenoiser(Predictor(torch.nn.Conv2d(1, 1, 3, padding=1)), TautString(AnisotropicTV()))
    denoiser.denoise(torch.rand(1, 1, 6, 5), 25.0).denoised.sum().backward()
    assert all(weight.grad is not None for weight in denoiser.parameters())


@pytest.mark.parametrize("as_noise", [False, True])
def test_a_noise_level_of_every_pixel_is_refused(as_noise: bool) -> None:
    denoiser = NetworkDenoiser(Predictor(torch.nn.Conv2d(1, 1, 3, padding=1)), TautString(AnisotropicTV()))
    levels = torch.linspace(5, 50, 30).reshape(1, 1, 6, 5)
    with pytest.raises(ValueError, match="noise must be white"):
        denoiser.denoise(torch.rand(1, 1, 6, 5), GaussianNoise(levels) if as_noise else levels)
