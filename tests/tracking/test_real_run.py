"""A real training run, tracked offline and read back with W&B's own reader."""

import json
import math
from pathlib import Path

import pytest

from difftv.metrics import MEANING
from tests.runs.commands import SMALL, run
from tests.tracking.conftest import rows


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tracked") / "run"
    done = run(
        *[word for word in SMALL if not word.startswith("tracker")],
        "tracker=wandb",
        "tracker.mode=offline",
        "solver=taut_string",
        "patch_size=24",
        "evaluation.figures=2",
        f"hydra.run.dir={path}",
    )
    assert done.returncode == 0, done.stderr
    return path


def test_every_metric_of_every_epoch_is_there(directory: Path, records) -> None:
    history = rows(records(directory / "wandb"))
    epochs = [row for row in history if "train/loss" in row]
    assert [row["epoch"] for row in epochs] == [1, 2]
    of_other_runs = {"gam/free_edge_share", "v/mean", "v/max", "loss", "estimated_mse"}
    images = [name for name in MEANING if name != "lam/zero_gradient_share" and name not in of_other_runs]
    expected = {f"validation/{name}" for name in images} | {
        "train/loss",
        "lr",
        "lam/zero_gradient_share",
        "solver/forward_seconds",
        "solver/backward_seconds",
        "solver/iterations",
        "solver/not_converged",
        "solver/worst_gap",
    }
    for row in epochs:
        assert expected <= set(row), expected - set(row)


def test_the_configuration_and_the_final_numbers_are_there(directory: Path, records) -> None:
    (content,) = records(directory / "wandb", "--summary")
    text = json.dumps(content)
    result = json.loads((directory / "result.json").read_text())
    for name, value in result["metrics"].items():
        assert name in text, name
        if isinstance(value, float) and math.isfinite(value) and name in ("psnr", "noisy/psnr", "baseline/psnr"):
            assert repr(value)[:8] in text
    assert "taut_string" in text
    assert "patch_size" in text


def test_the_strips_are_there(directory: Path) -> None:
    drawn = {path.stem for path in (directory / "figures").glob("strip_*.png")}
    stored = {path.name for path in (directory / "wandb").rglob("*.png")}
    assert len(drawn) == 2
    for name in drawn:
        assert any(name in image for image in stored), (name, stored)


def test_nothing_is_written_beside_the_run(directory: Path) -> None:
    assert {path.name for path in directory.parent.iterdir()} == {"run"}
