"""A run that is killed and started again ends with the same bits as one that was not."""

from pathlib import Path

import pytest
import torch

from difftv.lab.rundir.checkpoint import read_checkpoint
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

STOP_POINTS = {
    "between a gradient and its step": "torch.nn.utils.clip_grad_norm_",
    "while the weights change": "torch.optim.Adam.step",
    "while images are validated": "difftv.lab.training.loop.evaluate",
}


def stopped_in(function: str, number: int) -> str:
    """SIGTERM at the end of the `number`-th call of a function."""
    owner, name = function.rsplit(".", 1)
    return f"""
import functools, pkgutil, signal
import difftv.lab.training.loop
def _arm(owner, name):
    whole, calls = getattr(owner, name), []
    @functools.wraps(whole)
    def stopped(*arguments, **options):
        found = whole(*arguments, **options)
        calls.append(1)
        if len(calls) == {number}:
            signal.raise_signal(signal.SIGTERM)
        return found
    setattr(owner, name, stopped)
_arm(pkgutil.resolve_name({owner!r}), {name!r})
"""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("uninterrupted")
    done = run(*SMALL, f"hydra.run.dir={directory}")
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.parametrize("point", KILL_POINTS)
def test_killed_and_started_again(point: str, uninterrupted: Path, tmp_path: Path) -> None:
    arguments = [*SMALL, f"hydra.run.dir={tmp_path}"]
    assert killed(run(*arguments, prelude=KILL_POINTS[point]))
    assert not (tmp_path / "result.json").exists()
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    metrics, weights, history, per_image = outcome(tmp_path)
    expected_metrics, expected_weights, expected_history, expected_per_image = outcome(uninterrupted)
    assert metrics == expected_metrics
    assert history == expected_history
    assert per_image == expected_per_image
    assert weights.keys() == expected_weights.keys()
    for name, value in weights.items():
        assert torch.equal(value, expected_weights[name]), name


@pytest.mark.parametrize("point", STOP_POINTS)
def test_repeated_stops_lose_no_step(point: str, uninterrupted: Path, tmp_path: Path) -> None:
    """The checkpoint of a time would only come after an hour."""
    arguments = [*(word for word in SMALL if "checkpoint_seconds" not in word), "trainer.checkpoint_seconds=3600"]
    arguments.append(f"hydra.run.dir={tmp_path}")
    reached = []
    for _ in range(2):
        done = run(*arguments, prelude=stopped_in(STOP_POINTS[point], 1 if "validated" in point else 2))
        assert done.returncode == 143, done.stderr
        assert "the same command continues from the last checkpoint" in done.stdout
        training = read_checkpoint(tmp_path / "checkpoint.pt")["training"]
        reached.append((training["epoch"], training["batch"]))
    assert (
        reached
        == {
            "between a gradient and its step": [(0, 1), (0, 2)],
            "while the weights change": [(0, 2), (1, 1)],
            "while images are validated": [(0, 3), (0, 3)],
        }[point]
    )
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    metrics, weights, history, per_image = outcome(tmp_path)
    expected_metrics, expected_weights, expected_history, expected_per_image = outcome(uninterrupted)
    assert (metrics, history, per_image) == (expected_metrics, expected_history, expected_per_image)
    assert all(torch.equal(value, expected_weights[name]) for name, value in weights.items())


@pytest.mark.parametrize(
    "options",
    [
        ["solver=taut_string", "predictor=unet", "optimizer=adamw", "scheduler=plateau", "loss=mse_ssim"],
        ["solver=auto", "regularizer=huber", "optimizer=muon", "scheduler=plateau", "trainer.precision=bfloat16"],
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


def test_the_training_did_something(uninterrupted: Path) -> None:
    _, weights, history, _ = outcome(uninterrupted)
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[0]["train/loss"] != history[1]["train/loss"]
    assert history[0]["lr"] > history[1]["lr"]
    assert any(value.abs().max() > 0 for value in weights.values())


def test_a_finished_run_is_not_computed_again(uninterrupted: Path) -> None:
    before = (uninterrupted / "result.json").stat().st_mtime_ns
    done = run(*SMALL, f"hydra.run.dir={uninterrupted}", prelude=killed_at("difftv.train"))
    assert done.returncode == 0, done.stderr
    assert "finished before, nothing to do" in done.stdout
    assert (uninterrupted / "result.json").stat().st_mtime_ns == before


def test_a_default_device_that_somebody_has_set_changes_nothing(uninterrupted: Path, tmp_path: Path) -> None:
    done = run(*SMALL, f"hydra.run.dir={tmp_path}", prelude="import torch\ntorch.set_default_device('meta')")
    assert done.returncode == 0, done.stdout + done.stderr
    metrics, weights, history, per_image = outcome(tmp_path)
    expected = outcome(uninterrupted)
    assert (metrics, history, per_image) == (expected[0], expected[2], expected[3])
    assert all(torch.equal(value, expected[1][name]) for name, value in weights.items())
