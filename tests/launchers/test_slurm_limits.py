"""Limits of a real SLURM cluster: time, tasks at once, tasks of an array; and a search whose trials are its jobs."""

import json
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from tests.launchers.slurm_cluster import LARGEST_ARRAY, ask
from tests.launchers.sweeps import directories, ended, log_of, metrics, rates, results, run, start

pytestmark = pytest.mark.slow

pytest.importorskip("submitit", reason="the extra `slurm` is not installed")

LAUNCHER = ["-m", "hydra/launcher=slurm_debug", "hydra.launcher.mem_gb=1"]

SLOW = """
import os
import time

from difftv.lab.losses import Mse


class Slow(Mse):
    def forward(self, denoised, clean):
        time.sleep(float(os.environ.get("SECONDS_PER_STEP", "0")))
        return super().forward(denoised, clean)
"""


def test_a_time_limit_shorter_than_the_training(cluster: Mapping[str, str], tmp_path: Path) -> None:
    """The training takes more than two minutes: it queues again, continues, and ends with the same bits."""
    (tmp_path / "slow_loss.py").write_text(SLOW)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    limits = ["hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=10", "hydra.launcher.max_num_timeout=20"]
    words, sweep = ["loss._target_=slow_loss.Slow", rates(0.01)], tmp_path / "sweep"
    environment = {**cluster, "PYTHONPATH": path, "SECONDS_PER_STEP": "1"}
    process = start(*LAUNCHER, *limits, *words, f"hydra.sweep.dir={sweep}", environment=environment)
    code, shown = ended(process, 900)
    assert code == 0, shown
    log = log_of(sweep, 0.01)
    assert "saved after step" in log
    assert "continuing after epoch" in log
    assert log.count("epoch 1/8: ") <= 1 + log.count("continuing after epoch 1")
    code, shown = run(*words, f"hydra.run.dir={tmp_path / 'alone'}", environment={"PYTHONPATH": path})
    assert code == 0, shown
    assert metrics(directories(sweep)[0.01]) == metrics(tmp_path / "alone")


def test_no_more_tasks_at_once_than_asked_for_and_arrays_as_large_as_allowed(
    cluster: Mapping[str, str], tmp_path: Path
) -> None:
    values = [0.01 / (number + 1) for number in range(LARGEST_ARRAY + 1)]
    words = [*LAUNCHER, "hydra.launcher.array_parallelism=1", "trainer.epochs=2", rates(*values)]
    code, shown = ended(start(*words, f"hydra.sweep.dir={tmp_path}", environment=cluster), 900)
    assert code == 0, shown
    assert f"{len(values)} finished" in shown
    assert "PENDING (Dependency)" in shown
    assert "JobArrayTaskLimit" in shown
    queue = json.loads((tmp_path / ".submitit" / "queue.json").read_text()).values()
    arrays = {job.split("_")[0] for job in queue}
    assert len(arrays) == 2
    stays = sorted(_stay(cluster, job) for job in queue)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(stays)), stays


def _stay(cluster: Mapping[str, str], job: str) -> tuple[str, str]:
    """When it started and ended, as ISO dates."""
    words = dict(
        word.split("=", 1) for word in ask(cluster, "scontrol", "show", "job", job).split() if word.count("=") == 1
    )
    return words["StartTime"], words["EndTime"]


SEARCH = [
    "hydra/sweeper=optuna",
    "hydra/sweeper/pruner=none",
    "hydra.sweeper.n_trials=4",
    "hydra.sweeper.n_jobs=2",
    "hydra.sweeper.startup_trials=2",
    "optimizer.lr=tag(log, interval(1e-4, 1e-2))",
]


def trials(folder: Path) -> list[tuple]:
    found = json.loads((folder / "search.json").read_text())["trials"]
    return [(trial["number"], trial["params"], trial["state"], trial["value"]) for trial in found]


def test_the_trials_of_a_study_are_jobs_side_by_side(cluster: Mapping[str, str], tmp_path: Path) -> None:
    """With its trials determined, the study is that of a search without a cluster."""
    pytest.importorskip("optuna", reason="the extra `optuna` is not installed")
    sweep, alone = tmp_path / "slurm", tmp_path / "alone"
    command = [*LAUNCHER, "hydra.launcher.array_parallelism=2", *SEARCH, f"hydra.sweep.dir={sweep}"]
    code, shown = run("-m", *SEARCH, f"hydra.sweep.dir={alone}")
    assert code == 0, shown
    code, shown = ended(start(*command, environment=cluster), 900)
    assert code == 0, shown
    assert trials(sweep) == trials(alone)
    assert len(results(sweep)) == 4
    queue = json.loads((sweep / ".submitit" / "queue.json").read_text())
    first, second = (_stay(cluster, queue[_run(sweep, number)]) for number in (0, 1))
    assert max(first[0], second[0]) < min(first[1], second[1]), "not side by side"


def _run(folder: Path, number: int) -> str:
    return json.loads((folder / "search.json").read_text())["trials"][number]["run"]
