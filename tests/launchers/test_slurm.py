"""A sweep on a real SLURM cluster: one run raises, one is killed, one is pre-empted; then the same command again."""

import getpass
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from difftv.lab.runs.launchers.scheduler import job_states, largest_node
from tests.launchers.slurm_cluster import ask
from tests.launchers.sweeps import (
    KILLED,
    RAISES,
    STOPPED,
    WELL,
    WHOLE,
    directories,
    disturb,
    ended,
    log_of,
    metrics,
    rates,
    results,
    run,
    start,
    statuses,
    table,
)

pytestmark = pytest.mark.slow

pytest.importorskip("submitit", reason="the extra `slurm` is not installed")

LAUNCHER = ["-m", "hydra/launcher=slurm_debug", "hydra.launcher.array_parallelism=8", "hydra.launcher.mem_gb=1"]


@dataclass(frozen=True)
class Disturbed:
    """Exit code, everything shown, and what was on disk after the command."""

    code: int
    shown: str
    states: dict[float, str]
    results: dict[float, int]


def job_numbers(cluster: Mapping[str, str]) -> set[str]:
    """Of every job that the scheduler remembers."""
    return {*ask(cluster, "squeue", "--noheader", "--array", "--states=all", "--format=%i").split()}


@pytest.fixture(scope="module")
def first(cluster: Mapping[str, str], sweep_dir: Path) -> Disturbed:
    process = start(
        *LAUNCHER, rates(WHOLE, KILLED, STOPPED, RAISES), f"hydra.sweep.dir={sweep_dir}", environment=cluster
    )
    actions = {
        KILLED: lambda status: os.kill(status["pid"], signal.SIGKILL),
        STOPPED: lambda _: ask(cluster, "scancel", "--signal=USR2", third_job(cluster)),
    }
    disturb(process, sweep_dir, actions)
    code, shown = ended(process)
    return Disturbed(code, shown, _states(sweep_dir), results(sweep_dir))


def third_job(cluster: Mapping[str, str]) -> str:
    """The one of the array that has the rate STOPPED."""
    running = ask(cluster, "squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i").split()
    return next(job for job in running if job.endswith("_2"))


def _states(sweep: Path) -> dict[float, str]:
    return {rate: status["state"] for rate, status in statuses(sweep).items()}


@pytest.fixture(scope="module")
def second(first: Disturbed, cluster: Mapping[str, str], sweep_dir: Path) -> Disturbed:
    code, shown = run(
        *LAUNCHER, rates(WHOLE, KILLED, STOPPED, RAISES), f"hydra.sweep.dir={sweep_dir}", environment=cluster
    )
    return Disturbed(code, shown, _states(sweep_dir), results(sweep_dir))


def test_one_that_dies_takes_no_other_with_it(first: Disturbed) -> None:
    assert first.code == 1
    assert first.results.keys() == {WHOLE, STOPPED}
    assert "2 finished" in first.shown or "1 finished, 1 continued" in first.shown
    assert "1 failed" in first.shown
    assert "1 cut off" in first.shown
    assert f"lost: optimizer.lr={KILLED}" in first.shown


def test_one_that_raises_says_why_on_the_disk(first: Disturbed, sweep_dir: Path) -> None:
    assert first.states[RAISES] == "failed"
    assert "Invalid learning rate" in statuses(sweep_dir)[RAISES]["error"]
    assert "Traceback" in log_of(sweep_dir, RAISES)
    assert "Invalid learning rate" in first.shown


def test_one_that_is_preempted_continues_in_the_same_directory(
    first: Disturbed, sweep_dir: Path, alone: dict[float, dict[str, float]]
) -> None:
    log = log_of(sweep_dir, STOPPED)
    assert "continuing after epoch" in log
    assert log.count("epoch 1/8: ") == 1
    assert first.states[STOPPED] == "finished"
    assert metrics(directories(sweep_dir)[STOPPED]) == alone[STOPPED]


def test_the_same_command_again_computes_what_is_missing(
    first: Disturbed, second: Disturbed, sweep_dir: Path, alone: dict[float, dict[str, float]]
) -> None:
    assert second.code == 1  # the one that raises still does
    assert "2 skipped" in second.shown
    assert "1 continued" in second.shown
    assert {rate: second.results[rate] for rate in first.results} == first.results
    assert log_of(sweep_dir, KILLED).count("epoch 1/8: ") == 1
    assert metrics(directories(sweep_dir)[KILLED]) == alone[KILLED]


def test_the_table_has_all_that_finished_and_names_the_other(second: Disturbed, sweep_dir: Path) -> None:
    shown = table(sweep_dir)
    for rate in WELL:
        assert f"{alone_psnr(sweep_dir, rate):.2f}" in shown
    assert "Invalid learning rate" in shown


def alone_psnr(sweep: Path, rate: float) -> float:
    return metrics(directories(sweep)[rate])["psnr"]


def test_a_finished_sweep_asks_nothing_of_the_cluster(
    second: Disturbed, cluster: Mapping[str, str], sweep_dir: Path
) -> None:
    before = job_numbers(cluster)
    code, shown = run(*LAUNCHER, rates(*WELL), f"hydra.sweep.dir={sweep_dir}", environment=cluster)
    assert code == 0, shown
    assert "3 skipped" in shown
    assert job_numbers(cluster) == before


