"""A sweep on the cores of this machine: a worker is killed, then the command, and the same command ends it."""

import os
import signal
from pathlib import Path

import psutil
import pytest

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

pytest.importorskip("joblib", reason="the extra `local` is not installed")

LAUNCHER = ["-m", "hydra/launcher=local", "hydra.launcher.jobs=2"]


def test_workers_and_then_the_command_itself_are_killed(tmp_path: Path, alone: dict[float, dict[str, float]]) -> None:
    place = f"hydra.sweep.dir={tmp_path}"
    process = start(*LAUNCHER, rates(KILLED, WHOLE, RAISES), place)
    disturb(process, tmp_path, {KILLED: lambda status: os.kill(status["pid"], signal.SIGKILL)})
    code, shown = ended(process)
    assert code == 1
    assert f"lost: optimizer.lr={KILLED}: its process was killed" in shown
    assert "1 finished, 1 failed, 1 cut off" in shown
    first = results(tmp_path)
    assert first.keys() == {WHOLE}
    assert statuses(tmp_path)[RAISES]["state"] == "failed"
    assert "Invalid learning rate" in statuses(tmp_path)[RAISES]["error"]
    assert "Traceback" in log_of(tmp_path, RAISES)

    grown = [*LAUNCHER, rates(KILLED, WHOLE, RAISES, STOPPED), place]
    process = start(*grown)
    disturb(process, tmp_path, {STOPPED: lambda _: process.kill()})
    process.communicate()
    workers = [status["pid"] for status in statuses(tmp_path).values() if "pid" in status]
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in workers if psutil.pid_exists(pid)], timeout=20)
    assert not alive
    assert STOPPED not in results(tmp_path)

    code, shown = run(*grown)
    assert code == 1
    assert "1 failed" in shown
    assert results(tmp_path).keys() == {*WELL}
    assert results(tmp_path)[WHOLE] == first[WHOLE]
    for rate in (KILLED, STOPPED):
        log = log_of(tmp_path, rate)
        assert "continuing after epoch" in log
        assert log.count("epoch 1/8: ") == 1
        assert metrics(directories(tmp_path)[rate]) == alone[rate]
    written = table(tmp_path)
    assert f"{alone[KILLED]['psnr']:.2f}" in written
    assert "Invalid learning rate" in written


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_two_jobs_in_one_process_are_as_if_alone(
    launcher: str, tmp_path: Path, alone: dict[float, dict[str, float]]
) -> None:
    one_process = ["hydra.launcher.jobs=1"] if launcher == "local" else []
    command = ["-m", f"hydra/launcher={launcher}", *one_process, rates(KILLED, STOPPED)]
    code, shown = run(*command, f"hydra.sweep.dir={tmp_path}")
    assert code == 0, shown
    assert len({status["pid"] for status in statuses(tmp_path).values()}) == 1
    assert {rate: metrics(path) for rate, path in directories(tmp_path).items()} == alone
