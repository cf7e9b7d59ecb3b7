"""W&B in trouble: wrong credentials, no network, a server that stops, a background process that is killed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from difftv.errors import ConfigError
from tests.tracking.conftest import Records, info, lines_of, rows, steps, tracker
from tests.tracking.fake_server import API_KEY, FakeServer

CLOSED = "http://127.0.0.1:9"  # the discard port: nothing listens there


@pytest.mark.parametrize("mode", ["auto", "online"])
@pytest.mark.parametrize("kind", ["rejected", "malformed", "closed", "silent"])
def test_bad_credentials_and_no_network(
    place: Path, point_to: Callable[..., None], caplog: pytest.LogCaptureFixture, kind: str, mode: str
) -> None:
    """Forced online it is an error before any work; otherwise the run goes on offline and says why."""
    with FakeServer(silent=kind == "silent", reject=kind == "rejected") as server:
        point_to(CLOSED if kind == "closed" else server.url, "short" if kind == "malformed" else API_KEY)
        why = {"rejected": "not logged in", "malformed": "API key"}.get(kind, "does not answer")
        if mode == "online":
            with pytest.raises(ConfigError, match=why):
                tracker(mode).start(info(place))
            assert list(place.rglob("*.wandb")) == []
        else:
            with tracker(mode).open(info(place)) as log:
                log.epoch(1, {"train/loss": 0.5})
            (line,) = lines_of(caplog)
            assert why in line
            assert "wandb sync" in line
            assert len(list(place.glob("wandb/offline-run-*"))) == 1


def test_a_server_that_stops_answering_holds_nothing_up_and_loses_nothing(
    place: Path,
    server: FakeServer,
    caplog: pytest.LogCaptureFixture,
    records: Callable[..., Records],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_HTTP_TIMEOUT", "100000")  # waiting for an answer would run into the timeout of the test
    with tracker().open(info(place)) as log:
        for epoch in range(1, 7):
            if epoch == 3:
                server.silent = True
            log.epoch(epoch, {"train/loss": 1 / epoch})
        server.stop()
        log.table("per_image", ["image", "psnr"], [["camera", 28.0]])
        log.summary({"psnr": 28.0})
    assert [row["_step"] for row in rows(records(place))] == [1, 2, 3, 4, 5, 6, 7]

    advice = lines_of(caplog)[-1]
    _, *arguments = advice.rpartition("with: ")[2].split()
    with FakeServer() as again:
        again.history, again.runs = server.history, server.runs
        environment = {**os.environ, "WANDB_BASE_URL": again.url, "HOME": str(tmp_path)}
        subprocess.run(
            [sys.executable, "-m", "wandb", *arguments], check=True, cwd=tmp_path, env=environment, capture_output=True
        )
        assert steps(again) == [1, 2, 3, 4, 5, 6, 7]


def test_the_run_goes_on_without_the_background_process(tmp_path: Path, place: Path) -> None:
    """In a process of its own: W&B's exit handler complains about a background process that is gone."""
    program = f"""
import logging, psutil
from pathlib import Path
from difftv.lab.tracking import RunInfo
from difftv.lab.tracking.wandb import WandbTracker
logging.basicConfig()
with WandbTracker(mode="offline").open(RunInfo(Path({str(place)!r}), "id", "name", "group")) as log:
    log.epoch(1, {{"train/loss": 1.0}})
    for child in psutil.Process().children():
        child.kill()
        child.wait()
    for epoch in range(2, 20):
        log.epoch(epoch, {{"train/loss": 1.0}})
    log.summary({{"psnr": 28.0}})
print("trained to the end")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout == "trained to the end\n"
    assert done.returncode == 0
    assert done.stderr.count("W&B failed and is disabled for the rest of this run") == 1


def test_a_run_that_is_killed_keeps_what_it_logged(
    place: Path, tmp_path: Path, records: Callable[..., Records]
) -> None:
    program = f"""
import os, signal, time
from pathlib import Path
from difftv.lab.tracking import RunInfo
from difftv.lab.tracking.wandb import WandbTracker
with WandbTracker(mode="offline").open(RunInfo(Path({str(place)!r}), "id", "name", "group")) as log:
    log.epoch(1, {{"train/loss": 0.5}})
    log.epoch(2, {{"train/loss": 0.25}})
    time.sleep(2.5)  # W&B writes once a second
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path)
    assert done.returncode != 0
    assert [row["train/loss"] for row in rows(records(place))] == [0.5, 0.25]