def test_the_same_command_again_waits_for_jobs_that_are_still_in_the_queue(
    cluster: Mapping[str, str], tmp_path: Path
) -> None:
    command = [*LAUNCHER, "hydra.launcher.array_parallelism=1", rates(WHOLE, STOPPED), f"hydra.sweep.dir={tmp_path}"]
    process = start(*command, environment=cluster)
    assert process.stdout is not None
    while "submitted" not in (line := process.stdout.readline()):
        assert line, "ended before it submitted"
    process.send_signal(signal.SIGINT)
    code, shown = ended(process, 30)
    assert code != 0
    assert "The jobs go on without this command" in shown
    submitted = job_numbers(cluster)
    code, shown = run(*command, environment=cluster)
    assert code == 0, shown
    assert "waited for and not submitted again" in shown
    assert "2 finished" in shown or "1 finished, 1 continued" in shown
    assert job_numbers(cluster) == submitted


def test_more_cores_than_any_node_has(cluster: Mapping[str, str], tmp_path: Path) -> None:
    process = start(
        *LAUNCHER, "hydra.launcher.cpus_per_task=1000", rates(WHOLE), f"hydra.sweep.dir={tmp_path}", environment=cluster
    )
    assert process.stdout is not None
    shown = ""
    while "PENDING" not in shown and (line := process.stdout.readline()):
        shown += line
    process.send_signal(signal.SIGINT)
    code, rest = ended(process, 30)
    shown += rest
    ask(cluster, "scancel", f"--user={getpass.getuser()}")
    assert f"cpus_per_task=1000 is more than the {os.cpu_count()} CPUs of the largest node" in shown
    assert "The jobs go on without this command" in shown
    assert "To end them: scancel " in shown
    assert code != 0


def test_a_partition_that_does_not_exist(cluster: Mapping[str, str], tmp_path: Path) -> None:
    code, shown = run(
        *LAUNCHER, "hydra.launcher.partition=nowhere", rates(WHOLE), f"hydra.sweep.dir={tmp_path}", environment=cluster
    )
    assert code == 1
    assert "error: hydra/launcher=slurm could not submit the sweep" in shown
    assert "nvalid partition" in shown


def test_what_the_scheduler_says(cluster: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    assert largest_node(None) == os.cpu_count()
    assert largest_node("nowhere") is None
    assert job_states(["99999_0"]) == {}
    monkeypatch.setenv("PATH", "/nowhere")
    assert job_states(["1_0"]) is None
    assert largest_node(None) is None


def test_a_pruned_trial_of_a_search_is_left_alone_by_the_queue(cluster: Mapping[str, str], tmp_path: Path) -> None:
    """Even where the scheduler itself puts its job back."""
    pytest.importorskip("optuna", reason="the extra `optuna` is not installed")
    search = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2"]
    search += ["hydra.sweeper.startup_trials=1", "hydra.sweeper.warmup_epochs=1", "hydra.sweeper.sampler=random"]
    words = [*LAUNCHER, *search, "optimizer.lr=tag(log, interval(1e-6, 1e-2))", f"hydra.sweep.dir={tmp_path}"]
    code, shown = run(*words, environment=cluster)
    assert code == 0, shown
    pruned = {path: path.read_text() for path in tmp_path.glob("*/status.json") if '"pruned"' in path.read_text()}
    assert pruned, shown
    assert f"{4 - len(pruned)} finished, {len(pruned)} pruned" in shown
    assert len(pruned) + len(list(tmp_path.glob("*/result.json"))) == 4
    queue = json.loads((tmp_path / ".submitit" / "queue.json").read_text())
    jobs = [queue[path.parent.name] for path in pruned]
    for job in jobs:
        assert "Restarts=0" in ask(cluster, "scontrol", "show", "job", job)
        ask(cluster, "scontrol", "requeue", job)
    deadline = time.monotonic() + 240
    while not all(" left as it is" in (path.parent / "run.log").read_text() for path in pruned):
        assert time.monotonic() < deadline, ask(cluster, "squeue", "--states=all")
        time.sleep(0.5)
    assert {path: path.read_text() for path in pruned} == pruned


def test_sigterm_and_sigusr1_lose_no_step(
    cluster: Mapping[str, str], tmp_path: Path, alone: dict[float, dict[str, float]]
) -> None:
    """SIGTERM ends a job with its checkpoint, SIGUSR1 puts it back in the queue."""
    command = [*LAUNCHER, rates(STOPPED, KILLED), f"hydra.sweep.dir={tmp_path}"]

    def send(name: str, task: str) -> None:
        running = ask(cluster, "squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i").split()
        ask(cluster, "scancel", f"--signal={name}", next(job for job in running if job.endswith(task)))

    process = start(*command, environment=cluster)
    disturb(process, tmp_path, {STOPPED: lambda _: send("TERM", "_0"), KILLED: lambda _: send("USR1", "_1")})
    code, shown = ended(process)
    assert code == 1, shown
    stopped = statuses(tmp_path)[STOPPED]
    assert stopped["state"] == "interrupted"
    assert "SIGTERM" in stopped["error"]
    assert "saved after step" in log_of(tmp_path, STOPPED)
    assert "continuing after epoch" in log_of(tmp_path, KILLED)
    assert metrics(directories(tmp_path)[KILLED]) == alone[KILLED]
    code, shown = run(*command, environment=cluster)
    assert code == 0, shown
    assert metrics(directories(tmp_path)[STOPPED]) == alone[STOPPED]
