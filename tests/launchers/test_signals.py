"""The signals of a cluster: what a job does on each, and what is said of its run."""

import os
import signal
from pathlib import Path

import pytest

from difftv.lab.report.status import read_statuses, to_text
from difftv.lab.rundir.status import run_status
from difftv.lab.runs.directory import RunDirectory
from difftv.lab.runs.launchers.slurm import stopped_by_the_cluster
from difftv.lab.training.stop import deferred_stop

NOTICE = (signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def came():
    """The signals that came, answered as submitit does: its own notice, and SIGTERM passed over."""
    found: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, *NOTICE)}
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    signal.signal(signal.SIGUSR2, lambda number, _: found.append(number))
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_job_answers_either_notice_and_sigterm(came: list[int]) -> None:
    passes_over = signal.getsignal(signal.SIGTERM)
    with stopped_by_the_cluster():
        for number in NOTICE:
            os.kill(os.getpid(), number)
        assert came == [*NOTICE]
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # which the run turns into an exit
    assert signal.getsignal(signal.SIGTERM) == passes_over
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_a_notice_waits_for_the_end_of_a_step(came: list[int]) -> None:
    with stopped_by_the_cluster():
        with deferred_stop():
            os.kill(os.getpid(), signal.SIGUSR2)
            assert came == []
        assert came == [signal.SIGUSR2]


def test_a_run_that_was_put_back_is_shown_as_queued(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "sweep" / "run", "abc")
    with directory.claim():
        directory.write_status("running", epochs=8, epoch=3)
        directory.record_interruption("stopped (exit code -1)", epochs=8, queue="SLURM as job 17")
    found = run_status(directory.path)
    assert (found.state, found.epoch) == ("queued", 3)
    shown = to_text("sweep", read_statuses(tmp_path / "sweep"))
    assert "queued" in shown
    assert "waits again in SLURM as job 17" in shown
