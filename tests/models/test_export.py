"""`python experiments/export.py`: the file is the run, the card has its numbers, and nothing in it is private."""

import dataclasses
import getpass
import json
import runpy
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from difftv.denoiser import Denoiser
from difftv.lab.cli.evaluate import main as evaluate
from difftv.lab.cli.redact import redact_command
from difftv.lab.models.run import read_run
from difftv.models.card import Card
from difftv.models.file import read_card, read_file
from tests.conftest import PROJECT
from tests.models.made import OVERRIDES, config, make_run
from tests.models.test_shipped import assert_it_gives_its_numbers

Main = Callable[[list[str]], int]

IMAGES = {"01": data.camera()[100:140, 200:248], "02": data.coins()[50:90, 60:108]}


@pytest.fixture(scope="module")
def main() -> Main:
    return runpy.run_path(str(PROJECT / "experiments" / "export.py"))["main"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures of somebody" / "Set12"
    folder.mkdir(parents=True)
    for name, pixels in IMAGES.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def measured_run(directory: Path, images: Path, *, sigmas: tuple[float, ...] = (15, 25), **more: object) -> Path:
    run = make_run(directory, config("dilated", sigma=[5, 55], **more))
    for sigma in sigmas:
        assert evaluate([str(run), str(images), "--sigma", str(sigma)]) == 0
    return run


@pytest.fixture
def exported(main: Main, images: Path, tmp_path: Path) -> Path:
    run = measured_run(tmp_path / "run", images)
    assert main([str(run), "mine", "--output", str(tmp_path / "out")]) == 0
    return tmp_path / "out" / "mine.safetensors"


def test_the_file_is_the_run_to_the_bit(exported: Path, tmp_path: Path) -> None:
    run, file = Denoiser.load(tmp_path / "run"), Denoiser.load(exported)
    noisy = torch.rand(2, 1, 33, 26, generator=torch.Generator().manual_seed(0))
    for sigma in (5.0, 25.0, 55.0):
        first, second = run(noisy, sigma), file(noisy, sigma)
        assert torch.equal(first.denoised, second.denoised)
        assert torch.equal(first.lam, second.lam)
    assert run.sigma_range == file.sigma_range == (5, 55)


def test_every_argument_is_spelt_out(exported: Path, tmp_path: Path) -> None:
    found = read_file(exported).config
    assert found["predictor"]["name"] == "dilated"
    assert found["predictor"] | {"num_maps": 1, "initial_lam": [0.07], "sigma_input": True} == found["predictor"]
    assert found["regularizer"] == {
        "name": "anisotropic",
        "num_maps": 1,
        "bounds": None,
        "axes": 2,
        "spacing": None,
    }
    assert found["solver"] == {"name": "taut_string", "tol": 1e-10, "max_iter": 2000}
    assert found["sigma"] == [5, 55]
    assert read_file(exported).explicit_config() == found


@pytest.mark.parametrize("regularizer", ["tvpwl", "tv_tv2", "tgv"])
@pytest.mark.parametrize("stated", [True, False], ids=["one start", "no start"])
def test_starts_of_several_maps_are_kept(regularizer: str, stated: bool, tmp_path: Path) -> None:
    """One number stands for as many starts as there are maps; a default for the same start of every map."""
    given = config("constant", regularizer)
    if not stated:
        del given["predictor"]["initial_lam"]
    run = read_run(make_run(tmp_path / "run", given))
    spelt_out = dataclasses.replace(run, config=run.explicit_config())
    assert spelt_out.config != run.config
    noisy = torch.rand(1, 1, 9, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(spelt_out.predictor()(noisy), run.predictor()(noisy))


def test_the_card_has_the_numbers_of_the_evaluations(exported: Path, tmp_path: Path) -> None:
    card = read_card(exported)
    assert [(row.set, row.sigma, row.images) for row in card.numbers] == [("Set12", 15, 2), ("Set12", 25, 2)]
    for row in card.numbers:
        found = json.loads((tmp_path / "run" / f"evaluation-Set12-sigma{row.sigma:g}.json").read_text())
        assert row.metrics == found["metrics"]
        assert {"psnr", "ssim", "noisy/psnr", "set_oracle/psnr", "set_oracle/ssim"} <= set(row.metrics)
        assert np.mean(list(row.per_image.values())) == pytest.approx(row.metrics["psnr"])
        assert list(row.per_image) == ["01", "02"]
        assert row.solver == "exact"
    assert "white Gaussian noise of the stated sigma" in card.protocol
    training = card.training
    assert (training.seed, training.epochs, training.best_epoch, training.commit) == (3, 9, 4, "0123abc")
    assert training.scalars == {"lam": 0.05}
    assert "BSD400" in training.images
    assert "non-commercial research" in training.terms
    page = exported.with_suffix(".md").read_text()
    for row in card.numbers:
        assert f"{row.metrics['psnr']:.2f}" in page
        assert f"{row.metrics['set_oracle/ssim']:.4f}" in page
    for text in (training.images, training.terms, card.protocol, "seed 3; 9 epochs", f"{card.reference.psnr:.2f} dB"):
        assert text in page


def test_anybody_can_compute_the_numbers_again(exported: Path, images: Path) -> None:
    """What holds for every shipped model, on a file that was just made."""
    card = read_card(exported)
    assert card.reference.sigma == 30
    assert_it_gives_its_numbers(Denoiser.load(exported), card, images)


def test_a_model_is_measured_as_its_run_is(exported: Path, images: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "one level", config("constant"))
    assert evaluate([str(run), str(images)]) == 0
    from difftv.lab.cli.export import main as export

    assert export([str(run), "one", "--output", str(tmp_path)]) == 0
    model = ["--model", str(tmp_path / "one.safetensors")]
    assert evaluate([*model, str(images), "--output", str(tmp_path / "model")]) == 0
    first, second = (json.loads((place / "evaluation-Set12.json").read_text()) for place in (run, tmp_path / "model"))
    assert "tuned/psnr" in first["metrics"]
    assert first["run"] == str(run)
    assert second["model"] == "one"
    shared = set(first) - {"run"}
    assert {key: first[key] for key in shared} == {key: second[key] for key in shared}


def test_nothing_private_is_in_the_card(exported: Path, tmp_path: Path) -> None:
    card = read_card(exported)
    assert card.training.command == "python experiments/run.py data=folder data.root=path/to/BSD400 'sigma=[5,55]'"
    for text in (json.dumps(card.plain()), exported.with_suffix(".md").read_text()):
        for private in (str(tmp_path), "somebody", "/home", socket.gethostname(), f"/{getpass.getuser()}", "tracker"):
            assert private not in text, private


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("predictor=unet", "predictor=unet"),
        ("sigma=[5,55]", "'sigma=[5,55]'"),
        ("+trainer.staircase_weight=2", "+trainer.staircase_weight=2"),
        ("~predictor.levels", "'~predictor.levels'"),
        ("~tracker", ""),
        ("hydra.run.dir=/home/me/out", ""),
        ("hydra/launcher=local", ""),
        ("+hydra.sweep.dir=x", ""),
        ("tracker=none", ""),
        ("tracker.entity=me", ""),
        ("sweep=mine", ""),
        ("trainer.device=cuda:1", ""),
        ("data.cache_dir=/scratch/me", ""),
        ("data.root=/home/me/BSD400", "data.root=path/to/BSD400"),
        ("data.root=/home/me/BSD400/", "data.root=path/to/BSD400"),
        ("data.root='/home/me/my images'", "'data.root=path/to/my images'"),
        ("data.root=BSD400", "data.root=path/to/BSD400"),
        ("data.root=~/BSD400", "data.root=path/to/BSD400"),
        ("data.root=..", "data.root=path/to/images"),
        (f"data.root=/home/{getpass.getuser()}", "data.root=path/to/images"),
        (r"data.root=C:\Users\me\BSD400", "data.root=path/to/BSD400"),
        ("data.test=${oc.env:HOME}/Set12", "data.test=path/to/Set12"),
        ("data.source.validation=../me/val", "data.source.validation=path/to/val"),
        ("some.other=/home/me/x", "some.other=path/to/x"),
    ],
)
def test_the_command_is_fit_for_everybody(word: str, expected: str) -> None:
    assert redact_command([word]) == f"python experiments/run.py {expected}".strip()


