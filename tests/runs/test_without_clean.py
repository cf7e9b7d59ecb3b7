"""A run on noisy images alone: what it trains by, what it measures, what it says is absent, and what it refuses."""

import csv
import json
import re
from pathlib import Path

import pytest

from difftv.errors import ConfigError
from difftv.lab.cli import evaluate, report, table
from difftv.lab.runs.build import build
from difftv.lab.runs.plan import PlannedRun
from tests.conftest import composed
from tests.data.test_noisy import scenes
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
]


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize(("more", "message"), REFUSED, ids=[",".join(more) for more, _ in REFUSED])
def test_what_needs_clean_images_is_refused(folders: tuple[Path, Path], more: list[str], message: str) -> None:
    given = [word.format(again=folders[1]) for word in words(folders, *more) if not word.startswith("hydra.")]
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_checked(given)


def build_checked(given: list[str]) -> None:
    planned = PlannedRun.of(composed(*given))
    planned.check()
    build(planned)
