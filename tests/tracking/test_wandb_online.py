"""W&B online, against a server on the loopback: a run arrives, is resumed, is replaced, is put together from pieces."""

import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tracking.conftest import IDENTITY, info, lines_of, steps, tracker
from tests.tracking.fake_server import FakeServer


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
    assert [(name, run["groupName"]) for name, run in server.runs.items()] == [(IDENTITY, "ablation")]
