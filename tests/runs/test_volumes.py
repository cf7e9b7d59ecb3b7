"""A run on volumes, from the command line to the numbers, the figures, a model file and a stack; and one on signals."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from difftv.denoiser import Denoiser
from difftv.errors import ConfigError
from difftv.lab.cli import denoise, evaluate, export
from difftv.lab.data.phantoms import phantom
from difftv.lab.models.reading import read_model
from difftv.lab.runs.build import build
from difftv.lab.runs.config import resolved
from difftv.lab.runs.identity import identity
from difftv.lab.runs.plan import PlannedRun
from difftv.models.file import read_card
from difftv.predictors import Slices
from difftv.regularizers import TVpwL
from difftv.solvers import Exact
from difftv.volumes import SliceBySlice, denoise_volume
from tests.conftest import composed
from tests.runs.commands import SMALL, run

WORDS = [
    *(word for word in SMALL if word not in ("data=sample", "patch_size=8", "evaluation.figures=0")),
    "predictor=slices", "predictor.width=4", "patch_size=[4,8,8]", "data.eval_patch_size=[6,10,12]",
    "evaluation.figures=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five small volumes."""
    place = tmp_path_factory.mktemp("volumes")
    for index in range(5):
        np.save(place / f"{index}.npy", phantom((7, index), (8, 16, 20)))
    return place


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run, on which a model of images is measured as well."""
    place = tmp_path_factory.mktemp("runs") / "run"
    done = run(
        *WORDS, "data=folder", "data.axes=3", f"data.root={folder}", "regularizer.spacing=[2,1,1]",
        "evaluation.model=gray-small", "evaluation.oracle=true", f"hydra.run.dir={place}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture(scope="module")
def model(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model file of that run."""
    place = tmp_path_factory.mktemp("model")
    assert export.main([str(trained), "layers", "--output", str(place), "--without-numbers"]) == 0
    return place / "layers.safetensors"


def test_a_run_on_volumes_trains_evaluates_and_draws(trained: Path) -> None:
    metrics = json.loads((trained / "result.json").read_text())["metrics"]
    for name in ("psnr", "ssim", "noisy/psnr", "baseline/psnr", "nonlocal_means/psnr", "oracle/psnr", "model/psnr"):
        assert np.isfinite(metrics[name]), name
    assert metrics["oracle/psnr"] >= metrics["baseline/psnr"] > metrics["noisy/psnr"] + 3
    assert not [name for name in metrics if name.endswith(("edge/fom", "edge/gmsd"))]
    (slices,) = (trained / "figures").glob("slices_*.png")
    assert slices.stat().st_size > 10_000
    assert list((trained / "figures").glob("strip_*.png"))
    with (trained / "per_image.csv").open() as file:
        assert {row["image"] for row in csv.DictReader(file)}
    (first, *_) = map(json.loads, (trained / "metrics.jsonl").read_text().splitlines())
    assert first["lam/zero_gradient_share"] < 1


def test_the_stored_model_is_one_of_volumes(trained: Path) -> None:
    stored = read_model(trained)
    assert stored.axes == 3
    denoiser = Denoiser.load(trained)
    assert denoiser.solver.regularizer.spacing == (2.0, 1.0, 1.0)
    noisy = torch.rand(1, 1, 4, 9, 8, generator=torch.Generator().manual_seed(0))
    assert denoiser(noisy).denoised.shape == noisy.shape
    with pytest.raises(ValueError, match=r"noisy must have shape \(batch, channels, depth, height, width\)"):
        denoiser(noisy[:, :, 0])
    with pytest.raises(ValueError, match="must be one for images, and this one is for volumes"):
        denoise_volume(denoiser, noisy)
    with pytest.raises(ValueError, match="must be one of images"):
        denoiser.self_ensemble()


def test_the_card_says_volumes_and_its_number_can_be_computed_again(model: Path) -> None:
    card = read_card(model)
    assert card.axes == 3
    assert "of volumes" in str(card)
    page = model.with_suffix(".md").read_text()
    for words in ("- data: volumes", "--axes 3", "Reference, on a generated volume", "slices 8 to 32, rows 0 to 64"):
        assert words in page, words
    assert "SSIM is the mean over the slices" in card.protocol
    top, left, right, *size = card.reference.crop
    volume = phantom((2, 0))[top : top + size[0], left : left + size[1], right : right + size[2]] / np.float32(255)
    clean = torch.from_numpy(volume.astype(np.float32))[None, None]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    denoised = Denoiser.load(model)(clean + card.reference.sigma / 255 * noise).denoised.detach()
    error = ((denoised.clamp(0, 1) * 255).round() / 255 - clean).square().mean()
    assert -10 * float(error.log10()) == pytest.approx(card.reference.psnr, abs=0.01)


