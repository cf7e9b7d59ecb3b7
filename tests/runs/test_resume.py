"""A run that is killed and started again ends with the same bits as one that was not."""

from pathlib import Path

import pytest
import torch

from tests.runs.commands import SMALL, killed, run
from tests.runs.faults import killed_at
from tests.runs.outcomes import outcome

KILL_POINTS = {
    "before the first step": killed_at("difftv.step"),
    "in the middle of the first epoch": killed_at("difftv.step", 3),
    "while the first epoch is validated": killed_at("difftv.validate"),
    # The fourth checkpoint is written whole under its temporary name, and never gets its own.
    "between two writes of a checkpoint": killed_at("os.rename", 4, "str(arguments[1]).endswith('/checkpoint.pt')"),
    "in the middle of the second epoch": killed_at("difftv.step", 5),
    "after the training": killed_at("difftv.evaluate"),
    "just before the result is there": killed_at("difftv.result"),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed")
    done = run(*SMALL, f"hydra.run.dir={directory}")
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.parametrize("point", KILL_POINTS)
def test_killed_and_started_again(point: str, undisturbed: Path, tmp_path: Path) -> None:
    arguments = [*SMALL, f"hydra.run.dir={tmp_path}"]
    assert killed(run(*arguments, prelude=KILL_POINTS[point]))
    assert not (tmp_path / "result.json").exists()
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    metrics, weights, history, per_image = outcome(tmp_path)
    expected_metrics, expected_weights, expected_history, expected_per_image = outcome(undisturbed)
    assert metrics == expected_metrics
    assert history == expected_history
    assert per_image == expected_per_image
    assert weights.keys() == expected_weights.keys()
    for name, value in weights.items():
        assert torch.equal(value, expected_weights[name]), name


@pytest.mark.parametrize(
    "options",
    [
        ["solver=taut_string", "predictor=unet", "optimizer=adamw", "scheduler=plateau", "loss=mse_ssim"],
        ["solver=auto", "regularizer=huber", "scheduler=plateau", "trainer.precision=bfloat16"],
    ],
    ids=["taut_string", "admm"],
)
def test_every_other_option_resumes_as_well(options: list[str], tmp_path: Path) -> None:
    arguments = [*(word for word in SMALL if not word.startswith("scheduler")), *options, "scheduler.patience=0"]
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    assert run(*arguments, f"hydra.run.dir={whole}").returncode == 0
    assert killed(run(*arguments, f"hydra.run.dir={cut}", prelude=KILL_POINTS["in the middle of the second epoch"]))
    assert run(*arguments, f"hydra.run.dir={cut}").returncode == 0
    for one, other in zip(outcome(cut), outcome(whole), strict=True):
        if isinstance(one, dict) and any(isinstance(value, torch.Tensor) for value in one.values()):
            assert all(torch.equal(value, other[name]) for name, value in one.items())
        else:
            assert one == other


def test_a_resumed_run_continues_instead_of_starting_over(tmp_path: Path) -> None:
    arguments = [*SMALL, f"hydra.run.dir={tmp_path}"]
    assert killed(run(*arguments, prelude=KILL_POINTS["in the middle of the second epoch"]))
    done = run(*arguments)
    assert "continuing after epoch 1, step 1" in done.stdout
    assert "epoch 1/2" not in done.stdout.split("continuing", 1)[1].replace("epoch 1/2: loss", "", 1)


def test_the_training_did_something(undisturbed: Path) -> None:
    _, weights, history, _ = outcome(undisturbed)
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[0]["train/loss"] != history[1]["train/loss"]
    assert history[0]["lr"] > history[1]["lr"]
    assert any(value.abs().max() > 0 for value in weights.values())


def test_a_finished_run_is_not_computed_again(undisturbed: Path) -> None:
    before = (undisturbed / "result.json").stat().st_mtime_ns
    done = run(*SMALL, f"hydra.run.dir={undisturbed}", prelude=killed_at("difftv.train"))
    assert done.returncode == 0, done.stderr
    assert "finished before, nothing to do" in done.stdout
    assert (undisturbed / "result.json").stat().st_mtime_ns == before


def test_a_default_device_that_somebody_has_set_changes_nothing(undisturbed: Path, tmp_path: Path) -> None:
    done = run(*SMALL, f"hydra.run.dir={tmp_path}", prelude="import torch\ntorch.set_default_device('meta')")
    assert done.returncode == 0, done.stdout + done.stderr
    metrics, weights, history, per_image = outcome(tmp_path)
    expected = outcome(undisturbed)
    assert (metrics, history, per_image) == (expected[0], expected[2], expected[3])
    assert all(torch.equal(value, expected[1][name]) for name, value in weights.items())
