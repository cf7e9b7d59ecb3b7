"""W&B online, against a server on the loopback: wrong credentials, no network, a network that dies, a run resumed."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from difftv.errors import ConfigError
from difftv.tracking import RunInfo
from difftv.tracking.wandb import WandbTracker
from tests.tracking.conftest import rows
from tests.tracking.fake_server import API_KEY, FakeServer

IDENTITY = "0123456789ab"
CLOSED = "http://127.0.0.1:9"  # the discard port: nothing listens there


def info(directory: Path) -> RunInfo:
    return RunInfo(directory, identity=IDENTITY, name="solver=scs", group="ablation", config={"sigma": 25})


def tracker(mode: str = "auto") -> WandbTracker:
    return WandbTracker(mode=mode, init_timeout=3.0, finish_timeout=2.0)


@pytest.fixture
def point_to(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a server the one that W&B talks to, with a login for it."""

    def point(url: str, key: str = API_KEY) -> None:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        monkeypatch.setenv("WANDB_API_KEY", key)

    return point


@pytest.fixture
def server(point_to) -> Iterator[FakeServer]:
    with FakeServer() as running:
        point_to(running.url)
        yield running


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("difftv")]


def steps(server: FakeServer) -> list[int]:
    return [row["_step"] for row in server.history[IDENTITY]]


def test_online_where_a_login_works(place: Path, server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), tracker().open(info(place)) as log:
        log.epoch(1, {"train/loss": 0.5})
        log.table("per_image", ["image", "psnr"], [["camera", 28.0]])
    assert [row.get("train/loss") for row in server.history[IDENTITY]] == [0.5, None]
    run = server.runs[IDENTITY]
    assert (run["project"], run["groupName"], run["displayName"]) == ("diff-tv-net", "ablation", "solver=scs")
    (line,) = lines_of(caplog)
    assert line == f"W&B: {server.url}/me/diff-tv-net/runs/{IDENTITY}"
    assert not any("rtifact" in request for request in server.requests)


def test_a_resumed_run_continues_and_a_fresh_start_replaces(place: Path, server: FakeServer) -> None:
    with tracker().open(info(place)) as log:
        for epoch in (1, 2, 3):
            log.epoch(epoch, {"train/loss": 1.0})
    # The checkpoint is one epoch older than what W&B has.
    with tracker().open(replace(info(place), resumed_epoch=2)) as log:
        for epoch in (3, 4):
            log.epoch(epoch, {"train/loss": 2.0})
    assert [(row["_step"], row["train/loss"]) for row in server.history[IDENTITY]] == [(1, 1), (2, 1), (3, 1), (4, 2)]
    with tracker().open(info(place)) as log:
        log.epoch(1, {"train/loss": 3.0})
    assert steps(server) == [1]


@pytest.mark.parametrize("mode", ["auto", "online"])
@pytest.mark.parametrize("kind", ["rejected", "malformed", "closed", "silent"])
def test_bad_credentials_and_no_network(
    place: Path, point_to, caplog: pytest.LogCaptureFixture, kind: str, mode: str
) -> None:
    """Forced online it is an error before any work; otherwise the run goes on offline and says why, within seconds."""
    with FakeServer(silent=kind == "silent", reject=kind == "rejected") as server:
        point_to(CLOSED if kind == "closed" else server.url, "short" if kind == "malformed" else API_KEY)
        why = {"rejected": "not logged in", "malformed": "API key"}.get(kind, "does not answer")
        started = time.monotonic()
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
        assert time.monotonic() - started < 8


def test_a_network_that_dies_does_not_slow_the_run_down_and_loses_nothing(
    place: Path, server: FakeServer, caplog: pytest.LogCaptureFixture, records, tmp_path: Path, point_to
) -> None:
    slowest = 0.0
    with tracker().open(info(place)) as log:
        for epoch in range(1, 7):
            if epoch == 3:
                server.die()
            started = time.monotonic()
            log.epoch(epoch, {"train/loss": 1 / epoch})
            slowest = max(slowest, time.monotonic() - started)
        log.table("per_image", ["image", "psnr"], [["camera", 28.0]])
        log.summary({"psnr": 28.0})
        closing = time.monotonic()
    assert slowest < 0.5
    assert time.monotonic() - closing < 6
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


def test_pieces_recorded_offline_become_one_run(place: Path, server: FakeServer, tmp_path: Path) -> None:
    for resumed_epoch, epochs in ((0, (1, 2)), (2, (3, 4))):
        with tracker("offline").open(replace(info(place), resumed_epoch=resumed_epoch)) as log:
            for epoch in epochs:
                log.epoch(epoch, {"train/loss": 1 / epoch})
    assert server.requests == []
    environment = {**os.environ, "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "wandb", "sync", str(place / "wandb")]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)
    assert steps(server) == [1, 2, 3, 4]


def test_the_run_survives_the_death_of_the_background_process(tmp_path: Path, place: Path) -> None:
    """In a process of its own: W&B's exit handler complains about a background process that is gone."""
    program = f"""
import logging, psutil
from pathlib import Path
from difftv.tracking import RunInfo
from difftv.tracking.wandb import WandbTracker
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
    assert done.stderr.count("W&B failed and is left alone for the rest of this run") == 1
