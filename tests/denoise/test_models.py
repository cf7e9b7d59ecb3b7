"""`difftv-denoise` and `evaluate.py` with shipped models and model files; the noise that the network is told."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from difftv.colour import denoise_image
from difftv.denoiser import Denoiser
from difftv.errors import NoiseLevelWarning
from difftv.lab.cli.denoise import main
from difftv.lab.cli.evaluate import main as evaluate
from difftv.lab.imagefiles import encode_like, read_image
from difftv.models import pretrained
from difftv.noise import add_noise
from tests.models.made import config, make_file, make_run

CLEAN = data.camera()[200:290, 180:260]
MOON = data.moon()[100:190, 100:180]
COLOUR = data.chelsea()[100:180, 150:250]
Shown = pytest.CaptureFixture[str]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "shipped"
    for name, sigma in (("gray", [5, 55]), ("one-level", 25)):
        make_file(place / f"{name}.safetensors", config("cnn", sigma=sigma))
    monkeypatch.setattr(pretrained, "SHIPPED", place)
    monkeypatch.chdir(tmp_path)
    return place


@pytest.fixture
def shipped_colour(shipped: Path) -> Path:
    """A model of colour images beside the others."""
    nodes = {
        "predictor": {"name": "opponent", "width": 4, "initial_lam": 0.1},
        "regularizer": {"name": "tvpwl", "num_maps": 12, "channels": 3},
        "solver": {"name": "exact"},
    }
    return make_file(shipped / "colour.safetensors", config(sigma=[5, 55]) | nodes)


def noisy_file(path: Path, sigma: float, clean: np.ndarray = CLEAN) -> Path:
    noise = sigma * np.random.default_rng(0).standard_normal(clean.shape)
    Image.fromarray((clean + noise).clip(0, 255).round().astype(np.uint8)).save(path)
    return path


def expected(denoiser: Denoiser, path: Path, sigma: float | None) -> bytes:
    image = read_image(path)
    noisy = torch.from_numpy(image.channels.astype(np.float32) / np.float32(255))
    denoised = denoise_image(denoiser, noisy, sigma=sigma).denoised
    return encode_like(image, (denoised.clamp(0, 1) * 255).round().to(torch.uint8).numpy())


def estimate_in(shown: str) -> float:
    (line,) = [line for line in shown.splitlines() if "estimated sigma" in line]
    assert line.endswith("; give --sigma to overrule")
    return float(line.split("estimated sigma ")[1].split(";")[0])


def test_colour_files_take_the_model_of_colours_and_gray_ones_that_of_gray(
    shipped_colour: Path, tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("difftv.lab.cli.denoise._can_draw", lambda: False)
    colour, gray = noisy_file(tmp_path / "c.png", 20, COLOUR), noisy_file(tmp_path / "g.png", 20, MOON)
    equal = tmp_path / "e.png"
    Image.open(gray).convert("RGB").save(equal)
    assert main([str(colour), str(gray), str(equal), "--sigma", "20"]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("model gray: trained for") == shown.out.count("model colour: trained for") == 1
    for path, model in ((colour, "colour"), (gray, "gray"), (equal, "gray")):
        wanted = expected(Denoiser.pretrained(model), path, 20)
        assert (tmp_path / f"{path.stem}-denoised.png").read_bytes() == wanted
    assert main([str(colour), "--sigma", "20", "--model", "gray"]) == 0
    assert (tmp_path / "c-denoised.png").read_bytes() == expected(Denoiser.pretrained("gray"), colour, 20)


@pytest.mark.parametrize("clean", [MOON, COLOUR], ids=["gray", "colour"])
def test_a_photograph_alone_is_denoised_with_the_default_model(
    clean: np.ndarray, shipped: Path, tmp_path: Path, capsys: Shown
) -> None:
    photo = noisy_file(tmp_path / "photo.png", 20, clean)
    assert main([str(photo)]) == 0
    shown = capsys.readouterr()
    assert "model gray: trained for sigma 5 to 55 (8-bit units); weights of epoch 4 of the run\n" in shown.out
    assert estimate_in(shown.out) == pytest.approx(20, rel=0.15)
    assert shown.err == ""
    assert (tmp_path / "photo-lam.png").exists()
    assert main([str(photo), "--sigma", f"{estimate_in(shown.out)}", "--output", str(tmp_path / "told")]) == 0
    assert "estimated" not in capsys.readouterr().out
    # The printed estimate is rounded.
    estimated, told = (read_image(place / "photo-denoised.png").channels for place in (tmp_path, tmp_path / "told"))
    assert np.abs(estimated.astype(int) - told.astype(int)).max() <= 1


def test_the_level_that_is_given_is_the_one_that_is_used(shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    photo = noisy_file(tmp_path / "photo.png", 20)
    assert main([str(photo), "--sigma", "42", "--model", "gray"]) == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / "photo-denoised.png").read_bytes() == expected(Denoiser.pretrained("gray"), photo, 42)


@pytest.mark.parametrize("word", ["one-level", "mine.safetensors", "shipped/one-level.safetensors", "run"])
def test_a_model_is_named_by_name_file_or_run(word: str, shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    make_file(tmp_path / "mine.safetensors", config("cnn"))
    make_run(tmp_path / "run", config("cnn"))
    photo = noisy_file(tmp_path / "photo.png", 25)
    assert main(["--model", word, str(photo)]) == 0
    assert "trained for sigma 25" in capsys.readouterr().out
    wanted = expected(Denoiser.pretrained("one-level"), photo, None)
    assert (tmp_path / "photo-denoised.png").read_bytes() == wanted


@pytest.mark.parametrize("word", ["mine.safetensors", "run"])
def test_the_first_word_may_be_the_model(word: str, shipped: Path, tmp_path: Path) -> None:
    make_file(tmp_path / "mine.safetensors", config("cnn"))
    make_run(tmp_path / "run", config("cnn"))
    photo = noisy_file(tmp_path / "photo.png", 25)
    assert main([str(tmp_path / word), str(photo)]) == 0
    wanted = expected(Denoiser.pretrained("one-level"), photo, None)
    assert (tmp_path / "photo-denoised.png").read_bytes() == wanted


def test_what_names_no_model_is_said_before_anything_is_done(shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    photo = str(noisy_file(tmp_path / "photo.png", 20))
    run = str(make_run(tmp_path / "run", config("cnn")))
    (tmp_path / "cut.safetensors").write_bytes(b"cut")
    for arguments, message in (
        (["--model", "grey", photo], "'grey' is neither the name of a shipped model nor a file. Shipped models: gray"),
        (["outputs/sweep/rnu", photo], "outputs/sweep/rnu is neither the directory of a run nor an image"),
        (["--model", "gray", run, photo], "both name a model"),
        (["--model", "gray", "mine.safetensors", photo], "both name a model"),
        (["cut.safetensors", photo], "is no model file"),
        (["x" * 300, photo], "name too long"),
        (["--model", str(tmp_path), photo], "not the directory of a run"),
        (["--model", "gray", photo, "--sigma", "-3"], "--sigma must be a positive number"),
        (["--model", "gray", photo, "--sigma", "nan"], "--sigma must be a positive number"),
    ):
        assert main(arguments) == 2, arguments
        assert message in capsys.readouterr().err
    for arguments in ([run], ["mine.safetensors"]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        assert "give the images to denoise after" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--model", "", photo])
    assert not (tmp_path / "photo-denoised.png").exists()


def test_help_lists_the_shipped_models(shipped: Path, capsys: Shown) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "Shipped models: gray, one-level." in " ".join(capsys.readouterr().out.split())


def test_an_ensemble_is_taken_where_it_is_asked_for(shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    path = noisy_file(tmp_path / "photo.png", 20.0)
    assert main(["--ensemble", "--sigma", "20", str(path)]) == 0
    found = (tmp_path / "photo-denoised.png").read_bytes()
    alone = Denoiser.pretrained("gray")
    assert found == expected(alone.self_ensemble(), path, 20.0)
    assert found != expected(alone, path, 20.0)


def test_without_a_shipped_model_the_ways_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path / "nowhere")
    photo = str(noisy_file(tmp_path / "photo.png", 20))
    assert main([photo]) == 2
    shown = capsys.readouterr().err
    assert "This installation of difftv brings no models." in shown
    assert "Give the directory of a run before the images, or a model as --model." in shown
    assert main([str(make_run(tmp_path / "run", config("constant"))), photo]) == 0


def test_an_image_without_noise_is_told_the_lowest_level(shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    smooth = np.tile(np.linspace(20, 230, 80).round(), (60, 1)).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "photo.png")
    assert main([str(tmp_path / "photo.png")]) == 0
    shown = capsys.readouterr()
    assert estimate_in(shown.out) < 1
    assert "the estimate is below what the model was trained for (5 to 55): 5 is used" in shown.err
    wanted = expected(Denoiser.pretrained("gray"), tmp_path / "photo.png", 5)
    assert (tmp_path / "photo-denoised.png").read_bytes() == wanted


def test_an_image_with_more_noise_is_told_the_highest_level(shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    photo = noisy_file(tmp_path / "photo.png", 100, np.full((90, 80), 128.0))
    assert main([str(photo)]) == 0
    assert "the estimate is above what the model was trained for (5 to 55): 55 is used" in capsys.readouterr().err
    assert (tmp_path / "photo-denoised.png").read_bytes() == expected(Denoiser.pretrained("gray"), photo, 55)


def test_a_saturated_image_is_named(shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    photo = noisy_file(tmp_path / "photo.png", 30, np.where(np.arange(80) < 40, 255.0, 128.0) * np.ones((90, 1)))
    assert main([str(photo)]) == 0
    shown = capsys.readouterr()
    assert "of its pixels are clipped (black or white): the estimate of the noise is too low" in shown.err
    assert main([str(photo), "--sigma", "30"]) == 0
    assert capsys.readouterr().err == ""


def test_a_small_image_has_no_estimate(shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    photo = noisy_file(tmp_path / "photo.png", 20, CLEAN[:9, :30])
    assert main([str(photo)]) == 1
    assert "16 pixels a side or more" in capsys.readouterr().err
    assert main([str(photo), "--sigma", "20"]) == 0


def test_a_level_outside_the_range_is_taken_with_a_warning(shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    photo = noisy_file(tmp_path / "photo.png", 20)
    for model, sigma, trained in (("gray", "70", "5 to 55"), ("gray", "3", "5 to 55"), ("one-level", "50", "25")):
        assert main(["--model", model, str(photo), "--sigma", sigma]) == 0
        shown = capsys.readouterr().err
        assert (
            f"--sigma {sigma} is not what the run was trained for ({trained}): results may be worse than at the trained"
            in shown
        )
        assert "NoiseLevelWarning" not in shown


def test_the_library_warns_of_a_level_outside_the_range(shipped: Path) -> None:
    noisy = add_noise(torch.full((2, 1, 20, 18), 0.5), 20, seed=0)
    denoiser = Denoiser.pretrained("gray")
    for sigma in (5, 55, torch.tensor([5.0, 55.0])):
        denoiser(noisy, sigma=sigma)
    for sigma, said in ((60, "sigma is 60"), (4.9, "4.9"), (torch.tensor([20.0, 70.0]), "20 to 70")):
        with pytest.warns(NoiseLevelWarning, match=rf"{said}, but the predictor was trained for 5 to 55"):
            denoiser(noisy, sigma=sigma)
    fixed = Denoiser.pretrained("one-level")
    fixed(noisy)
    fixed.denoise(noisy, 25)
    with pytest.warns(NoiseLevelWarning, match="sigma is 30, but the predictor was trained for 25"):
        fixed.denoise(noisy, 30)
    # Of a denoiser that was put together by hand nothing is known.
    Denoiser(denoiser.predictor, denoiser.solver)(noisy, sigma=90)


def test_a_shipped_model_is_evaluated(shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    (tmp_path / "Set2").mkdir()
    for index in (1, 2):
        Image.fromarray(CLEAN[: 40 * index, :40]).save(tmp_path / "Set2" / f"{index}.png")
    assert evaluate(["--model", "gray", str(tmp_path / "Set2")]) == 2
    assert "was trained for sigma 5 to 55: give the noise as --sigma LEVEL" in capsys.readouterr().err
    assert evaluate(["--model", "gray", str(tmp_path / "Set2"), "--sigma", "15"]) == 0
    shown = capsys.readouterr()
    assert "model gray: trained for sigma 5 to 55" in shown.err
    assert shown.out.startswith("### Set2-sigma15, sigma 15")
    found = json.loads((tmp_path / "evaluation-Set2-sigma15.json").read_text())
    assert (found["model"], found["set"], found["sigma"], found["images"]) == ("gray", "Set2", 15, 2)
    assert "run" not in found
    assert evaluate(["--model", "gray", str(tmp_path / "Set2"), "--sigma", "15", "--no-search", "--ensemble"]) == 0
    assert capsys.readouterr().out.startswith("### Set2-sigma15-ensemble, sigma 15, self-ensemble")
    turned = json.loads((tmp_path / "evaluation-Set2-sigma15-ensemble.json").read_text())
    assert (turned["ensemble"], found["ensemble"], turned["set"]) == (True, False, "Set2")
    assert turned["metrics"]["psnr"] != found["metrics"]["psnr"]
    assert evaluate(["--model", "one-level", str(tmp_path / "Set2"), "--output", "results", "--name", "two"]) == 0
    assert json.loads(Path("results/evaluation-two.json").read_text())["set"] == "Set2"
    named = ["Set2/1.png", "Set2/2.png", "--sigma", "25", "--name", "pair-sigma25"]
    assert evaluate(["--model", "gray", *named]) == 0
    assert json.loads(Path("evaluation-pair-sigma25.json").read_text())["set"] == "pair"


def test_evaluating_says_which_model_is_missing(shipped: Path, tmp_path: Path, capsys: Shown) -> None:
    run = str(make_run(tmp_path / "run", config("cnn")))
    (tmp_path / "Set2").mkdir()
    for arguments, message in (
        (["--model", "grey", "Set2"], "Shipped models: gray, one-level"),
        (["--model", "gray", run, "Set2"], "both name a model"),
        (["Set2", "Set2"], "not the directory of a run"),
    ):
        assert evaluate(arguments) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        evaluate([run])
    assert "give the images to measure on after" in capsys.readouterr().err
