"""A run on RGB images, from the command line to the numbers, the figures and a colour photograph."""

import csv
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from difftv.colour import COLOUR, denoise_image
from difftv.denoiser import Denoiser
from difftv.errors import ConfigError, DataError
from difftv.lab.cli import card_from_run, denoise, evaluate, export
from difftv.lab.models.reading import read_model
from difftv.lab.rundir.layout import is_run
from difftv.lab.runs.build import build, open_patches
from difftv.lab.runs.config import resolved
from difftv.lab.runs.identity import identity
from difftv.lab.runs.plan import PlannedRun
from difftv.metrics import psnr, quantize
from difftv.models.file import read_card
from difftv.noise import add_noise
from difftv.regularizers import IsotropicTV
from difftv.solvers import Admm
from tests.conftest import PROJECT, composed
from tests.models.made import config, make_file
from tests.runs.commands import SMALL, run

COLOURED = ["data.colour=true", "regularizer=isotropic", "regularizer.channels=3", "solver=admm"]
FACE, TRIPOD = data.chelsea()[100:124, 150:178].copy(), data.camera()[100:124, 200:228].copy()


@pytest.fixture(scope="module")
def coupled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of colour images with weights that were drawn."""
    nodes = {"regularizer": {"name": "isotropic", "channels": 3}, "solver": {"name": "admm"}}
    return make_file(tmp_path_factory.mktemp("model") / "drawn.safetensors", config() | nodes)


@pytest.fixture(scope="module")
def trained(coupled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run on five photographs, on which the drawn model is measured as well."""
    photographs, place = tmp_path_factory.mktemp("photographs"), tmp_path_factory.mktemp("runs") / "run"
    for index, (top, left) in enumerate([(40, 90), (60, 200), (150, 100), (100, 150), (120, 30)]):
        Image.fromarray(data.chelsea()[top : top + 40, left : left + 44]).save(photographs / f"{index}.png")
    done = run(
        *[word for word in SMALL if word not in ("data=sample", "evaluation.figures=0")], *COLOURED, "data=folder",
        f"data.root={photographs}", "data.eval_patch_size=24", "evaluation.figures=1", "evaluation.oracle=true",
        f"evaluation.model={coupled}", "predictor.initial_lam=0.1", f"hydra.run.dir={place}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def test_a_run_on_colour_images_trains_evaluates_and_draws(trained: Path) -> None:
    place = trained
    assert is_run(place)
    result = json.loads((place / "result.json").read_text())
    metrics = result["metrics"]
    for name in ("psnr", "noisy/psnr", "baseline/psnr", "nonlocal_means/psnr", "oracle/psnr", "model/psnr", "ssim"):
        assert np.isfinite(metrics[name]), name
    # White noise of sigma 25 in every channel: the mean is over all of them.
    assert metrics["noisy/psnr"] == pytest.approx(20.17, abs=0.3)
    assert metrics["oracle/psnr"] >= metrics["baseline/psnr"] > metrics["noisy/psnr"] + 2
    (strip,) = (place / "figures").glob("strip_*.png")
    pixels = np.asarray(Image.open(strip).convert("RGB")).astype(int)
    assert (np.ptp(pixels, axis=2) > 20).mean() > 0.01


def test_the_denoiser_of_a_run_takes_three_channels(trained: Path) -> None:
    denoiser = Denoiser.load(trained)
    assert denoiser.predictor.channels == denoiser.solver.regularizer.channels == 3
    noisy = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))
    assert tuple(denoise_image(denoiser, noisy).lam) == COLOUR
    with pytest.raises(ValueError, match=r"noisy must have shape \(batch, 3, height, width\)"):
        denoiser(noisy[None, :1])


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.colour=true"], "regularizer.channels is 1, but the images are RGB (data.colour=true). Set regularizer"),
        (["data.colour=true", "regularizer=isotropic"], "regularizer.channels is 1, but the images are RGB"),
        ([*COLOURED, "data.colour=false"], "regularizer.channels is 3, but the images are gray (data.colour=false)"),
        ([*COLOURED, "regularizer.channels=2"], "regularizer.channels is 2, but the images are RGB"),
        (["data.colour=1"], "data.colour must be true or false, got 1"),
        (["++predictor.channels=3"], "predictor.channels is set by the run itself"),
    ],
    ids=str,
)
def test_channels_that_do_not_fit_are_refused_before_any_work(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        PlannedRun.of(composed("data=sample", *words)).check()
    assert message in str(refused.value)


def test_colour_is_part_of_the_identity_and_gray_is_what_it_was() -> None:
    plain = resolved(composed("data=sample", "regularizer=isotropic"))
    coloured = resolved(composed("data=sample", *COLOURED[:3]))
    assert identity(plain, "images") != identity(coloured, "images")
    for group, key in (("data", "colour"), ("regularizer", "channels")):
        del plain[group][key]
    again = resolved(composed("data=sample", "regularizer=isotropic"))
    assert identity(plain, "images") == identity(again, "images")


def noisy_pixels(clean: np.ndarray) -> np.ndarray:
    noise = 25 * np.random.default_rng(0).standard_normal(clean.shape)
    return (clean + noise).clip(0, 255).round().astype(np.uint8)


def saved(path: Path, pixels: np.ndarray) -> str:
    Image.fromarray(pixels).save(path)
    return str(path)


def test_evaluate_measures_rgb_over_all_channels(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "photographs"
    images.mkdir()
    saved(images / "face.png", FACE)
    saved(images / "tripod.png", TRIPOD)
    assert evaluate.main([str(trained), str(images), "--no-search", "--output", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "Protocol: whole RGB images" in shown.out
    assert "GRAY, as three equal channels with noise of its own in each: tripod." in shown.out
    assert "trained for sigma 25 (8-bit units, RGB images); weights of epoch" in shown.err
    found = json.loads((tmp_path / "evaluation-photographs.json").read_text())
    assert found["gray"] == ["tripod"]
    with (tmp_path / "evaluation-photographs.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["image"] == "face")
    noise = torch.randn(3, *FACE.shape[:2], generator=torch.Generator().manual_seed(0))
    clean = torch.from_numpy(FACE).permute(2, 0, 1).float() / 255
    with torch.no_grad():
        denoised = Denoiser.load(trained)((clean + 25 / 255 * noise)[None]).denoised[0]
    pixels = np.rint(denoised.clamp(0, 1).permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    assert float(row["psnr"]) == pytest.approx(peak_signal_noise_ratio(FACE, pixels), abs=2e-3)
    assert float(row["noisy/psnr"]) == pytest.approx(
        -20 * np.log10(25 / 255 * float(noise.square().mean().sqrt())), abs=1e-3
    )


def test_a_set_of_gray_images_is_not_measured_as_colour(
    trained: Path, coupled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gray = [saved(tmp_path / "one.png", TRIPOD), saved(tmp_path / "two.png", np.dstack([TRIPOD] * 3))]
    for words in ([str(trained), *gray], ["--model", str(coupled), *gray, "--output", str(tmp_path)]):
        assert evaluate.main(words) == 2
        assert "Every image is gray, and the model is one of colour images" in capsys.readouterr().err
    assert not list(tmp_path.glob("evaluation-*"))


def test_the_exported_model_is_the_run_and_its_card_says_rgb(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_from_run, "COLOUR_REFERENCE", ("chelsea.png", (100, 150, 24, 28)))
    assert export.main([str(trained), "mine", "--output", str(tmp_path), "--without-numbers"]) == 0
    assert "isotropic of RGB images, sigma 25" in capsys.readouterr().out
    card, page = read_card(tmp_path / "mine.safetensors"), (tmp_path / "mine.md").read_text()
    assert card.colour
    assert "whole RGB images" in card.protocol
    assert "- images: RGB" in page
    assert "`chelsea`, rows 100 to 124, columns 150 to 178" in page
    noisy = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        of_file, of_run = (Denoiser.load(place)(noisy) for place in (tmp_path / "mine.safetensors", trained))
    assert torch.equal(of_file.denoised, of_run.denoised)
    clean = torch.from_numpy(data.chelsea()[100:124, 150:178].copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        denoised = Denoiser.load(trained)(add_noise(clean, 25, seed=0)).denoised
    assert card.reference.psnr == pytest.approx(float(psnr(quantize(denoised), clean)), abs=1e-3)


def test_numbers_of_colour_images_go_into_the_card(trained: Path, tmp_path: Path) -> None:
    files = (trained / "evaluation-face.md", trained / "evaluation-face.csv", trained / "evaluation-face.json")
    try:
        assert evaluate.main([str(trained), saved(tmp_path / "face.png", FACE), "--no-search", "--name", "face"]) == 0
        (row,) = card_from_run.measured(read_model(trained))
    finally:
        for file in files:
            file.unlink(missing_ok=True)
    assert row.solver == "admm"
    assert row.metrics["psnr"] > row.metrics["noisy/psnr"] + 3


def test_a_photograph_with_and_without_alpha_and_a_gray_one_are_denoised_by_name(
    coupled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoise, "_can_draw", lambda: False)
    colour, gray = noisy_pixels(FACE), noisy_pixels(TRIPOD)
    alpha = (1 + np.arange(FACE[..., 0].size) % 255).astype(np.uint8).reshape(FACE.shape[:2])  # no pixel is missing
    kinds = {"rgb": colour, "rgba": np.dstack([colour, alpha]), "gray": gray, "equal": np.dstack([gray] * 3)}
    images = {name: saved(tmp_path / f"{name}.png", pixels) for name, pixels in kinds.items()}
    cleans = [saved(tmp_path / f"clean-{name}.png", pixels) for name, pixels in (
        ("rgb", FACE), ("rgba", FACE), ("gray", TRIPOD), ("equal", np.dstack([TRIPOD] * 3)))]  # fmt: skip
    output = tmp_path / "denoised"
    words = ["--model", str(coupled), *images.values(), "--clean", *cleans, "--output", str(output)]
    assert denoise.main(words) == 0
    shown = capsys.readouterr()
    denoiser = Denoiser.load(coupled)

    def expected(pixels: np.ndarray) -> np.ndarray:
        channels = torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1).expand(3, -1, -1).float() / 255
        with torch.no_grad():
            solved = denoiser(channels[None]).denoised[0]
        return (solved.clamp(0, 1) * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)

    found = {name: np.asarray(Image.open(output / f"{name}-denoised.png")) for name in kinds}
    np.testing.assert_array_equal(found["rgb"], expected(colour))
    np.testing.assert_array_equal(found["rgba"], np.dstack([expected(colour), alpha]))
    np.testing.assert_array_equal(found["gray"], expected(gray)[..., 0])
    np.testing.assert_array_equal(found["equal"], expected(gray))
    for name, told in (("rgb", False), ("rgba", False), ("gray", True), ("equal", True)):
        assert (f"{images[name]}: a gray image and a model of colour images" in shown.err) == told
    before, after = (peak_signal_noise_ratio(FACE, pixels) for pixels in (colour, found["rgb"]))
    assert f"PSNR {before:.2f} -> {after:.2f} dB" in shown.out
    assert shown.out.startswith("model drawn: trained for sigma 25 (8-bit units, RGB images); weights of epoch 4")


def test_what_does_not_fit_a_model_of_colour_images_is_refused(
    coupled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = saved(tmp_path / "face.png", FACE)
    for main in (denoise.main, evaluate.main):
        assert main(["--model", str(coupled), image, "--solver", "taut_string"]) == 2
        assert "it takes gray images only, and this one couples channels" in capsys.readouterr().err
    clean = saved(tmp_path / "clean.png", TRIPOD)
    assert denoise.main(["--model", str(coupled), image, "--clean", clean]) == 1
    assert "they must have one size and colour" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean.png", "face.png"]
    with pytest.raises(ConfigError, match=r"was trained with IsotropicTV\(channels=3\b"):
        Denoiser.load(coupled, Admm(IsotropicTV()))
    for script in ("ramp.py", "ablation.py"):
        with pytest.raises(ConfigError, match="is a model of colour images, and gray ones are compared here"):
            runpy.run_path(str(PROJECT / "experiments" / script))["read_gray_model"](coupled)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluation.model={}"], "evaluation.model: {} takes images of 3 channel(s), the images of the run have 1."),
        ([*COLOURED, "evaluation.model=gray"], "gray takes images of 1 channel(s), the images of the run have 3."),
        (["trainer.start={}", "regularizer=isotropic", "solver=admm"], "its channels is 3, and 1 here"),
    ],
)
def test_a_stored_model_of_other_channels_is_refused_before_any_work(
    words: list[str], message: str, coupled: Path
) -> None:
    planned = PlannedRun.of(
        composed("data=sample", "predictor.initial_lam=0.07", *(word.format(coupled) for word in words))
    )
    with pytest.raises(ConfigError) as refused:
        build(planned)
    assert message.format(coupled) in str(refused.value)


def test_gray_images_are_no_colour_images_to_train_on(tmp_path: Path) -> None:
    for index in range(3):
        saved(tmp_path / f"{index}.png", TRIPOD[index:])
    planned = PlannedRun.of(composed("data=folder", f"data.root={tmp_path}", "patch_size=8", *COLOURED))
    objects = build(planned)
    with pytest.raises(DataError, match=r"are asked for, and every one of the \d training images is gray"):
        open_patches(planned, objects.splits, objects.setup.denoiser.solver)


def test_models_of_gray_images_are_continued_on_colours(tmp_path: Path) -> None:
    starts = []
    for width in (6, 4):
        gray = config("dilated", "tvpwl")
        gray["predictor"] |= {"width": width}
        gray["regularizer"] |= {"num_maps": 4}
        starts.append(make_file(tmp_path / f"gray{width}.safetensors", gray))
    words = ["data=sample", "predictor=opponent", "predictor.width=6", "predictor.blocks=1", "predictor.chroma_width=4"]
    tvpwl = ["data.colour=true", "regularizer=tvpwl", "regularizer.channels=3", "solver=exact"]

    def planned(start: str, num_maps: int = 12) -> PlannedRun:
        return PlannedRun.of(composed(*words, *tvpwl, f"regularizer.num_maps={num_maps}", f"trainer.start='{start}'"))

    both = planned("+".join(map(str, starts)))
    found = build(both).setup.denoiser.predictor.state_dict()
    for start, colours in zip(starts, ([0], [1, 2]), strict=True):
        trained = Denoiser.load(start).predictor.state_dict()
        for colour in colours:
            assert torch.equal(found[f"colours.{colour}.hidden.0.weight"], trained["hidden.0.weight"])
    one = planned(str(starts[0]))
    assert both.digest != one.digest
    assert not torch.equal(
        build(one).setup.denoiser.predictor.state_dict()["colours.1.first.weight"], found["colours.1.first.weight"]
    )
    with pytest.raises(
        ConfigError, match="predicts lam_v, lam_h, gam_v, gam_h, the regularizer of the run takes lam_luma"
    ):
        build(planned(str(starts[0]), 6))
    with pytest.raises(ConfigError, match="'nobody' is neither the name of a shipped model nor a file"):
        planned(f"{starts[0]}+nobody")