def test_the_card_of_a_run_that_went_on_from_another_has_both(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = make_run(tmp_path / "first", config("constant"))
    second = make_run(
        tmp_path / "second", config("constant"), overrides=["seed=4", f"trainer.start={first}"], start=first
    )
    third = make_run(
        tmp_path / "third",
        config("constant", data={"root": "/x/DIV2K"}),
        overrides=["trainer.start=second"],
        start=second,
    )
    options = ["mine", "--output", str(tmp_path), "--without-numbers"]
    assert main([str(third), *options]) == 0
    training = read_card(tmp_path / "mine.safetensors").training
    start = "python experiments/run.py"
    assert training.command == (
        f"{start} data=folder data.root=path/to/BSD400 'sigma=[5,55]' && {start} seed=4 trainer.start=path/to/first && "
        f"{start} trainer.start=second"
    )
    assert training.images.startswith("BSD400: 400 gray photographs")
    assert "; DIV2K (Agustsson" in training.images
    assert training.terms.count("; ") >= 1
    # A file says how it was made.
    fourth = make_run(tmp_path / "fourth", config("constant"), start=tmp_path / "mine.safetensors")
    assert main([str(fourth), "other", *options[1:]]) == 0
    other = read_card(tmp_path / "other.safetensors").training
    assert other.command is not None
    assert other.command.startswith(f"{training.command} && {start}")
    assert other.images == training.images  # each set once, though the run and its start were trained on BSD400
    assert other.terms == training.terms
    assert main([str(fourth), *options]) == 0  # over its own start, whose card is read before
    capsys.readouterr()
    assert main([str(fourth), *options]) == 2
    assert "is fourth itself, exported over its start" in capsys.readouterr().err
    shutil.rmtree(first)
    assert main([str(second), *options]) == 2
    assert "second started from" in capsys.readouterr().err


def test_a_run_of_an_earlier_version_has_no_command(main: Main, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", config("constant"), overrides=None)
    options = [str(run), "mine", "--output", str(tmp_path), "--without-numbers"]
    assert main(options) == 0
    assert read_card(tmp_path / "mine.safetensors").training.command is None
    assert "command: not recorded" in (tmp_path / "mine.md").read_text()
    assert main([*options, "--command", "python experiments/run.py sigma=25 data.root=/home/me/BSD400"]) == 0
    expected = "python experiments/run.py sigma=25 data.root=path/to/BSD400"
    assert read_card(tmp_path / "mine.safetensors").training.command == expected


def test_a_run_outside_a_checkout_is_told_its_commit(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", config("constant"))
    options = [str(run), "mine", "--output", str(tmp_path), "--without-numbers", "--commit", "4567def"]
    assert main(options) == 2
    assert "The run keeps its own commit: leave --commit out." in capsys.readouterr().err
    (run / "result.json").write_text(json.dumps({"format": 1, "metrics": {}, "git": {"commit": None}}))
    assert main(options) == 0
    assert read_card(tmp_path / "mine.safetensors").training.commit == "4567def"


def test_images_and_terms_are_said_by_the_user(main: Main, tmp_path: Path) -> None:
    given = config("constant", data={"root": "/home/me/micrographs"})
    run = make_run(tmp_path / "run", given)
    options = [str(run), "mine", "--output", str(tmp_path), "--without-numbers"]
    assert main(options) == 0
    training = read_card(tmp_path / "mine.safetensors").training
    assert (training.images, training.terms) == ("micrographs", "not stated")
    assert main([*options, "--images", "4,000 micrographs", "--terms", "CC BY 4.0"]) == 0
    training = read_card(tmp_path / "mine.safetensors").training
    assert (training.images, training.terms) == ("4,000 micrographs", "CC BY 4.0")


def test_what_cannot_be_exported_is_named(
    main: Main, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--output", str(tmp_path / "out")]
    cut = make_run(tmp_path / "cut", config("constant"), finished=False)
    assert main([str(cut), "mine", *out]) == 2
    assert "only a finished run is exported" in capsys.readouterr().err
    bare = make_run(tmp_path / "bare", config("constant"))
    assert main([str(bare), "mine", *out]) == 2
    assert f"Run: python experiments/evaluate.py {bare} path/to/Set12" in capsys.readouterr().err
    for name in ("Gray", "../gray", "a b", "", "-x", "x" * 100):
        assert main([str(bare), *out, "--without-numbers", "--", name]) == 2
        assert "NAME must be small letters and digits" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere"), "mine", *out]) == 2
    assert "not the directory of a run" in capsys.readouterr().err
    assert main([str(bare), "mine", *out, "--without-numbers", "--command", "x=3"]) == 2
    assert "keeps its own command" in capsys.readouterr().err
    silent = config("constant")
    del silent["sigma"]
    assert main([str(make_run(tmp_path / "silent", silent)), "mine", *out, "--without-numbers"]) == 2
    assert "holds no sigma" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_numbers_of_an_ensemble_stand_apart(main: Main, images: Path, tmp_path: Path) -> None:
    run = measured_run(tmp_path / "run", images, sigmas=(25,))
    assert evaluate([str(run), str(images), "--sigma", "25", "--ensemble", "--no-search"]) == 0
    assert (run / "evaluation-Set12-sigma25-ensemble.json").is_file()
    assert main([str(run), "mine", "--output", str(tmp_path)]) == 0
    card = read_card(tmp_path / "mine.safetensors")
    page = (tmp_path / "mine.md").read_text()
    for (row,), suffix in ((card.numbers, ""), (card.ensemble, "-ensemble")):
        assert row.metrics == json.loads((run / f"evaluation-Set12-sigma25{suffix}.json").read_text())["metrics"]
    assert f"{card.ensemble[0].metrics['ssim']:.4f}" in page.partition("With `--ensemble`")[2]
    assert "ensemble" not in dataclasses.replace(card, ensemble=()).plain()
    assert Card.of(card.plain()) == card


def test_numbers_of_slices_that_are_joined_are_not_those_of_the_model(main: Main, images: Path, tmp_path: Path) -> None:
    run = measured_run(tmp_path / "run", images, sigmas=(25,))
    (tmp_path / "stacks").mkdir()
    np.save(tmp_path / "stacks" / "one.npy", np.random.default_rng(0).random((4, 24, 20)).astype(np.float32))
    words = [str(run), str(tmp_path / "stacks"), "--axes", "3", "--sigma", "25", "--no-search"]
    assert evaluate(words) == 0
    assert (run / "evaluation-stacks-sigma25-z1.json").is_file()
    assert main([str(run), "mine", "--output", str(tmp_path)]) == 0
    assert [row.set for row in read_card(tmp_path / "mine.safetensors").numbers] == ["Set12"]


def test_numbers_of_other_weights_are_refused(
    main: Main, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = measured_run(tmp_path / "run", images, sigmas=(25,))
    file = run / "evaluation-Set12-sigma25.json"
    before = json.loads(file.read_text())
    for change, message in (
        ({"weights": "0" * 64}, "measured with other weights"),
        ({"best_epoch": 2}, "measured with other weights"),
        ({"format": 2}, "is of format 2, expected 1"),
        ({"protocol": "clipped"}, "under another protocol"),
        ({"metrics": None}, "mine"),
        ({"sigma": None}, "not what evaluate.py writes"),
        ({"set": "a\x1b[2J"}, "numbers[0].set must be printable"),
    ):
        file.write_text(json.dumps({**before, **change}))
        assert main([str(run), "mine", "--output", str(tmp_path / "out")]) == 2
        shown = capsys.readouterr().err
        assert message in shown or message == "mine"
    file.write_text("{")
    assert main([str(run), "mine", "--output", str(tmp_path / "out")]) == 2
    assert "cut off or no JSON" in capsys.readouterr().err
    # As an earlier version wrote it: without the set and the digest of the weights.
    file.write_text(json.dumps({key: value for key, value in before.items() if key not in ("set", "weights")}))
    assert main([str(run), "mine", "--output", str(tmp_path / "out")]) == 0
    assert read_card(tmp_path / "out" / "mine.safetensors").numbers[0].set == "Set12"


def test_the_words_of_a_run_are_kept_in_its_checkpoint(tmp_path: Path) -> None:
    assert read_run(make_run(tmp_path, config())).config["overrides"] == OVERRIDES
