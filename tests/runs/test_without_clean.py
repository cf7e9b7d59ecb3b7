"""A run on noisy images alone: what it trains by, what it measures, what it says is absent, and what it refuses."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from difftv.errors import ConfigError
from difftv.lab.cli import evaluate, report, table
from difftv.lab.runs.build import build
from difftv.lab.runs.plan import PlannedRun
from tests.conftest import composed
from tests.data.test_noisy import photons, scenes
from tests.runs.commands import SMALL, run

WORDS = [word for word in SMALL if word not in ("data=sample", "evaluation.figures=0")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return scenes(tmp_path_factory.mktemp("noisy"), count=6)


def words(folders: tuple[Path, Path], *more: str) -> list[str]:
    return [*WORDS, "data=folder", f"data.root={folders[0]}", "data.clean=false", "evaluation.figures=1", *more]


@pytest.fixture(scope="module")
def sweep(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of three runs, by SURE and recorrupted with a given level, and from pairs with estimated ones."""
    place = tmp_path_factory.mktemp("sweep")
    settings = {
        "sure": ["loss=sure", "sigma=12"],
        "recorrupted": ["loss=recorrupted", "sigma=12"],
        "pairs": ["evaluation.scalar=sure", "loss=noise2noise", f"data.again={folders[1]}", "sigma=[5,55]"],
    }
    for name, more in settings.items():
        done = run(*words(folders, *more), "data.eval_patch_size=24", f"hydra.run.dir={place / name}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no clean images: estimated PSNR" in done.stdout + done.stderr
    return place


def test_what_needs_a_clean_image_is_absent_and_the_best_epoch_is_that_of_the_least_loss(sweep: Path) -> None:
    for place in (sweep / "sure", sweep / "recorrupted", sweep / "pairs"):
        result = json.loads((place / "result.json").read_text())
        metrics = result["metrics"]
        for name in metrics:
            assert not any(word in name for word in ("psnr", "ssim", "stair/", "edge")), name
        assert 0 < metrics["estimated_mse"] < metrics["noisy/estimated_mse"]
        epochs = [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
        losses = {row["epoch"]: row["validation/loss"] for row in epochs}
        assert result["best_epoch"] == min(losses, key=losses.__getitem__)
        assert not any("psnr" in name for name in epochs[0])
        rows = list(csv.DictReader((place / "per_image.csv").read_text().splitlines()))
        assert {"loss", "lam/mean", "estimated_mse"} <= set(rows[0])
        drawn = {file.name.split("_")[0] for file in (place / "figures").glob("*.png")}
        assert drawn == {"training", "strip", "lam"}
        assert not (place / "baseline.json").exists()
    # The noisy images themselves: the estimate is exact, sigma squared.
    assert json.loads((sweep / "sure" / "result.json").read_text())["metrics"]["noisy/estimated_mse"] == pytest.approx(
        (12 / 255) ** 2, rel=1e-4
    )


def test_table_and_page_show_what_is_there(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert table.main([str(sweep), "--rows", "loss"]) == 0
    shown = capsys.readouterr().out
    assert "estimated MSE" in shown
    assert "no clean images, so no metric that needs them" in shown
    assert report.main([str(sweep)]) == 0
    page = next(sweep.glob("*.html")).read_text()
    assert "estimated_mse" in page
    capsys.readouterr()
    assert table.main([str(sweep), "--metric", "psnr"]) != 0
    assert "No run has the metric 'psnr'" in capsys.readouterr().err


def test_the_model_is_measured_on_clean_images_where_there_are_some(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, _ = scenes(tmp_path, sigma=0.001, count=1)
    assert evaluate.main([str(sweep / "sure"), str(images), "--no-search", "--output", str(tmp_path)]) == 0
    assert "learned map" in capsys.readouterr().out


def test_photon_noise_is_estimated_and_the_error_with_it(tmp_path: Path) -> None:
    """Of the noisy image itself the estimated error is the variance of its noise."""
    given = [*WORDS, "data=folder", f"data.root={photons(tmp_path / 'photons', count=4)}", "data.clean=false"]
    noise = ["noise=poisson_gaussian", "noise.gain=[0.005,0.1]", "sigma=[0,20]", "data.eval_patch_size=64", "loss=sure"]
    done = run(*given, *noise, "evaluation.scalar=sure", "trainer.epochs=1", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
    variance = 0.02 * 0.45 + (4 / 255) ** 2
    assert metrics["noisy/estimated_mse"] == pytest.approx(variance, rel=0.4)
    assert metrics["estimated_mse"] < 0.8 * metrics["noisy/estimated_mse"]
    assert metrics["baseline/estimated_mse"] < 0.8 * metrics["noisy/estimated_mse"]


def test_volumes_train_by_their_second_files(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    clean = 0.3 + 0.4 * (np.indices((20, 18, 16)).sum(axis=0) > 26)
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        for index in range(3):
            noisy = clean + 0.06 * generator.standard_normal(clean.shape)
            np.save(tmp_path / place / f"{index}.npy", noisy.astype(np.float32))
    words = [word for word in WORDS if not word.startswith(("solver", "regularizer"))]
    files = [f"data.root={tmp_path / 'first'}", f"data.again={tmp_path / 'second'}", "data.axes=3", "data.clean=false"]
    done = run(
        *(*words, "data=folder", *files, "regularizer=anisotropic", "solver=admm", "predictor=constant"),
        *("loss=noise2noise", "sigma=[5,40]", "data.eval_patch_size=8", "trainer.epochs=1"),
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
    assert 0 < metrics["estimated_mse"] < metrics["noisy/estimated_mse"]
    assert metrics["noisy/estimated_mse"] == pytest.approx(0.06**2, rel=0.15)


REFUSED = [
    (["loss=mse"], "loss=Mse compares with clean images, and there are none"),
    (["loss=noise2noise"], "Give its directory as data.again"),
    (["loss=recorrupted", "data.again={again}"], "data.again is not read by loss=Recorrupted"),
    (["loss=sure", "data.again={again}"], "data.again is not read by loss=Sure"),
    (
        ["loss=noise2noise", "data.again={again}", "data.clean=true"],
        "data.again is for noisy images without clean ones",
    ),
    (["loss=sure", "data.clip_noise=true"], "data.clip_noise clips noise that is added"),
    (["loss=sure", "trainer.staircase_weight=1"], "trainer.staircase_weight compares with clean images"),
    (["loss=sure", "forward=inpainting", "solver=admm"], "data.clean=false is for denoising"),
    (["loss=sure", "data.clean=perhaps"], "data.clean must be"),
    (
        ["loss=noise2noise", "data.again={again}", "noise=correlated"],
        "Take noise=gaussian; loss=noise2noise is right for",
    ),
]


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize(("more", "message"), REFUSED, ids=[",".join(more) for more, _ in REFUSED])
def test_what_needs_clean_images_is_refused(folders: tuple[Path, Path], more: list[str], message: str) -> None:
    given = [word.format(again=folders[1]) for word in words(folders, *more) if not word.startswith("hydra.")]
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_checked(given)


@pytest.mark.usefixtures("jaxtyping_off")
def test_the_noise_of_signals_is_given(tmp_path: Path) -> None:
    for index in range(2):
        np.save(tmp_path / f"{index}.npy", np.linspace(0, 1, 40, dtype=np.float32))
    given = [word for word in WORDS if not word.startswith("hydra.")]
    signals = ["data=folder", f"data.root={tmp_path}", "data.axes=1", "data.clean=false", "predictor=constant"]
    with pytest.raises(ConfigError, match=re.escape("the noise of signals (data.axes=1) is not estimated: give one")):
        build_checked([*given, *signals, "solver=taut_string", "loss=sure", "sigma=[5,50]"])


def build_checked(given: list[str]) -> None:
    planned = PlannedRun.of(composed(*given))
    planned.check()
    build(planned)