def test_a_stack_through_the_command(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack, image = tmp_path / "stack.npy", tmp_path / "image.npy"
    clean = phantom((9, 9), (8, 16, 20)) / np.float32(255)
    noisy = clean + 25 / 255 * np.random.default_rng(0).normal(size=clean.shape).astype(np.float32)
    np.save(stack, noisy)
    np.save(image, noisy[0])
    command = ["--model", str(model)]
    assert denoise.main([*command, str(stack), "--axes", "3", "--spacing", "2,1,1"]) == 0
    said = capsys.readouterr()
    assert "one volume" in said.out
    assert "(8-bit units, volumes)" in said.out
    assert "results may be worse" not in said.err
    denoised = np.load(tmp_path / "stack-denoised.npy")
    assert np.square(denoised - clean).mean() < 0.4 * np.square(noisy - clean).mean()
    expected = Denoiser.load(model)(torch.from_numpy(noisy)[None, None]).denoised[0, 0].detach().numpy()
    np.testing.assert_allclose(denoised, expected, atol=1e-6)
    assert denoise.main([*command, str(stack), "--axes", "3"]) == 0
    assert "trained with a spacing of 2 x 1 x 1: results may be worse" in capsys.readouterr().err
    for words, message in (
        ([stack], "the model is for volumes: add --axes 3"),
        ([stack, "--axes", "3", "--z-weight", "1"], "--z-weight is for models of images"),
        ([image, "--axes", "3"], "a volume has three axes"),
    ):
        assert denoise.main([*command, *map(str, words)]) == 1
        assert message in capsys.readouterr().err


def test_a_photograph_and_a_model_of_volumes(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "photo.png")
    assert denoise.main(["--model", str(model), str(tmp_path / "photo.png")]) == 1
    assert "is a single image, and the model is for volumes" in capsys.readouterr().err


def test_models_of_volumes_and_of_images_are_measured_on_volumes(trained: Path, folder: Path, tmp_path: Path) -> None:
    words = [str(folder / "0.npy"), "--name", "one", "--output", str(tmp_path), "--no-search"]
    assert evaluate.main([str(trained), *words]) == 0
    own = json.loads((tmp_path / "evaluation-one.json").read_text())
    assert "whole volumes" in own["protocol"]
    assert "20x16x8" in (tmp_path / "evaluation-one.md").read_text()
    found = {}
    for weight in ("0", "1"):
        model = ["--model", "gray-small", "--sigma", "25", "--axes", "3", "--z-weight", weight]
        assert evaluate.main([*model, *words]) == 0
        found[weight] = json.loads((tmp_path / "evaluation-one.json").read_text())
        assert found[weight]["z_weight"] == float(weight)
    assert found["1"]["metrics"]["psnr"] > found["0"]["metrics"]["psnr"] > own["metrics"]["noisy/psnr"] + 3
    volume = torch.from_numpy(np.load(folder / "0.npy") / np.float32(255))[None, None]
    noisy = volume + 25 / 255 * torch.randn(volume.shape, generator=torch.Generator().manual_seed(0))
    denoised = denoise_volume(Denoiser.pretrained("gray-small"), noisy, 25.0, z_weight=1.0).denoised
    error = ((denoised.clamp(0, 1) * 255).round() / 255 - volume).square().mean()
    assert -10 * float(error.log10()) == pytest.approx(found["1"]["metrics"]["psnr"], abs=1e-3)


def test_levels_of_several_volumes_are_told_slice_by_slice() -> None:
    method = SliceBySlice(Denoiser.pretrained("gray-small"), 0.0)
    noisy = torch.rand(2, 1, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    both = method.denoise(noisy, torch.tensor([15.0, 50.0])).denoised
    for index, level in enumerate((15.0, 50.0)):
        one = method.denoise(noisy[index : index + 1], level).denoised
        torch.testing.assert_close(both[index : index + 1], one, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="data_weight must be None"):
        method.denoise(noisy, 25.0, torch.ones_like(noisy))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data=sample", "data.axes=3"], "data.axes=3, and the data set holds images. Volumes come with data=folder"),
        (["regularizer=eight_neighbour"], "and regularizer=eight_neighbour is for images. Take regularizer=aniso"),
        (["regularizer=isotropic", "forward=deblurring"], "forward=identity is the only one for volumes"),
        (["regularizer=isotropic", "regularizer.channels=3", "data.colour=true"], "data.colour must be false for vol"),
        (["predictor=opponent"], "Opponent is for images, and volumes are given (axes=3). Predictors of volumes are"),
        (["patch_size=[4,8]"], "patch_size must be a positive integer, or one per axis of volumes (depth, hei"),
        (["data=sample", "predictor=slices", "patch_size=8"], "Slices is for volumes, and images are given (axes=2)"),
        (["predictor.axes=3"], "predictor.axes is set by the run itself"),
        (["data.axes=4"], "axes must be 1 (signals), 2 (images) or 3 (volumes), got 4"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_before_any_work(words: list[str], message: str, folder: Path) -> None:
    first = [
        "data=folder",
        "data.axes=3",
        f"data.root={folder}",
        "patch_size=[4,8,8]",
        "predictor=slices",
        "tracker=none",
    ]
    changed = {word.partition("=")[0] for word in words}
    kept = [word for word in first if word.partition("=")[0] not in changed]
    if "data" in changed:
        kept = [word for word in kept if not word.startswith("data.")]
    plain = [f"+{word}" if word.startswith("predictor.axes") else word for word in (*kept, *words)]

    def built() -> None:
        planned = PlannedRun.of(composed(*plain))
        planned.check()
        build(planned)

    with pytest.raises((ConfigError, ValueError), match=re.escape(message)):
        built()


def test_images_keep_the_identity_that_they_had() -> None:
    plain = resolved(composed("data=folder", "data.root=somewhere"))
    stated = resolved(composed("data=folder", "data.root=somewhere", "data.axes=2", "regularizer.spacing=null"))
    assert identity(plain, "images") == identity(stated, "images")
    volumes = resolved(composed("data=folder", "data.root=somewhere", "data.axes=3"))
    assert volumes["regularizer"]["axes"] == 3
    assert identity(volumes, "images") != identity(plain, "images")


def test_a_model_of_images_is_continued_as_one_of_volumes() -> None:
    images = Denoiser.pretrained("gray-small").predictor
    arguments = {"num_maps": 6, "axes": 3, "sigma_input": True, "floor": [0, 0, 0, 0.003, 0.003, 0.003]}
    volumes = Slices(**arguments, initial_lam=0.1, neighbours=2)
    volumes.start_from(images)
    noisy = torch.rand(1, 1, 5, 20, 22, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = volumes(noisy, 25.0)
        each = torch.cat([images(noisy[:, :, index], 25.0) for index in range(5)]).unflatten(0, (1, 5)).transpose(1, 2)
    torch.testing.assert_close(maps[:, [1, 2, 4, 5]], each, rtol=1e-4, atol=1e-5)
    Denoiser(volumes, Exact(TVpwL(6, axes=3)))
    for wrong in (Slices(**arguments, width=8), Slices(**{**arguments, "num_maps": 5, "floor": 0.0})):
        with pytest.raises(ValueError, match=r"its 56228 weights are not in the layers here|it gives 4 maps"):
            wrong.start_from(images)


def test_a_run_on_signals(tmp_path: Path) -> None:
    folder = tmp_path / "signals"
    folder.mkdir()
    for index in range(5):
        steps = np.random.default_rng(index).random(6).astype(np.float32)
        np.save(folder / f"{index}.npy", np.repeat(steps, 20))
    done = run(
        *(word for word in SMALL if word not in ("data=sample", "patch_size=8", "evaluation.figures=0")),
        "data=folder", "data.axes=1", f"data.root={folder}", "patch_size=60", "evaluation.figures=1",
        f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
    assert metrics["baseline/psnr"] > metrics["noisy/psnr"] + 2
    assert "ssim" not in metrics
    assert Denoiser.load(tmp_path / "run")(torch.rand(2, 1, 30)).denoised.shape == (2, 1, 30)
